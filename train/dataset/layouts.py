"""How each data set lies on disk. A reader returns the clips that its tables name; `problems.py` looks at the files."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bowstream.sources import SUFFIXES

from .data import EVALUATION, Clip, DataError, DataSet

# What a row has beyond the header.
MORE = "beyond the header"
# Folds that clips without any are dealt into.
FOLDS = 5
TAG_SEPARATOR = ";"

ESC50_LICENCE = (
    "CC BY-NC 3.0 (https://creativecommons.org/licenses/by-nc/3.0/), passed on from ESC-50 by Karol J. Piczak: "
    '"ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015, https://github.com/karolpiczak/ESC-50'
)
FSD50K_LICENCE = (
    "CC BY-NC 4.0 at most: passed on from FSD50K by Eduardo Fonseca et al., "
    '"FSD50K: an Open Dataset of Human-Labeled Sound Events", 2022, https://zenodo.org/records/4060432, '
    "whose clips are CC0, CC BY, CC BY-NC and CC Sampling+"
)
URBANSOUND8K_LICENCE = (
    "CC BY-NC 3.0 (https://creativecommons.org/licenses/by-nc/3.0/), passed on from UrbanSound8K by Justin Salamon, "
    'Christopher Jacoby and Juan Pablo Bello: "A Dataset and Taxonomy for Urban Sound Research", '
    "ACM Multimedia 2014, https://urbansounddataset.weebly.com"
)
ESC50_FOLDS = ("1", "2", "3", "4", "5")
OWN_LICENCE = "not stated: trained on its maker's own recordings"


def esc50(root: Path) -> DataSet:
    """ESC-50: `meta/esc50.csv` (or `esc50.csv`) and `audio/`."""
    table = next((root / place for place in ("meta/esc50.csv", "esc50.csv") if (root / place).is_file()), None)
    if table is None:
        raise DataError([f"{root} is no ESC-50: there is no meta/esc50.csv (or esc50.csv) in it"])
    rows = read_rows(table, "filename", "fold", "target", "category")
    targets = {row["category"]: row["target"] for row in rows}
    odd = [
        f"{table}: {row['filename']} has target {row['target']} and category {row['category']!r}, elsewhere "
        f"{targets[row['category']]}"
        for row in rows
        if row["target"] != targets[row["category"]]
    ]
    odd += [f"{table}: {row['filename']} is in fold {row['fold']!r}" for row in rows if row["fold"] not in ESC50_FOLDS]
    stop_at(odd)
    clips = [
        Clip(row["filename"], root / "audio" / row["filename"], (readable(row["category"]),), row["fold"])
        for row in rows
    ]
    return data_set("ESC-50", clips, ESC50_LICENCE)


def fsd50k(root: Path) -> DataSet:
    """FSD50K: `FSD50K.dev_audio/`, `FSD50K.eval_audio/`, `FSD50K.ground_truth/{dev,eval,vocabulary}.csv`."""
    truth = root / "FSD50K.ground_truth"
    with open_table(truth / "vocabulary.csv") as file:
        vocabulary = [row[1] for row in csv.reader(file) if len(row) > 1]
    clips, odd = [], []
    for part in ("dev", "eval"):
        columns = ("fname", "labels", "split") if part == "dev" else ("fname", "labels")
        for row in read_rows(truth / f"{part}.csv", *columns):
            labels = row["labels"].split(",")
            unknown = [label for label in labels if label not in vocabulary]
            odd += [f"{truth / part}.csv: {row['fname']} has {label!r}, not in vocabulary.csv" for label in unknown]
            if part == "dev" and row["split"] not in ("train", "val"):
                odd.append(f"{truth / part}.csv: {row['fname']} has split {row['split']!r}, wanted train or val")
            path = root / f"FSD50K.{part}_audio" / f"{row['fname']}.wav"
            tags = tuple(readable(label) for label in labels)
            clips.append(Clip(f"{part}/{row['fname']}", path, tags, row["split"] if part == "dev" else EVALUATION))
    stop_at(odd)
    return data_set("FSD50K", clips, FSD50K_LICENCE, single_label=False, tags=map(readable, vocabulary))


def urbansound8k(root: Path) -> DataSet:
    """UrbanSound8K: `metadata/UrbanSound8K.csv` and `audio/fold1` … `audio/fold10`."""
    table = root / "metadata" / "UrbanSound8K.csv"
    rows = read_rows(table, "slice_file_name", "fsID", "fold", "class")
    folds = defaultdict(set)
    for row in rows:
        folds[row["fsID"]].add(row["fold"])
    stop_at(
        f"{table}: recording {recording} has slices in folds {', '.join(sorted(found))}"
        for recording, found in folds.items()
        if len(found) > 1
    )
    clips = [
        Clip(
            row["slice_file_name"],
            root / "audio" / f"fold{row['fold']}" / row["slice_file_name"],
            (readable(row["class"]),),
            row["fold"].zfill(2),
        )
        for row in rows
    ]
    return data_set("UrbanSound8K", clips, URBANSOUND8K_LICENCE)


def folder(root: Path) -> DataSet:
    """A folder of folders, each named after the tag that its recordings have."""
    if not root.is_dir():
        raise DataError([f"{root} is no folder"])
    kinds = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    loose = sorted(path.name for path in root.iterdir() if path.suffix.lower() in SUFFIXES)
    found = {kind: sorted(path for path in kind.rglob("*") if path.suffix.lower() in SUFFIXES) for kind in kinds}
    odd = [f"{kind}: there are no recordings in it" for kind in kinds if not found[kind]]
    odd += [f"{root / name}: a recording outside of any tag's folder" for name in loose]
    stop_at(odd if kinds else [f"{root}: wanted a folder for each tag with recordings in it, found none"])
    rows = [(path, (readable(kind.name),), "") for kind in kinds for path in found[kind]]
    return data_set(root.resolve().name, deal(root, rows), OWN_LICENCE)


def table(file: Path) -> DataSet:
    """A CSV with columns `file` and `tags` (separated by `;`), and perhaps `fold` or `group`.

    Files are relative to the CSV. Rows of one `group` (clips cut from one recording, say) stay in one fold.
    Folds named train, val and eval are the set's own split; all others are rotated over.
    """
    rows = read_rows(file, "file", "tags")
    stop_at(f"{file}: {row['file']} has no tag" for row in rows if not row["tags"].strip(" ;"))
    tags = [
        tuple(dict.fromkeys(tag.strip() for tag in row["tags"].split(TAG_SEPARATOR) if tag.strip())) for row in rows
    ]
    if rows and "fold" in rows[0]:
        stop_at(f"{file}: {row['file']} has no fold" for row in rows if not row["fold"])
        clips = [Clip(row["file"], file.parent / row["file"], of, row["fold"]) for row, of in zip(rows, tags)]
    else:
        clips = deal(
            file.parent, [(file.parent / row["file"], of, row.get("group", "")) for row, of in zip(rows, tags)]
        )
    single = all(len(clip.tags) == 1 for clip in clips)
    return data_set(file.stem, clips, OWN_LICENCE, single_label=single)


LAYOUTS: Mapping[str, Callable[[Path], DataSet]] = {
    "esc50": esc50,
    "fsd50k": fsd50k,
    "urbansound8k": urbansound8k,
    "folder": folder,
    "csv": table,
}


def deal(root: Path, rows: Iterable[tuple[Path, tuple[str, ...], str]]) -> list[Clip]:
    """Deal recordings into folds, each tag evenly, by a hash of the name (or group): the same on every machine."""
    groups = defaultdict(list)
    for path, tags, group in rows:
        groups[group or path.as_posix()].append((path, tags))
    hands: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for group, members in groups.items():
        hands[members[0][1]].append(group)
    clips = []
    for names in hands.values():
        in_order = sorted(names, key=lambda name: hashlib.sha256(Path(name).name.encode()).digest())
        for place, group in enumerate(in_order):
            for path, tags in groups[group]:
                name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
                clips.append(Clip(name, path, tags, str(place % FOLDS + 1)))
    return clips


def data_set(
    name: str, clips: Iterable[Clip], licence: str, single_label: bool = True, tags: Iterable[str] = ()
) -> DataSet:
    """Return a data set in its fixed order; tags are those of its clips unless given."""
    in_order = tuple(sorted(clips, key=lambda clip: clip.name))
    names = sorted(set(tags) or {tag for clip in in_order for tag in clip.tags})
    return DataSet(name, in_order, tuple(names), single_label, licence, published=licence != OWN_LICENCE)


def read_rows(file: Path, *columns: str) -> list[dict[str, str]]:
    """Return a CSV's rows; raise `DataError` unless it has these columns, filled, and at least one row."""
    with open_table(file) as lines:
        reader = csv.DictReader(lines, restkey=MORE)
        try:
            read = [(reader.line_num, row) for row in reader]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError([f"{file} is no CSV in UTF-8: {error}"]) from error
    header = list(reader.fieldnames or ())
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError([f"{file}: wanted columns {', '.join(columns)}, {', '.join(missing)} not found"])
    if not read:
        raise DataError([f"{file}: there are no rows in it"])
    odd = [f"{file}: there are two columns {column!r}" for column in columns if header.count(column) > 1]
    odd += [f"{file}: line {line} has more cells than the header" for line, row in read if MORE in row]
    rows = [{key: (value or "").strip() for key, value in row.items() if key != MORE} for _, row in read]
    odd += [
        f"{file}: line {line} has no {column}"
        for (line, _), row in zip(read, rows)
        for column in columns
        if not row[column]
    ]
    stop_at(odd)
    return rows


def open_table(file: Path) -> Iterable[str]:
    """Open a CSV."""
    try:
        return file.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise DataError([f"{file} cannot be read: {error.strerror}"]) from error


def readable(label: str) -> str:
    """Return a label with spaces for underscores."""
    return label.replace("_", " ").strip()


def stop_at(problems: Iterable[str]) -> None:
    """Raise `DataError` if there are problems."""
    found = list(problems)
    if found:
        raise DataError(found)

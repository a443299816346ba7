"""How each data set lies on disk. A reader returns the clips that its tables name; `problems.py` looks at the files."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from bowstream.sources import SUFFIXES

from ..common.progress import say
from .data import EVALUATION, Clip, DataError, DataSet
from .deal import deal
from .tables import ambiguous, read_cells, read_rows, stop_at

# The columns of one's own table that may be left out.
OPTIONAL = ("fold", "group")
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
ESC50_FOLDS = [str(fold) for fold in range(1, 6)]
URBANSOUND8K_FOLDS = [str(fold) for fold in range(1, 11)]
OWN_LICENCE = "not stated: trained on its maker's own recordings"


def esc50(root: Path) -> DataSet:
    """ESC-50: `meta/esc50.csv` (or `esc50.csv`) and `audio/`."""
    table = next((root / place for place in ("meta/esc50.csv", "esc50.csv") if (root / place).is_file()), None)
    if table is None:
        raise DataError([f"{root} is no ESC-50: there is no meta/esc50.csv (or esc50.csv) in it"])
    rows = read_rows(table, "filename", "fold", "target", "category")
    odd = [*ambiguous(table, rows, "category", "target"), *ambiguous(table, rows, "target", "category")]
    odd += other_folds(table, rows, "filename", ESC50_FOLDS)
    odd += [
        f"{table}: {row['filename']} is in fold {row['fold']}, its name says {row['filename'].partition('-')[0]}"
        for row in rows
        if row["fold"] in ESC50_FOLDS and row["fold"] != row["filename"].partition("-")[0]
    ]
    stop_at(odd)
    for line in ambiguous(table, rows, "src_file", "fold"):
        say(f"note: {line}")  # so it was published
    clips = [
        Clip(row["filename"], root / "audio" / row["filename"], (readable(row["category"]),), row["fold"])
        for row in rows
    ]
    return data_set("ESC-50", clips, ESC50_LICENCE)


def fsd50k(root: Path) -> DataSet:
    """FSD50K: `FSD50K.dev_audio/`, `FSD50K.eval_audio/`, `FSD50K.ground_truth/{dev,eval,vocabulary}.csv`."""
    truth = root / "FSD50K.ground_truth"
    vocabulary = [cells[1] for _, cells in read_cells(truth / "vocabulary.csv") if len(cells) > 1]
    if not vocabulary:
        raise DataError([f"{truth / 'vocabulary.csv'}: wanted lines such as 0,Bark,/m/05tny_, found none"])
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
    odd = [*ambiguous(table, rows, "class", "classID"), *ambiguous(table, rows, "classID", "class")]
    odd += [*ambiguous(table, rows, "fsID", "fold"), *other_folds(table, rows, "slice_file_name", URBANSOUND8K_FOLDS)]
    stop_at(odd)
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
    files = {kind: sorted(path for path in kind.rglob("*") if not path.is_dir()) for kind in kinds}
    found = {kind: [path for path in files[kind] if path.suffix.lower() in SUFFIXES] for kind in kinds}
    odd = [f"{kind}: there are no recordings in it" for kind in kinds if not found[kind]]
    odd += [f"{root / name}: a recording outside of any tag's folder" for name in loose]
    same = Counter(readable(kind.name) for kind in kinds)
    odd += [
        f"{kind}: another folder's tag is {readable(kind.name)!r}, too"
        for kind in kinds
        if same[readable(kind.name)] > 1
    ]
    odd += [f"{path}: wanted a name in UTF-8: rename it" for kind in kinds for path in found[kind] if not in_utf8(path)]
    stop_at(odd if kinds else [f"{root}: wanted a folder for each tag with recordings in it, found none"])
    left_out = Counter(path.suffix for kind in kinds for path in files[kind] if path not in found[kind])
    for ending, number in sorted(left_out.items()):
        say(
            f"note: {number} files {f'that end in {ending}' if ending else 'without an ending'} are no recordings "
            "that can be read: left out"
        )
    rows = [(path, (readable(kind.name),), "") for kind in kinds for path in found[kind]]
    return data_set(root.resolve().name, deal(root, rows), OWN_LICENCE)


def table(file: Path) -> DataSet:
    """A CSV with columns `file` and `tags` (separated by `;`), and perhaps `fold` or `group`.

    Files are relative to the CSV. Rows of one `group` (clips cut from one recording, say) stay in one fold.
    Folds named train, val and eval are the set's own split; all others are rotated over.
    """
    rows = read_rows(file, "file", "tags")
    stop_at([*almost(file, rows[0]), *ambiguous(file, rows, "group", "fold")])
    stop_at(f"{file}: {row['file']} has no tag" for row in rows if not row["tags"].strip(" ;"))
    tags = [
        tuple(dict.fromkeys(tag.strip() for tag in row["tags"].split(TAG_SEPARATOR) if tag.strip())) for row in rows
    ]
    if "fold" in rows[0]:
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


def almost(file: Path, row: Mapping[str, str]) -> Iterator[str]:
    """Name columns that look like one that would be used; say which others are not."""
    unused = [column for column in row if column not in ("file", "tags", *OPTIONAL)]
    for column in unused:
        for wanted in difflib.get_close_matches(column.lower(), OPTIONAL, cutoff=0.8):
            yield f"{file}: there is a column {column!r}: wanted {wanted!r}, if it is that"
    if unused:
        say(f"note: {file}: not used: {', '.join(unused)}")


def other_folds(file: Path, rows: Iterable[Mapping[str, str]], name: str, folds: list[str]) -> Iterator[str]:
    """Name rows in folds that a set does not have, and folds of which there is no row."""
    rows, wanted = list(rows), f"wanted {folds[0]} … {folds[-1]}"
    for row in rows:
        if row["fold"] not in folds:
            yield f"{file}: {row[name]} is in fold {row['fold']!r}, {wanted}"
    for fold in folds:
        if all(row["fold"] != fold for row in rows):
            yield f"{file}: there is nothing in fold {fold}, {wanted}"


def in_utf8(path: Path) -> bool:
    """Whether a file's name is text."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        return False
    return True


def data_set(
    name: str, clips: Iterable[Clip], licence: str, single_label: bool = True, tags: Iterable[str] = ()
) -> DataSet:
    """Return a data set in its fixed order; tags are those of its clips unless given."""
    in_order = tuple(sorted(clips, key=lambda clip: clip.name))
    names = sorted(set(tags) or {tag for clip in in_order for tag in clip.tags})
    return DataSet(name, in_order, tuple(names), single_label, licence, published=licence != OWN_LICENCE)


def readable(label: str) -> str:
    """Return a label with spaces for underscores."""
    return label.replace("_", " ").strip()

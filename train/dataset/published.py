"""Published data sets, each as it lies on disk. A reader returns the clips that its tables name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..common.progress import say
from .data import EVALUATION, Clip, DataSet, data_set
from .errors import DataError
from .tables import Rows, ambiguous, read_cells, read_rows, readable, stop_at

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
# Clips of each of its kinds, and the kinds: what models of one vocabulary or another can be compared on.
ESC50_CLIPS = 40
ESC50_KINDS = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea waves", "crackling fire", "crickets", "chirping birds"),
    *("water drops", "wind", "pouring water", "toilet flush", "thunderstorm"),
    *("crying baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing teeth", "snoring", "drinking sipping"),
    *("door wood knock", "mouse click", "keyboard typing", "door wood creaks", "can opening"),
    *("washing machine", "vacuum cleaner", "clock alarm", "clock tick", "glass breaking"),
    *("helicopter", "chainsaw", "siren", "car horn", "engine"),
    *("train", "church bells", "airplane", "fireworks", "hand saw"),
)
ESC50_FOLDS = [str(fold) for fold in range(1, 6)]
URBANSOUND8K_FOLDS = [str(fold) for fold in range(1, 11)]


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
    return data_set("ESC-50", clips, ESC50_LICENCE, published=True)


def fsd50k(root: Path) -> DataSet:
    """FSD50K: `FSD50K.dev_audio/`, `FSD50K.eval_audio/`, `FSD50K.ground_truth/{dev,eval,vocabulary}.csv`."""
    truth = root / "FSD50K.ground_truth"
    vocabulary = [cells[1] for _, cells in read_cells(truth / "vocabulary.csv") if len(cells) > 1]
    if not vocabulary:
        raise DataError([f"{truth / 'vocabulary.csv'}: must have lines such as 0,Bark,/m/05tny_ (got none)"])
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
    return data_set("FSD50K", clips, FSD50K_LICENCE, published=True, single_label=False, tags=map(readable, vocabulary))


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
    return data_set("UrbanSound8K", clips, URBANSOUND8K_LICENCE, published=True)


def other_folds(file: Path, rows: Rows, name: str, folds: Sequence[str]) -> Iterator[str]:
    """Name rows in folds that a set does not have, and folds of which there is no row."""
    wanted = f"wanted {folds[0]} … {folds[-1]}"
    for row in rows:
        if row["fold"] not in folds:
            yield f"{file}: {row[name]} is in fold {row['fold']!r}, {wanted}"
    for fold in folds:
        if all(row["fold"] != fold for row in rows):
            yield f"{file}: there is nothing in fold {fold}, {wanted}"

"""A teacher: what another tagger says of recordings, in a file.

The file is an npz without pickles: `labels`, str (L,), and for each set of recordings two arrays, `NAME_ids`, str (N,),
and `NAME`, (N, L), or a row for each window of each recording: then `NAME_first`, int (N + 1,), says where those of
each begin, and the highest of them counts. Scores are 0 … 1 in floats, or v of 0 … 255 in uint8 for a score of
(v / 255)², which keeps small ones apart. An id is a clip's name: its `id` in a CSV, else its file as seen from the CSV
or the folder.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32

from .errors import DataError

IDS, FIRST = "_ids", "_first"
STEPS = 255.0


@dataclass(frozen=True)
class Teacher:
    """What a tagger says of recordings.

    rows : the place of each recording among those that `first` tells of
    scores : float32 [shape=(windows, L)], 0 … 1; a recording may have one window
    first : int [shape=(recordings + 1,)], where the windows of each begin
    """

    labels: tuple[str, ...]
    rows: Mapping[str, int]
    scores: Float32
    first: NDArray[np.intp]

    def digest(self) -> str:
        """Return a hash of what it says."""
        said = json.dumps([self.labels, list(self.rows), self.first.tolist()]).encode()
        said += np.ascontiguousarray(self.scores).tobytes()
        return hashlib.sha256(said).hexdigest()[:16]

    def row(self, name: str) -> int | None:
        """Return the place of a recording, whose id may lack the ending of its name; None where there is none."""
        return self.rows.get(name, self.rows.get(str(Path(name).with_suffix(""))))

    @functools.cached_property
    def highest(self) -> Float32:
        """The highest scores of each recording, float32 (recordings, L)."""
        highest: Float32 = np.maximum.reduceat(self.scores, self.first[:-1], axis=0)
        return highest

    def of(self, names: Sequence[str]) -> tuple[Float32, NDArray[np.bool_]]:
        """Return the highest scores of these recordings, float32 (n, L), and whether there are any, bool (n,)."""
        rows = [self.row(name) for name in names]
        asked = np.array([row is not None for row in rows], np.bool_)
        scores = np.zeros((len(names), len(self.labels)), np.float32)
        scores[asked] = self.highest[[row for row in rows if row is not None]]
        return scores, asked

    def along(self, name: str, parts: int) -> Float32 | None:
        """Return the highest scores in each of so many equal parts of a recording, float32 (parts, L)."""
        row = self.row(name)
        if row is None:
            return None
        begin, end = self.first[row : row + 2]
        bounds = np.linspace(begin, end, parts + 1)
        ends = np.maximum(np.ceil(bounds[1:]), np.floor(bounds[:-1]) + 1).astype(int)
        return np.stack([self.scores[int(start) : stop].max(axis=0) for start, stop in zip(bounds, ends)])


def read_teacher(file: Path) -> Teacher:
    """Return what is in a file of teacher scores.

    Raises
    ------
    DataError
        If it is no such file.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError([f"{file} is no npz file of plain arrays: {error}"]) from error
    sets = [name.removesuffix(IDS) for name in content if name.endswith(IDS) and name.removesuffix(IDS) in content]
    if "labels" not in content or not sets:
        found = ", ".join(content) or "nothing"
        raise DataError([f"{file}: must hold labels, NAME{IDS} and NAME for each set of recordings (got {found})"])
    labels, parts, rows, first = content["labels"], list[Float32](), dict[str, int](), [np.zeros(1, np.intp)]
    for name in sets:
        scores, ids, begins = content[name], content[name + IDS], content.get(name + FIRST)
        if scores.ndim != 2 or scores.shape[1] != len(labels):
            raise DataError(
                [f"{file}: {name} must have a column for each of {len(labels)} labels (got {scores.shape})"]
            )
        if begins is None:
            begins = np.arange(len(scores) + 1)
        if begins.tolist() != sorted({*begins.tolist(), 0, len(scores)}) or len(begins) != len(ids) + 1:
            raise DataError([f"{file}: {name} must have a row for each of {name}{IDS}, or {name}{FIRST} for windows"])
        values = np.square(scores / np.float32(STEPS)) if scores.dtype == np.uint8 else scores.astype(np.float32)
        if not (np.isfinite(values).all() and values.min(initial=0.0) >= 0.0 and values.max(initial=0.0) <= 1.0):
            raise DataError([f"{file}: {name} must hold scores of 0 … 1, or 0 … 255 in uint8"])
        rows |= {str(one): len(rows) + place for place, one in enumerate(ids)}
        parts.append(values.astype(np.float32))
        first.append(first[-1][-1] + begins[1:])
    return Teacher(tuple(map(str, labels)), rows, np.concatenate(parts), np.concatenate(first))


def as_stored(scores: Float32) -> np.ndarray:
    """Return scores as uint8, as a file keeps them."""
    return np.rint(np.sqrt(np.clip(scores, 0.0, 1.0)) * STEPS).astype(np.uint8)

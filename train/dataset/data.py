"""Data sets: clips with their tags, and which of them may be fitted on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.errors import BowstreamError

Index = NDArray[np.intp]
Float32 = NDArray[np.float32]

# The folds of a set that has its own split; any other names are folds to rotate over.
TRAIN, VALIDATION, EVALUATION = "train", "val", "eval"
OWN_SPLIT = frozenset((TRAIN, VALIDATION, EVALUATION))

# Problems printed at most.
SHOWN = 30


class DataError(BowstreamError):
    """A data set is not what it should be; `problems` holds a line for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = [f"… and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        super().__init__("\n".join([*problems[:SHOWN], *more]))


@dataclass(frozen=True)
class Clip:
    """One recording, its tags and the fold it belongs to. `name` tells it from all others and outlives a move."""

    name: str
    path: Path
    tags: tuple[str, ...]
    fold: str


@dataclass(frozen=True)
class Split:
    """What one model is fitted on and what it is tried on: indices of clips, with nothing in common.

    part : the part of the negatives that it is tried on, too; it learns from the others. None where it learns from all
    """

    name: str
    fit: Index
    held: Index
    part: int | None = None


@dataclass(frozen=True)
class DataSet:
    """Clips in the order of their names, tags in the order of a bundle's scores.

    `published` sets are taken as they are: what is odd about their clips is noted, not refused.
    """

    name: str
    clips: tuple[Clip, ...]
    tags: tuple[str, ...]
    single_label: bool
    licence: str
    published: bool

    def targets(self) -> Float32:
        """Return 1 where a clip has a tag, float32 [shape=(clips, C)]."""
        column = {tag: index for index, tag in enumerate(self.tags)}
        targets = np.zeros((len(self.clips), len(self.tags)), np.float32)
        for row, clip in zip(targets, self.clips):
            row[[column[tag] for tag in clip.tags]] = 1.0
        return targets

    @property
    def own_split(self) -> bool:
        """Whether the set has its own training, validation and evaluation part."""
        return {clip.fold for clip in self.clips} == OWN_SPLIT

    def in_folds(self, *folds: str) -> Index:
        """Return the clips of these folds."""
        return np.flatnonzero([clip.fold in folds for clip in self.clips])

    def splits(self) -> list[Split]:
        """Return the splits whose held-out scores are reported: one a fold, or the set's own."""
        if self.own_split:
            return [Split(EVALUATION, self.in_folds(TRAIN), self.in_folds(EVALUATION), part=0)]
        folds = sorted({clip.fold for clip in self.clips})
        return [
            Split(f"fold {fold}", self.in_folds(*folds[:part], *folds[part + 1 :]), self.in_folds(fold), part)
            for part, fold in enumerate(folds)
        ]

    def calibration_splits(self) -> list[Split]:
        """Return the splits whose held-out scores calibrate the final bundle."""
        if self.own_split:
            return [Split(VALIDATION, self.in_folds(TRAIN), self.in_folds(VALIDATION), part=0)]
        return self.splits()

    def final(self) -> Split:
        """Return what the final bundle is fitted on: the training part, or all folds."""
        nothing = np.empty(0, np.intp)
        if self.own_split:
            return Split("final", self.in_folds(TRAIN), nothing, part=0)
        return Split("final", np.arange(len(self.clips)), nothing)


def data_set(
    name: str,
    clips: Iterable[Clip],
    licence: str,
    published: bool = False,
    single_label: bool = True,
    tags: Iterable[str] = (),
) -> DataSet:
    """Return a data set in its fixed order; tags are those of its clips unless given."""
    in_order = tuple(sorted(clips, key=lambda clip: clip.name))
    names = sorted(set(tags) or {tag for clip in in_order for tag in clip.tags})
    return DataSet(name, in_order, tuple(names), single_label, licence, published)


def readable(label: str) -> str:
    """Return a label with spaces for underscores."""
    return label.replace("_", " ").strip()

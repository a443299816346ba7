"""Data sets: clips with their tags, and which of them may be fitted on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .teacher import Teacher
from .vocabulary import Vocabulary

Index = NDArray[np.intp]
Float32 = NDArray[np.float32]

# The folds of a set that has its own split; any other names are folds to rotate over.
TRAIN, VALIDATION, EVALUATION = "train", "val", "eval"
OWN_SPLIT = frozenset((TRAIN, VALIDATION, EVALUATION))
# The fold of clips that every model learns from and none is tried on.
ALWAYS = "always"


@dataclass(frozen=True)
class Clip:
    """One recording, its tags and the fold it belongs to. `name` tells it from all others and outlives a move.

    source : where it was recorded or published; what generalises must hold across sources
    group : clips of one group (a recording, a speaker, an instrument) are never both learned from and tried on
    licence : as its table states it; empty where it has no word for it, as one's own need none
    free : whether that allows passing on and commercial use
    learn : whether it may be learned from; else it is tried on only
    twin : the data set that holds the same recording, if one does
    may : tags that may sound in it though it does not say so: unknown, not absent
    """

    name: str
    path: Path
    tags: tuple[str, ...]
    fold: str
    source: str = ""
    group: str = ""
    licence: str = ""
    free: bool = False
    learn: bool = True
    twin: str = ""
    may: frozenset[str] = frozenset()


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

    vocabulary : what labels were mapped onto, if they were
    teacher : what another tagger says of the clips, if it was asked
    """

    name: str
    clips: tuple[Clip, ...]
    tags: tuple[str, ...]
    single_label: bool
    licence: str
    published: bool
    vocabulary: Vocabulary | None = None
    teacher: Teacher | None = None

    def targets(self) -> Float32:
        """Return 1 where a clip has a tag, float32 [shape=(clips, C)]."""
        column = {tag: index for index, tag in enumerate(self.tags)}
        targets = np.zeros((len(self.clips), len(self.tags)), np.float32)
        for row, clip in zip(targets, self.clips):
            row[[column[tag] for tag in clip.tags]] = 1.0
        return targets

    def presence(self) -> Float32:
        """Return 1 where a clip has a tag, 0 where it has none, NaN where it may, float32 [shape=(clips, C)]."""
        presence = self.targets()
        for row, clip in zip(presence, self.clips):
            row[[tag in clip.may for tag in self.tags]] = np.nan
        return presence

    def soft(self) -> Float32:
        """Return what the teacher says of each tag, NaN where it says nothing, float32 [shape=(clips, C)]."""
        soft = np.full((len(self.clips), len(self.tags)), np.nan, np.float32)
        if self.teacher and self.vocabulary:
            scores, asked = self.teacher.of([clip.name for clip in self.clips])
            for tag, heard in self.vocabulary.heard(self.teacher.labels, scores).items():
                if tag in self.tags:
                    soft[asked, self.tags.index(tag)] = heard[asked]
        return soft

    @property
    def own_split(self) -> bool:
        """Whether the set has its own training, validation and evaluation part."""
        return {clip.fold for clip in self.clips} == OWN_SPLIT

    def in_folds(self, *folds: str) -> Index:
        """Return the clips of these folds."""
        return np.flatnonzero([clip.fold in folds for clip in self.clips])

    @property
    def folds(self) -> list[str]:
        """The folds that are rotated over."""
        return sorted({clip.fold for clip in self.clips} - {ALWAYS})

    def split(self, name: str, held: Iterable[str], part: int | None, learned: Iterable[str] | None = None) -> Split:
        """Return the split that holds these folds out and learns from these, from all others unless given.

        What is to be tried on only is not learned from, nor is the twin of a clip that is held out; a clip whose twin
        is learned from is not held.
        """
        of_held = set(held)
        of_fit = {clip.fold for clip in self.clips} - of_held if learned is None else {*learned, ALWAYS}
        fit = [index for index, clip in enumerate(self.clips) if clip.learn and clip.fold in of_fit]
        out = [index for index, clip in enumerate(self.clips) if clip.fold in of_held]
        sets_out, sets_fit = ({self.clips[index].source for index in half} for half in (out, fit))
        return Split(
            name,
            np.array([index for index in fit if not self._has_twin(index, sets_out)], np.intp),
            np.array([index for index in out if not self._has_twin(index, sets_fit)], np.intp),
            part,
        )

    def _has_twin(self, index: int, sets: Collection[str]) -> bool:
        """Whether a clip's recording is in one of these sets, too."""
        return self.clips[index].twin != "" and self.clips[index].twin in sets

    def splits(self) -> list[Split]:
        """Return the splits whose held-out scores are reported: one a fold, or the set's own."""
        if self.own_split:
            return [self.split(EVALUATION, [EVALUATION], 0, [TRAIN])]
        return [self.split(f"fold {fold}", [fold], part) for part, fold in enumerate(self.folds)]

    def calibration_splits(self) -> list[Split]:
        """Return the splits whose held-out scores calibrate the final bundle."""
        if self.own_split:
            return [self.split(VALIDATION, [VALIDATION], 0, [TRAIN])]
        return self.splits()

    def final(self) -> Split:
        """Return what the final bundle is fitted on: the training part, or all folds."""
        return self.split("final", [], 0, [TRAIN]) if self.own_split else self.split("final", [], None)


def data_set(
    name: str,
    clips: Iterable[Clip],
    licence: str,
    published: bool = False,
    single_label: bool = True,
    tags: Iterable[str] = (),
) -> DataSet:
    """Return a data set in its fixed order; tags are those of its clips unless given, and its name is their source."""
    of_source = (clip if clip.source else replace(clip, source=name) for clip in clips)
    in_order = tuple(sorted(of_source, key=lambda clip: clip.name))
    names = sorted(set(tags) or {tag for clip in in_order for tag in clip.tags})
    return DataSet(name, in_order, tuple(names), single_label, licence, published)

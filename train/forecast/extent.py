"""How much there is in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream.audio.file import AudioFile

from ..common.parallel import parallel
from ..common.progress import track
from ..dataset.data import DataSet, Split
from ..dataset.errors import DataError

# Of each clip's last window, this much is silence in the mean.
COMPLETED_S = 0.5
# The share of its clips that a set is tried on of which nothing but its size is known, as with five folds.
HELD = 0.2


@dataclass(frozen=True)
class Amount:
    """Clips, their sound in seconds, and the windows of one second that they come to."""

    clips: int
    sound_s: float
    windows: int


@dataclass(frozen=True)
class Extent:
    """A data set's size as a training sees it.

    whole : all of it
    fit, held : what a model learns from and what it is tried on, of each split by its name
    """

    whole: Amount
    fit: dict[str, Amount]
    held: dict[str, Amount]
    tags: int


def extent_of(data: DataSet, splits: Sequence[Split]) -> Extent:
    """Return a data set's extent, from the lengths that its files state.

    Raises
    ------
    DataError
        If one states none.
    """
    paths = [clip.path for clip in data.clips]
    lengths = np.array(list(track(parallel(length_s, paths), len(paths), "lengths of files")))
    if unknown := [f"{path}: states no length" for path, length in zip(paths, lengths) if np.isnan(length)]:
        raise DataError(unknown)

    def amount(some: np.ndarray) -> Amount:
        return Amount(len(some), float(some.sum()), int(np.ceil(some).sum()))

    return Extent(
        amount(lengths),
        {split.name: amount(lengths[split.fit]) for split in splits},
        {split.name: amount(lengths[split.held]) for split in splits},
        len(data.tags),
    )


def length_s(path: Path) -> float:
    """Return the length that a recording states, in seconds; NaN if it states none."""
    with AudioFile(path) as source:
        return float("nan") if source.duration_s is None else source.duration_s


def extent_of_size(hours: float, clips: int, tags: int) -> Extent:
    """Return the extent of a set of which nothing but its size is known: a fifth of it is tried on."""

    def amount(share: float) -> Amount:
        sound_s, number = share * 3600 * hours, round(share * clips)
        return Amount(number, sound_s, round(sound_s + COMPLETED_S * number))

    return Extent(amount(1.0), {"held": amount(1.0 - HELD)}, {"held": amount(HELD)}, tags)

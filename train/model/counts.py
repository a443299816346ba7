"""Codes and counts of all windows, as a device finds them, and what a head sees of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.head import COUNT_TRANSFORMS, shown

from ..common.config import HeadSettings
from ..common.crew import Crew
from ..common.device import device_code
from ..common.reels import Reels
from ..common.shards import Arrays, Shards
from ..common.store import artefact
from ..dataset.data import Float32, Index
from ..dataset.features import CLIP, LOG_MEL, Features
from .codebook import load_encoder
from .sequences import pair_counts

CODES, COUNTS, ROWS = "codes", "counts", "rows"


@dataclass(frozen=True)
class Counting:
    """Counts the codes of a shard of log-mel into another, perhaps on another machine."""

    sound: Shards
    front_end: FrontEnd
    networks: Mapping[str, Path]
    codebooks: Mapping[str, Path]
    shards: Shards

    def __call__(self, number: int) -> None:
        """Write the shard of a number."""
        encoders = {family: load_encoder(self.networks[family], self.codebooks[family]) for family in self.networks}
        encoder = WindowEncoder(encoders, self.front_end, self.front_end.columns_per_window)

        def counted() -> Iterator[Arrays]:
            # A window a hop: no code looks further back, so one stream over all clips counts as one a clip does.
            for part in self.sound.parts(number, [CLIP, LOG_MEL]):
                codes = np.concatenate([encoder.push(window) for window in part[LOG_MEL]])
                counts = encoder.counts(codes)
                yield {CLIP: part[CLIP], CODES: codes.astype(np.int16), COUNTS: counts.astype(np.int16)}

        self.shards.write(number, counted())


def count_codes(
    root: Path, features: Features, networks: Mapping[str, Path], codebooks: Mapping[str, Path], crew: Crew
) -> Path:
    """Return the artefact with the codes and counts of all windows, as the device finds them.

    They are int16 in shards, as the windows are: `codes` [shape=(windows, 143)], `counts` [shape=(windows, K)].
    """
    inputs = {
        "features": features.key,
        "codebooks": {family: path.name for family, path in codebooks.items()},
        "device": device_code(),
    }

    def make(path: Path) -> None:
        work = Counting(features.shards, features.front_end, networks, codebooks, Shards(path))
        crew.make(work.shards, work, {number: number for number in range(len(work.sound))}, "codes")

    return artefact(root, "codes", inputs, make)


@dataclass(frozen=True)
class Seen:
    """What the head sees of windows, from the artefact of their counts.

    context : windows whose counts are one sum
    """

    shards: Shards
    front_end: FrontEnd
    settings: HeadSettings
    context: int

    def rows(self, number: int, of: NDArray[np.bool_]) -> Arrays:
        """Return what it sees of the windows of a shard that are of these clips: `rows` and the `clip` of each.

        Rows are float16 [shape=(windows, K)]: counts are exact in half of float32's size, their roots and logarithms
        right to three digits.

        Parameters
        ----------
        of : bool [shape=(clips,)]
        """
        pairs = self.settings.pairs
        arrays = self.shards.whole(number, [CLIP, COUNTS, CODES] if pairs else [CLIP, COUNTS])
        clips, rows = arrays[CLIP], arrays[COUNTS]
        if pairs:
            rows = np.concatenate([rows, pair_counts(arrays[CODES], self.front_end, pairs)], axis=1)
        borders = np.flatnonzero(np.diff(clips)) + 1
        seen = [self._seen(rows[:0])]
        seen += [self._seen(part) for part, own in zip(np.split(rows, borders), np.split(clips, borders)) if of[own[0]]]
        return {ROWS: np.concatenate(seen), CLIP: clips[of[clips]]}

    def _seen(self, counts: np.ndarray) -> NDArray[np.float16]:
        """Return what it sees of a clip, for its counts."""
        contexts = Context(self.context, hops_apart=1).push(counts)
        return transformed(shown(contexts), self.settings.count_transform).astype(np.float16)

    def reels(self, features: Features, fit: Index, reel_mb: float) -> Reels:
        """Return what it sees of these clips' windows."""
        of = np.isin(np.arange(len(features.first)), fit)
        none = self.rows(0, np.zeros_like(of))[ROWS]
        size = int(features.length[fit].sum()) * none.shape[1] * none.itemsize
        return Reels(len(self.shards), functools.partial(self.rows, of=of), size, reel_mb)


def transformed(counts: np.ndarray, transform: str) -> Float32:
    """Return what the head sees of counts, float32 of the same shape."""
    changed: Float32 = COUNT_TRANSFORMS[transform](counts.astype(np.float32, copy=False))
    return changed

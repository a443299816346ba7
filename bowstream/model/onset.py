"""Onsets: when the sound began that a score is about, searched for in the levels of the last seconds.

A score is about a window, and says that a sound is there some time after it began. What changed then is in the
levels: an onset is where the bands rise above what they were before. Which of several rises began the sound is
decided by its tag's own scores: they rise in the windows after it.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from bowstream._types import FORMAT, Float32
from bowstream.model.front_end import FrontEnd

COLUMN_S = FORMAT.column_length / FORMAT.sample_rate
# Bands that levels are the means of.
BANDS = 12
# How far back a sound may have begun, in columns (100 ms).
SEARCH = 50
SEARCH_S = SEARCH * COLUMN_S
# A rise is what the next columns are above those before.
BEFORE, AFTER = 10, 5
KEPT = SEARCH + BEFORE + 1
# The earliest rise that has this share of the greatest; older ones weigh less, by a factor e in `FADE` columns beyond
# the newest window. Chosen on clips placed at known times into other recordings, at 0 … 30 dB above them.
NEAR, FADE = 0.6, 40.0
# Nats of power, about 2 dB, root mean square over bands: less is no rise.
LEAST = 0.5
SMALLEST = 1e-9
# A tag's logits rise within so many columns after an onset, a window, and by chance by the root of so much.
RAMP, CHANCE = 10, 0.5
# A rise weighs less, by a factor e to the power of this, the less the tag's logits rise after it.
TRUST = 4.0


def levels_of(log_mel: Float32, front_end: FrontEnd) -> Float32:
    """Return the mean log power of bands in each column, float32 [shape=(columns, BANDS)], of log-mel as it is."""
    # Frames first, a third of the time of a mean over both.
    of_mels = np.add.reduce(log_mel.reshape(-1, front_end.frames_per_column, front_end.n_mels), axis=1)
    levels: Float32 = np.add.reduce(of_mels.reshape(-1, BANDS, front_end.n_mels // BANDS), axis=2)
    levels /= np.float32(front_end.frames_per_column * front_end.n_mels // BANDS)
    return levels


class Levels:
    """The levels of a stream's last columns."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stream, or go on after a gap."""
        self._parts: deque[Float32] = deque()  # put together when an onset is asked for
        self._held = self._passed = 0  # columns in them, and since the beginning

    def push(self, levels: Float32) -> None:
        """Take the levels of the next columns, (n, BANDS)."""
        if not (n := len(levels)):
            return
        self._parts.append(levels)
        self._held += n
        self._passed += n
        while self._held - len(self._parts[0]) >= KEPT:
            self._held -= len(self._parts.popleft())

    def columns_since_onset(self, window: int, logits: Float32, hop: int) -> int | None:
        """Return how many columns ago the newest sound began; None if nothing rose.

        Parameters
        ----------
        window : columns in a window
        logits : float32 [shape=(n,)], of the sound's tag in the last windows, the newest last
        hop : columns from one window to the next
        """
        rises = self._rises()
        age = np.arange(len(rises) + 1, 1, -1)
        weighted = rises * np.exp(-np.maximum(age - window, 0) / FADE + TRUST * agreement(logits, hop, age))
        padded = np.concatenate([[0.0], rises, [0.0]])
        is_peak = (rises >= padded[:-2]) & (rises >= padded[2:])
        peaks = np.flatnonzero(is_peak & (rises >= LEAST) & (age <= SEARCH))
        if not len(peaks):
            return None
        return int(age[peaks[weighted[peaks] >= NEAR * weighted[peaks].max()][0]])

    def _rises(self) -> Float32:
        """Return the rise at each column that may be an onset and at the one before, the newest but one last.

        Before a stream it was as quiet as it has been at its quietest since.
        """
        levels = np.concatenate([np.empty((0, BANDS), np.float32), *self._parts])[-KEPT:]
        if 0 < self._passed <= KEPT:
            levels = np.concatenate([np.repeat(levels.min(axis=0, keepdims=True), BEFORE, axis=0), levels])
        places = np.arange(max(BEFORE, len(levels) - SEARCH - 1), len(levels) - 1)
        sums = np.concatenate([np.zeros((1, BANDS)), np.cumsum(levels, axis=0, dtype=np.float64)])
        ends = np.minimum(places + AFTER, len(levels))
        after = (sums[ends] - sums[places]) / (ends - places)[:, np.newaxis]
        before = (sums[places] - sums[places - BEFORE]) / BEFORE
        rises: Float32 = np.sqrt(np.mean(np.square(np.maximum(after - before, 0.0)), axis=1)).astype(np.float32)
        return rises


def agreement(logits: Float32, hop: int, age: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how well a tag's logits fit an onset at each age, 0 … 1 [shape=(n,)]: their squared correlation to a ramp.

    Parameters
    ----------
    logits : float32 [shape=(windows,)], the newest last
    hop : columns from one window to the next
    age : int [shape=(n,)], columns ago
    """
    ends = np.arange(len(logits))[::-1] * hop  # columns ago
    ramps = np.clip((age[:, np.newaxis] - ends) / RAMP, 0.0, 1.0)
    ramps -= ramps.mean(axis=1, keepdims=True)
    around = logits - logits.mean(dtype=np.float64)
    together = np.maximum(ramps @ around, 0.0)
    apart = np.square(ramps).sum(axis=1) * (np.square(around).sum() + CHANCE * len(logits))
    fits: NDArray[np.float64] = np.square(together) / np.maximum(apart, SMALLEST)
    return fits

"""How loud it was: in an event, and in each minute."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from bowstream._types import Float32
from bowstream.health.report import FLOOR_DBFS
from bowstream.records import Sound

# How far back the level of an event is known.
KEPT_S = 60.0


def dbfs(energy: float, count: int) -> float:
    """Return the level of so many samples with this sum of squares; a full-scale square wave is 0."""
    return round(max(FLOOR_DBFS, 10.0 * math.log10(max(energy / max(count, 1), 1e-30))), 1)


def energy_of(samples: Float32) -> float:
    """Return the sum of squares."""
    return float(np.dot(samples, samples))


class Levels:
    """The energy of the newest minute of sound, block by block. It is worked out when it is asked for, once a hop."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[float, float, int]] = deque()  # end, sum of squares, samples
        self._waiting: list[Sound] = []  # sound since `take`

    def push(self, sound: Sound) -> None:
        """Take sound that has arrived."""
        self._waiting.append(sound)

    def take(self) -> list[tuple[float, int]]:
        """Return the sum of squares and number of samples of each block since the last call."""
        new = [(sound.end_s, energy_of(sound.samples), len(sound.samples)) for sound in self._waiting]
        self._waiting.clear()
        self._blocks.extend(new)
        while self._blocks and self._blocks[0][0] < self._blocks[-1][0] - KEPT_S:
            self._blocks.popleft()
        return [(energy, count) for _, energy, count in new]

    def mean_dbfs(self, start_s: float, end_s: float) -> float | None:
        """Return the mean level of a part of the stream, or of its last minute; None if it is not known."""
        inside = [(energy, count) for at_s, energy, count in self._blocks if start_s < at_s <= end_s + 0.05]
        return dbfs(sum(energy for energy, _ in inside), sum(count for _, count in inside)) if inside else None


class Minute:
    """What is kept of one minute, as it fills up.

    Parameters
    ----------
    start_ms : Unix milliseconds
    n_tags : scores per hop
    """

    def __init__(self, start_ms: int, n_tags: int) -> None:
        self.start_ms = start_ms
        self.heard_ms = 0
        self._energy, self._count, self._peak = 0.0, 0, 0.0  # the last: mean square of the loudest block
        self._scores = np.zeros(n_tags, np.float32)

    def add(self, heard_ms: int, blocks: list[tuple[float, int]], scores: Float32) -> None:
        """Take a hop: how long it was, its blocks' sums of squares with their samples, and its scores (C,)."""
        self.heard_ms += heard_ms
        for energy, count in blocks:
            self._energy += energy
            self._count += count
            if energy > self._peak * count:
                self._peak = energy / count
        np.maximum(self._scores, scores, out=self._scores)

    def row(self, stream: int) -> tuple[int, int, int, float, float, bytes]:
        """Return the minute as it is written."""
        scores = np.rint(self._scores * 255.0).astype(np.uint8).tobytes()
        levels = dbfs(self._energy, self._count), dbfs(self._peak, 1)
        return self.start_ms, stream, self.heard_ms, *levels, scores

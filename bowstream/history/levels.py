"""How loud it was: in an event, and in each minute."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bowstream._types import Float32
from bowstream.health.report import FLOOR_DBFS
from bowstream.records import Sound

# How far back the level of an event is known.
KEPT_S = 60.0
# Positions are rounded; the shortest sound is 0.1 s.
SLACK_S = 0.05


class Loud(NamedTuple):
    """The mean square of 0.1 s of sound, and where in the stream that is."""

    start_s: float
    end_s: float
    power: float


def dbfs(power: float) -> float:
    """Return the level of a mean square; a full-scale square wave is 0."""
    return round(max(FLOOR_DBFS, 10.0 * math.log10(max(power, 1e-30))), 1)


class Levels:
    """How loud the newest minute of a stream was."""

    def __init__(self) -> None:
        self._waiting: deque[Loud] = deque()  # since `take`
        self._taken: deque[Loud] = deque()  # of the newest minute

    def push(self, sound: Sound) -> None:
        """Take sound that has arrived, 100 ms of it at a time."""
        for start_s, end_s, samples in sound.columns():
            self._waiting.append(Loud(start_s, end_s, float(samples.dot(samples)) / len(samples)))

    def take(self, until_s: float = math.inf) -> list[Loud]:
        """Return what has come since the last call, up to a moment."""
        found: list[Loud] = []
        while self._waiting and self._waiting[0].end_s <= until_s + SLACK_S:
            found.append(self._waiting.popleft())
        self._taken.extend(found)
        while self._taken and self._taken[0].end_s < self._taken[-1].end_s - KEPT_S:
            self._taken.popleft()
        return found

    def mean_dbfs(self, start_s: float, end_s: float) -> float | None:
        """Return the mean level of a part of the newest minute that was taken; None if that has none of it."""
        energy = length_s = 0.0
        for loud in self._taken:
            inside_s = min(end_s, loud.end_s) - max(start_s, loud.start_s)
            if inside_s > 0.0:
                energy += loud.power * inside_s
                length_s += inside_s
        return dbfs(energy / length_s) if length_s > SLACK_S else None


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
        self._energy = self._length_s = self._loudest = 0.0
        self._scores = np.zeros(n_tags, np.float32)

    def add(self, heard_ms: int, scores: Float32) -> None:
        """Take a hop: how long it was, and its scores (C,)."""
        self.heard_ms += heard_ms
        np.maximum(self._scores, scores, out=self._scores)

    def add_sound(self, sound: Sequence[Loud]) -> None:
        """Take how loud hops were."""
        for start_s, end_s, power in sound:
            self._energy += power * (end_s - start_s)
            self._length_s += end_s - start_s
            self._loudest = max(self._loudest, power)

    def row(self, stream: int) -> tuple[int, int, int, float, float, bytes]:
        """Return the minute as it is written."""
        scores = np.rint(self._scores * 255.0).astype(np.uint8).tobytes()
        mean = self._energy / self._length_s if self._length_s else 0.0
        return self.start_ms, stream, self.heard_ms, dbfs(mean), dbfs(self._loudest), scores

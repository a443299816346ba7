"""How loud it was: in an event, and in each minute."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from bowstream._types import FORMAT, Float32
from bowstream.health.report import FLOOR_DBFS
from bowstream.records import Sound

COLUMN_S = FORMAT.column_length / FORMAT.sample_rate
# How far back the level of an event is known, in columns: a minute.
KEPT = 600


def dbfs(power: float) -> float:
    """Return the level of a mean square; a full-scale square wave is 0."""
    return round(max(FLOOR_DBFS, 10.0 * math.log10(max(power, 1e-30))), 1)


class Levels:
    """The power of the newest minute of sound, column by column.

    It is worked out when it is asked for: for many columns in a row that costs a fraction of as often one.
    """

    def __init__(self) -> None:
        self._waiting: list[Float32] = []  # sound since `take`
        self._ends_s: list[float] = []  # where each of it ends
        self._taken = np.zeros(0, np.float32)  # mean square of each column of the newest minute
        self._taken_s = 0.0  # where the last of them ends

    def push(self, sound: Sound) -> None:
        """Take sound that has arrived, without a gap before it since `take`."""
        self._waiting.append(sound.samples)
        self._ends_s.append(sound.end_s)

    def take(self, until_s: float = math.inf) -> Float32:
        """Return the mean square of each column since the last call, up to a moment."""
        count = bisect_left(self._ends_s, until_s + COLUMN_S / 2.0)
        if not count:
            return np.zeros(0, np.float32)
        columns = np.concatenate(self._waiting[:count]).reshape(-1, FORMAT.column_length)
        powers: Float32 = np.einsum("ij,ij->i", columns, columns) / np.float32(FORMAT.column_length)
        self._taken_s = self._ends_s[count - 1]
        self._taken = np.concatenate([self._taken, powers])[-KEPT:]
        del self._waiting[:count], self._ends_s[:count]
        return powers

    def mean_dbfs(self, start_s: float, end_s: float) -> float | None:
        """Return the mean level of a part of the newest minute that was taken; None if that has none of it."""
        until = len(self._taken) - round((self._taken_s - end_s) / COLUMN_S)
        since = until - round((end_s - start_s) / COLUMN_S)
        inside = self._taken[max(since, 0) : max(until, 0)]
        return dbfs(float(inside.mean())) if len(inside) else None


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
        self._powers = np.zeros(0, np.float32)
        self._scores = [np.zeros(n_tags, np.float32)]

    def add(self, heard_ms: int, scores: Float32) -> None:
        """Take a hop: how long it was, and its scores (C,)."""
        self.heard_ms += heard_ms
        self._scores.append(scores)

    def add_sound(self, powers: Float32) -> None:
        """Take the mean square of each column of hops."""
        self._powers = np.concatenate([self._powers, powers])

    def row(self, stream: int) -> tuple[int, int, int, float, float, bytes]:
        """Return the minute as it is written."""
        self._scores = [np.maximum.reduce(self._scores)]
        scores = np.rint(self._scores[0] * 255.0).astype(np.uint8).tobytes()
        powers = self._powers if len(self._powers) else np.zeros(1, np.float32)
        levels = dbfs(float(powers.mean())), dbfs(float(powers.max()))
        return self.start_ms, stream, self.heard_ms, *levels, scores

"""Stretches of time that do not overlap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """From one moment up to another, in Unix milliseconds."""

    start_ms: int
    end_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return self.end_ms - self.start_ms


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals that come in order of their beginning, those that touch as one."""
    found: list[Interval] = []
    for one in intervals:
        if found and one.start_ms <= found[-1].end_ms:
            found[-1] = Interval(found[-1].start_ms, max(found[-1].end_ms, one.end_ms))
        else:
            found.append(one)
    return found


def cut(intervals: Sequence[Interval], window: Interval) -> list[Interval]:
    """Return what is inside a window of intervals that are in order."""
    first = bisect_right(intervals, window.start_ms, key=lambda one: one.end_ms)
    inside: list[Interval] = []
    for one in intervals[first:]:
        if one.start_ms >= window.end_ms:
            break
        inside.append(Interval(max(one.start_ms, window.start_ms), min(one.end_ms, window.end_ms)))
    return [one for one in inside if one.length_ms > 0]

"""The clock by which sound comes in, and when a sound was heard by the system's."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from bowstream.audio.drift import Drift

# Arrivals looked back on: one minute, in which a sound card drifts by a few milliseconds.
ARRIVALS = 600
# Linux's monotonic clock stands still while the machine sleeps; others' go on.
STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_s() -> float:
    """Return the time of a clock that is never set, and goes on while the process or the machine sleeps, in seconds."""
    return time.clock_gettime(STEADY)


class StreamClock:
    """Dates the moments of a live stream.

    Sound arrives late, never early, so the most punctual of the recent arrivals says when the stream began, by a
    steady clock. The system's clock is compared with the steady one for each answer: when it is set (by NTP, on a
    machine that boots without a clock), the next answer is right.

    Parameters
    ----------
    steady_s : a clock that is never set, in seconds
    unix_s : the system's clock, in seconds since 1970

    Attributes
    ----------
    late_s : how much later than the most punctual of the recent arrivals the newest one was
    """

    def __init__(self, steady_s: Callable[[], float] = steady_s, unix_s: Callable[[], float] = time.time) -> None:
        self._steady_s = steady_s
        self._unix_s = unix_s
        self._arrivals = 0
        # When the stream began as each arrival has it, and the arrival's number: of those looked back on, the ones
        # that no later one undercuts. The first is the earliest.
        self._starts_s: deque[tuple[float, int]] = deque()
        self._drift = Drift()
        self.late_s = 0.0

    def arrived(self, end_s: float, at_s: float) -> None:
        """Note that the sound up to `end_s` of the stream came in at `at_s` of the steady clock."""
        start_s, starts_s = at_s - end_s, self._starts_s
        self._drift.arrived(start_s, at_s)
        while starts_s and starts_s[-1][0] >= start_s:
            starts_s.pop()
        starts_s.append((start_s, self._arrivals))
        self._arrivals += 1
        if starts_s[0][1] + ARRIVALS < self._arrivals:
            starts_s.popleft()
        self.late_s = start_s - starts_s[0][0]

    def gap(self) -> None:
        """Note that sound was lost, of a length that is an estimate."""
        self._drift.reset()

    @property
    def drift_ppm(self) -> float | None:
        """How much faster the source's clock runs than the steady one, in millionths; None until that is known."""
        return self._drift.ppm

    def time(self, position_s: float) -> datetime:
        """Return when a moment of the stream was, in UTC; before the first arrival, the present."""
        now_s = self._steady_s()
        heard_s = self._starts_s[0][0] + position_s if self._starts_s else now_s
        return utc(self._unix_s() - now_s + heard_s)


class FixedClock:
    """Dates the moments of a recording that began at a known time."""

    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at

    def time(self, position_s: float) -> datetime:
        """Return when a moment of the recording was, in UTC."""
        return (self._started_at + timedelta(seconds=position_s)).astimezone(timezone.utc)


def utc(unix_s: float) -> datetime:
    """Return seconds since 1970 as a date, in UTC."""
    return datetime.fromtimestamp(unix_s, timezone.utc)


def rfc3339(moment: datetime) -> str:
    """Return a date in UTC to the millisecond: `2026-11-23T12:00:00.123Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"

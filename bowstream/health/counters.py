"""Counts what is lost, late, clipped or silent, so that it is always shown."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from bowstream._types import Float32
from bowstream.audio.clock import StreamClock
from bowstream.audio.identity import SYSFS
from bowstream.health.condition import Condition
from bowstream.health.report import FLOOR_DBFS, METRICS, HealthReport
from bowstream.health.thermal import read_thermal

# How often the system is asked for its temperature.
THERMAL_EVERY_S = 5.0
SILENCE_DBFS = -90.0
SILENCE = 10.0 ** (SILENCE_DBFS / 10.0)  # as a mean square
# Hops that the percentiles look back on.
LATENCIES = 600


def level_dbfs(samples: Float32) -> float:
    """Return the RMS level of samples in dBFS (a full-scale square wave is 0), at least -120."""
    return dbfs(float(samples.dot(samples)) / max(len(samples), 1))


def dbfs(power: float) -> float:
    """Return a mean square in dBFS, at least -120."""
    return max(FLOOR_DBFS, 10.0 * math.log10(max(power, 1e-30)))


def quantile(ranked: Sequence[float], share: float) -> float:
    """Return the value below which a share of sorted values lies, between two of them as NumPy does; faster on few."""
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


class Health(HealthReport):
    """A session's health as it goes: what its report is worked out from, and the report as it was last asked for.

    Attributes
    ----------
    power : mean square of the newest samples
    """

    def __init__(self, sample_rate: int, sysfs: Path = SYSFS) -> None:
        self.sample_rate = sample_rate
        self._sysfs = sysfs
        self.reset()

    def reset(self) -> None:
        """Begin a new session."""
        super().__init__()
        self._heard = self._lost = self._silent = self._dead = 0  # samples
        self.power = 0.0
        self._condition = Condition(self.sample_rate)
        self._busy_s = 0.0
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES)
        self._ranked_s: list[float] = []  # the same, sorted
        self._ranked_at = -1  # samples heard when the percentiles were worked out
        self._thermal_due_s = 0.0
        self._is_stale = True  # the report, by what was noted since it was worked out

    def heard(self, samples: Float32, lost: int) -> None:
        """Count samples that arrived, and those lost before them."""
        self._is_stale = True
        if lost:
            self._lost += lost
            self.gaps += 1
            self._condition.gap()
        count = len(samples)
        if count:
            self._heard += count
            self._condition.push(samples)
            self.power = float(samples.dot(samples)) / count
            is_silent = self.power < SILENCE
            self._silent = self._silent + count if is_silent else 0
            self._dead = self._dead + count if is_silent and not samples.any() else 0

    def timed(self, clock: StreamClock, delay_s: float | None) -> None:
        """Note when sound came in; `delay_s` is how long after the source says that it was."""
        self.late_s, self.drift_ppm, self.delay_s = clock.late_s, clock.drift_ppm, delay_s

    def worked(self, busy_s: float) -> None:
        """Count time spent on samples."""
        self._busy_s += busy_s
        self._is_stale = True

    def scored(self, latency_s: float) -> None:
        """Note how long after the arrival of its last sample a window had its scores."""
        if len(self._latencies_s) == LATENCIES:
            del self._ranked_s[bisect_left(self._ranked_s, self._latencies_s[0])]
        self._latencies_s.append(latency_s)
        self._is_stale = True
        insort(self._ranked_s, latency_s)

    @property
    def newest_latency_s(self) -> float:
        """Seconds from the arrival of the newest hop's last sample to its scores; 0 before the first hop."""
        return self._latencies_s[-1] if self._latencies_s else 0.0

    def report(self) -> HealthReport:
        """Return a snapshot; its percentiles are at most one second of sound old."""
        self.refresh()
        return HealthReport(*(getattr(self, name) for name in METRICS))

    def refresh(self) -> Health:
        """Return the health itself, its fields as of now; its percentiles are at most one second of sound old."""
        if self._is_stale:
            self._work_out()
        if time.monotonic() >= self._thermal_due_s:
            self._thermal_due_s = time.monotonic() + THERMAL_EVERY_S
            self._read_thermal()
        return self

    def _work_out(self) -> None:
        """Take over what was noted."""
        self._is_stale, rate, condition = False, self.sample_rate, self._condition
        self.heard_s, self.lost_s = self._heard / rate, self._lost / rate
        self.silent_s, self.dead_s = self._silent / rate, self._dead / rate
        self.level_dbfs = dbfs(self.power)
        self.dc_offset, self.hum_hz = condition.dc_offset, condition.hum_hz
        self.hum_dbfs = dbfs(condition.hum_power) if condition.hum_power else FLOOR_DBFS
        self.real_time_factor = self._busy_s / self.heard_s if self._heard else 0.0
        if self._latencies_s and (self._ranked_at < 0 or self._heard - self._ranked_at >= rate):
            self._ranked_at = self._heard
            self.latency_p50_ms, self.latency_p95_ms = (1000.0 * quantile(self._ranked_s, p) for p in (0.50, 0.95))

    def _read_thermal(self) -> None:
        """Read the temperature, where this machine tells it; nothing else may fail because it cannot be read."""
        try:
            thermal = read_thermal(self._sysfs)
        except OSError:  # no file descriptor is free: what was known stays
            return
        self.temperature_c = thermal.temperature_c
        self.throttled = None if thermal.throttled is None else ", ".join(thermal.throttled)

"""Health: what was lost, late, clipped or silent, so that it can be shown and never hidden."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream._types import Float32
from bowstream.audio.identity import SYSFS
from bowstream.health.thermal import Thermal, read_thermal

# How often the system is asked for its temperature.
THERMAL_EVERY_S = 5.0
SILENCE_DBFS = -90.0
FLOOR_DBFS = -120.0
# Hops that the percentiles look back on.
LATENCIES = 600


def level_dbfs(samples: Float32) -> float:
    """Return the RMS level of samples in dBFS (a full-scale square wave is 0), -120 at the least."""
    mean_square = float(np.dot(samples, samples)) / max(len(samples), 1)
    return max(FLOOR_DBFS, 10.0 * math.log10(max(mean_square, 1e-30)))


@dataclass(frozen=True)
class HealthReport:
    """A snapshot.

    heard_s, lost_s : seconds of sound worked on, and lost before we saw them
    gaps : times that sound was lost; overflows : times that the sound system said it lost some
    clipped : samples at full scale
    silent_s : seconds that the present silence (below -90 dBFS) has lasted
    level_dbfs : RMS level of the newest sound
    latency_p50_ms, latency_p95_ms : from the arrival of a hop's last sample to having its scores
    real_time_factor : seconds of computing a second of sound
    undelivered : things that sinks gave up delivering
    dead_s : seconds that every sample has been 0
    reconnects : times that the microphone came back
    temperature_c : of the processor; None where the system does not tell
    throttled : what the processor is held back by, empty if by nothing; None where the system does not tell
    """

    heard_s: float
    lost_s: float
    gaps: int
    overflows: int
    clipped: int
    silent_s: float
    level_dbfs: float
    latency_p50_ms: float
    latency_p95_ms: float
    real_time_factor: float
    undelivered: int
    dead_s: float = 0.0
    reconnects: int = 0
    temperature_c: float | None = None
    throttled: str | None = None


class Health:
    """Counts what a session hears and how long it takes."""

    def __init__(self, sample_rate: int, sysfs: Path = SYSFS) -> None:
        self.sample_rate = sample_rate
        self._sysfs = sysfs
        self.reset()

    def reset(self) -> None:
        """Begin a new session."""
        self.overflows = 0
        self.clipped = 0
        self.undelivered = 0
        self.reconnects = 0
        self._heard = 0
        self._lost = 0
        self._gaps = 0
        self._silent = 0
        self._dead = 0
        self._level_dbfs = FLOOR_DBFS
        self._busy_s = 0.0
        self._latencies_s: deque[float] = deque(maxlen=LATENCIES)
        self._thermal = Thermal()
        self._thermal_due_s = 0.0

    def heard(self, samples: Float32, lost: int) -> None:
        """Count samples that arrived, and those lost before them."""
        self._lost += lost
        self._gaps += lost > 0
        if len(samples):
            self._heard += len(samples)
            self._level_dbfs = level_dbfs(samples)
            self._silent = self._silent + len(samples) if self._level_dbfs < SILENCE_DBFS else 0
            self._dead = 0 if samples.any() else self._dead + len(samples)

    def worked(self, busy_s: float) -> None:
        """Count time spent on samples."""
        self._busy_s += busy_s

    def scored(self, latency_s: float) -> None:
        """Note how long after its last sample's arrival a window's scores were there."""
        self._latencies_s.append(latency_s)

    @property
    def newest_latency_s(self) -> float:
        """Seconds from the arrival of the newest hop's last sample to having its scores; 0 before the first."""
        return self._latencies_s[-1] if self._latencies_s else 0.0

    def report(self) -> HealthReport:
        """Return a snapshot."""
        thermal = self._newest_thermal()
        p50, p95 = np.percentile(self._latencies_s, [50, 95]) * 1000.0 if self._latencies_s else (0.0, 0.0)
        return HealthReport(
            heard_s=self._heard / self.sample_rate,
            lost_s=self._lost / self.sample_rate,
            gaps=self._gaps,
            overflows=self.overflows,
            clipped=self.clipped,
            silent_s=self._silent / self.sample_rate,
            level_dbfs=self._level_dbfs,
            latency_p50_ms=float(p50),
            latency_p95_ms=float(p95),
            real_time_factor=self._busy_s / (self._heard / self.sample_rate) if self._heard else 0.0,
            undelivered=self.undelivered,
            dead_s=self._dead / self.sample_rate,
            reconnects=self.reconnects,
            temperature_c=thermal.temperature_c,
            throttled=None if thermal.throttled is None else ", ".join(thermal.throttled),
        )

    def _newest_thermal(self) -> Thermal:
        now_s = time.monotonic()
        if now_s >= self._thermal_due_s:
            self._thermal, self._thermal_due_s = read_thermal(self._sysfs), now_s + THERMAL_EVERY_S
        return self._thermal

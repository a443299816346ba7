"""The fields of a session's health, listed once: every output takes what it shows from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

FLOOR_DBFS = -120.0


@dataclass(frozen=True)
class Metric:
    """How a field of the health report is shown.

    Attributes
    ----------
    meaning : a description
    unit : of the value; empty for a number of things or a ratio
    counts : whether it only ever grows
    word : what the dashboard calls a counter; empty if it is not shown there
    exported : name in Prometheus, without the prefix; empty if it is not there
    sensor : name in Home Assistant; empty if it is not there
    """

    meaning: str
    unit: str = ""
    counts: bool = False
    word: str = ""
    exported: str = ""
    sensor: str = ""


def gauge(default: Any, meaning: str, unit: str = "", exported: str = "", sensor: str = "") -> Any:
    """Return a field for a value that goes up and down."""
    return field(default=default, metadata={"metric": Metric(meaning, unit, False, "", exported, sensor)})


def counter(default: Any, meaning: str, unit: str = "", word: str = "", exported: str = "", sensor: str = "") -> Any:
    """Return a field for a value that only grows."""
    return field(default=default, metadata={"metric": Metric(meaning, unit, True, word, exported, sensor)})


@dataclass
class HealthReport:
    """A session's health at one moment; None for what this machine does not measure, which comes last."""

    heard_s: float = counter(0.0, "Sound worked on", "s", exported="heard_seconds")
    lost_s: float = counter(0.0, "Sound lost before it was scored", "s", "lost", "lost_seconds", "Lost")
    gaps: int = counter(0, "Times that sound was lost", exported="gaps")
    overflows: int = counter(0, "Times that the sound system lost sound", "", "overflows", "overflows")
    clipped: int = counter(0, "Samples of peaks that were cut off at full scale", "", "clipped", "clipped_samples")
    silent_s: float = gauge(0.0, "How long the present silence has lasted", "s", "silent_seconds", "Silence")
    level_dbfs: float = gauge(FLOOR_DBFS, "RMS level of the newest sound", "dBFS", "level_dbfs", "Level")
    latency_p50_ms: float = gauge(0.0, "From a hop's last sample to its scores, median", "ms")
    latency_p95_ms: float = gauge(0.0, "From a hop's last sample to its scores, 95th percentile", "ms", "", "Latency")
    real_time_factor: float = gauge(
        0.0, "Seconds of computing per second of sound", "", "real_time_factor", "Real-time factor"
    )
    undelivered: int = counter(0, "Messages that sinks gave up delivering", "", "undelivered", "undelivered")
    dead_s: float = gauge(0.0, "How long every sample has been 0", "s", "dead_seconds")
    dc_offset: float = gauge(0.0, "Constant part of the sound, as a share of full scale", "", "dc_offset_ratio")
    hum_hz: int = gauge(0, "Frequency of mains hum in the sound, 0 for none", "Hz", "hum_hertz")
    hum_dbfs: float = gauge(FLOOR_DBFS, "Level of that hum", "dBFS", "hum_dbfs")
    reconnects: int = counter(0, "Times that a microphone or stream came back", "", "reconnects", "reconnects")
    late_s: float = gauge(
        0.0, "How much later the newest sound came in than the most punctual one", "s", "late_seconds"
    )
    temperature_c: float | None = gauge(None, "Temperature of the processor", "°C", "temperature_celsius", "Processor")
    delay_s: float | None = gauge(None, "Delay of the sound, by the time that the stream states", "s", "delay_seconds")
    drift_ppm: float | None = gauge(
        None, "By how much the source's clock is faster than the system's", "ppm", "drift_ppm"
    )
    throttled: str | None = gauge(None, "What holds the processor back, empty if nothing does")


METRICS: Mapping[str, Metric] = {each.name: each.metadata["metric"] for each in fields(HealthReport)}
# Those that every machine measures, which come first, and the rest.
MEASURED = tuple(each.name for each in fields(HealthReport) if each.default is not None)
OPTIONAL = tuple(name for name in METRICS if name not in MEASURED)


def metrics(report: HealthReport) -> Iterator[tuple[str, Metric, Any]]:
    """Yield name, metric and value of each field of a report that is known."""
    for name, metric in METRICS.items():
        if (value := getattr(report, name)) is not None:
            yield name, metric, value

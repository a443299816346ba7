"""What a live session warns about, besides lost sound: silence, clipping, heat."""

from __future__ import annotations

from collections.abc import Iterator

from bowstream._given import NUMBER, check
from bowstream.audio.source import Notice
from bowstream.config.settings import Settings
from bowstream.health.counters import SILENCE_DBFS
from bowstream.health.report import HealthReport

SILENCE_S = Settings.silence_s
# A warning is repeated after this time if its reason is still there, or there again.
REPEAT_S = 600.0
# Beyond these, a microphone is not well. A good one has an offset of a thousandth.
WORST_OFFSET = 0.01
WORST_HUM_DBFS = -60.0
SILENCES = ("dead", "silent")


def faults(report: HealthReport) -> Iterator[tuple[str, str, str]]:
    """Yield what a microphone itself adds: a kind, what it is, and what to do."""
    if abs(report.dc_offset) >= WORST_OFFSET:
        yield (
            "offset",
            f"a DC offset of {report.dc_offset:+.1%} of full scale",
            "set highpass_hz = 20, or use another input",
        )
    if report.hum_hz and report.hum_dbfs >= WORST_HUM_DBFS:
        found = f"mains hum, {report.hum_hz} Hz at {report.hum_dbfs:.0f} dBFS"
        yield "hum", found, "keep its cable away from the mains, try another power supply, or set highpass_hz = 200"


class HealthMonitor:
    """Turns health reports into notices: one when a problem begins, then at most one in ten minutes.

    Time is that of the sound: what was heard and lost so far.

    Parameters
    ----------
    silence_s : silence after which to warn
    """

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        check(NUMBER, silence_s=silence_s)
        self.silence_s = silence_s
        self.reset()

    def reset(self) -> None:
        """Begin a new session."""
        self._warned_s: dict[str, float] = {}
        self._clipped = 0

    def check(self, report: HealthReport) -> Iterator[Notice]:
        """Yield the notices that are due after a report; reports must come in order."""
        now_s = report.heard_s + report.lost_s
        for notice in self._problems(report):
            if now_s - self._warned_s.get(notice.kind, -REPEAT_S) >= REPEAT_S:
                self._warned_s[notice.kind] = now_s
                self._clipped = report.clipped if notice.kind == "clipping" else self._clipped
                yield notice
        if report.silent_s < self.silence_s:
            ended = [self._warned_s.pop(kind) for kind in SILENCES if kind in self._warned_s]
            if ended:
                yield Notice("sound", "there is sound again")

    def _problems(self, report: HealthReport) -> Iterator[Notice]:
        if report.dead_s >= self.silence_s:
            yield Notice(
                "dead",
                f"dead silence for {report.dead_s:.0f} s: every sample is 0; the microphone is muted or unconnected, "
                f"look with 'alsamixer' and 'bowstream devices'",
            )
        elif report.silent_s >= self.silence_s:
            yield Notice(
                "silent",
                f"silence for {report.silent_s:.0f} s (below {SILENCE_DBFS:.0f} dBFS): "
                "turn the capture level up with 'alsamixer'",
            )
        if report.clipped > self._clipped:
            clipped = report.clipped - self._clipped
            yield Notice("clipping", f"{clipped} samples cut off: turn the capture level down with 'alsamixer'")
        for kind, found, advice in faults(report):
            yield Notice(kind, f"{found}: {advice}")
        if report.throttled:
            temperature = "" if report.temperature_c is None else f" at {report.temperature_c:.0f} °C"
            yield Notice("hot", f"{report.throttled}{temperature}: use a stronger power supply or better cooling")

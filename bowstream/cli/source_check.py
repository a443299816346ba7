"""What `bowstream doctor` finds of a source: a second of its sound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from bowstream._types import Float32, Format
from bowstream.audio.microphone import Microphone
from bowstream.audio.mix import CANCELLING
from bowstream.audio.opening import open_once
from bowstream.audio.source import Block
from bowstream.audio.stream import StreamSource
from bowstream.cli.checks import Finding, Findings
from bowstream.config.address import STDIN, is_microphone
from bowstream.config.settings import SourceSettings
from bowstream.health.condition import Condition
from bowstream.health.counters import SILENCE_DBFS, dbfs, level_dbfs
from bowstream.health.report import HealthReport
from bowstream.health.warnings import faults
from bowstream.model.front_end import FrontEnd
from bowstream.model.highpass import HighPass

CAPTURE_S = 1.0
# Without enough samples for so long, the capture has failed; a stream is first asked what is in it.
PATIENCE_S, STREAM_PATIENCE_S = 5.0, 15.0


@dataclass(frozen=True)
class Advice:
    """What to do about a source that delivers nothing, is muted, too quiet, too loud, or loses sound."""

    nothing: str
    muted: str
    quiet: str
    loud: str
    lost: str


MICROPHONE = Advice(
    "unplug it and plug it in again; try another port",
    "unmute it and turn it up: alsamixer, F4",
    "turn the capture level up: alsamixer, F4",
    "turn the capture level down: alsamixer, F4",
    "see what else keeps the processor or the USB bus busy",
)
STREAM = Advice(
    "check whether it plays in another program, such as VLC",
    "unmute the microphone at its end",
    "turn the microphone up at its end",
    "turn the microphone down at its end",
    "check the network between here and there",
)


@dataclass(frozen=True)
class Captured:
    """What came of a source.

    samples : float32 [shape=(n,)], a second, less if no more came
    lost : samples that were lost
    waited_s : from opening it to its first sound
    delay_s : from when the source says that sound was until it came in; None if it does not say
    """

    samples: Float32
    lost: int = 0
    waited_s: float = 0.0
    delay_s: float | None = None

    def condition(self, settings: SourceSettings, front_end: FrontEnd) -> HealthReport:
        """Return what a session that is set so would find of its offset and hum."""
        samples, rate = self.samples, front_end.sample_rate
        if settings.highpass_hz:
            samples = HighPass(settings.highpass_hz, rate, front_end.column_length).push(samples)
        condition = Condition(rate, seconds=1)
        condition.push(samples)
        hum_dbfs = dbfs(condition.hum_power)
        return HealthReport(dc_offset=condition.dc_offset, hum_hz=condition.hum_hz, hum_dbfs=hum_dbfs)


def kind_of(settings: SourceSettings) -> str:
    """Return what a source is called."""
    return "microphone" if is_microphone(settings.device) else "stream"


def check_source(settings: SourceSettings, front_end: FrontEnd) -> Findings:
    """Say how a second of real sound is, as the bundle's front end takes it."""
    check = kind_of(settings)
    is_stream = check == "stream"
    advice = STREAM if is_stream else MICROPHONE
    if settings.device == STDIN:
        yield Finding("ok", check, "only 'listen' reads standard input")
        return
    source = of_both_channels(settings, front_end.format)
    found = capture(source, front_end.sample_rate, STREAM_PATIENCE_S if is_stream else PATIENCE_S)
    heard = f"{source.name}: {len(found.samples) / front_end.sample_rate:.1f} s at {source.native_rate} Hz"
    heard += f", the first after {found.waited_s:.1f} s" if is_stream else ""
    heard += "" if found.delay_s is None else f", {found.delay_s:.1f} s after the sender's clock"
    if not len(found.samples):
        yield Finding("fail", check, f"{source.name} delivers nothing", advice.nothing)
    elif not found.samples.any():
        yield Finding("fail", check, f"{heard}: every sample is 0", advice.muted)
    elif (level := level_dbfs(found.samples)) < SILENCE_DBFS:
        yield Finding("warn", check, f"{heard}, {level:.0f} dBFS: almost silent", advice.quiet)
    elif source.clipped:
        yield Finding("warn", check, f"{heard}, {source.clipped} samples cut off at full scale", advice.loud)
    elif found.lost or source.overflows:
        yield Finding("warn", check, f"{heard}, {found.lost} samples lost, {source.overflows} overflows", advice.lost)
    elif source.cancelled_s > CAPTURE_S / 2.0:
        yield Finding("warn", check, f"{heard}: {CANCELLING}", "exchange the two wires, or set channels = [1]")
    elif worst := next(faults(found.condition(settings, front_end)), None):
        yield Finding("warn", check, f"{heard}, {level:.0f} dBFS, {worst[1]}", worst[2])
    else:
        yield Finding("ok", check, f"{heard}, {level:.0f} dBFS")


def of_both_channels(settings: SourceSettings, format: Format) -> StreamSource:
    """Return what is set, opened once; a microphone with two channels or more, so that they are seen to cancel."""
    source = open_once(settings, format)
    if isinstance(source, Microphone) and source.channels == 1 < source.device.channels and not settings.channels:
        return open_once(replace(settings, channels=(1, 2)), format)
    return source


def capture(source: StreamSource, sample_rate: int, patience_s: float) -> Captured:
    """Return a second of sound."""
    pieces, lost, delay_s = [np.empty(0, np.float32)], 0, None
    started_s = first_s = time.monotonic()
    with source:
        for heard in source:
            now_s = time.monotonic()
            if isinstance(heard, Block):
                first_s = now_s if len(pieces) == 1 else first_s
                pieces.append(heard.samples)
                lost, delay_s = lost + heard.lost, heard.delay_s
            if sum(map(len, pieces)) >= CAPTURE_S * sample_rate or now_s - started_s > patience_s:
                break
    return Captured(np.concatenate(pieces), lost, first_s - started_s, delay_s)

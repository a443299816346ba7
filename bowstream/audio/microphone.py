"""The microphone: PortAudio's callback copies into the ring and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bowstream._given import NUMBER, TEXT, check, check_if_any, one_of
from bowstream._stderr import silenced
from bowstream._types import FORMAT, Float32, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.device_stream import DeviceStream, portaudio
from bowstream.audio.devices import BUSY, FORBIDDEN, explain, find_device, list_devices, load_sounddevice
from bowstream.audio.source import Notice
from bowstream.audio.stream import StreamSource
from bowstream.audio.timeline import Punctuality
from bowstream.errors import DeviceAbsentError, DeviceError

# Rates tried in turn when a device refuses the one asked for.
COMMON_RATES_HZ = (48_000, 44_100, 32_000, 96_000, 22_050, 8_000)
# A device that delivers nothing for so long is gone, whatever PortAudio says.
GONE_AFTER_S = 3.0
# When we have not looked for so long, we were held up ourselves and may not blame the device.
HELD_UP_AFTER_S = 1.0
# Sound that comes so much too late, for so long, without PortAudio saying why: the difference was lost.
LATE_S, LATE_FOR_S = 0.1, 1.0
# What was kept for us while we were held up has come when blocks take, for so long, the time that they last; or nearly.
SETTLED_S, PACE = 0.25, 1.5


class Microphone(StreamSource):
    """A PortAudio input, opened at a rate it takes, with as few channels as it takes.

    The rate of `format` is asked for first, since then nothing needs resampling; a device that refuses
    it is opened at its native rate. What PortAudio drops is measured by the time at which the sound was captured
    and counts as lost. Where a sound server moves the stream to another microphone, that is said; if `device` is
    named, it is gone.

    Parameters
    ----------
    device : identity, number or fragment of the name; None for the system's default
    sample_rate : the rate to ask the device for, in Hz; None for the order above
    route : the sound server's source that it must be heard from, if any; see `route` of a microphone before

    Raises
    ------
    DeviceError
        If PortAudio or the device is missing, or the device cannot be opened; while iterating, if it goes away.
    UsageError
        If an argument is not of its type.
    """

    def __init__(
        self,
        device: str | None = None,
        format: Format = FORMAT,
        sample_rate: int | None = None,
        route: str | None = None,
    ) -> None:
        check_if_any(TEXT, device=device)
        check_if_any(NUMBER, sample_rate=sample_rate)
        check(one_of(Format), format=format)
        self._sounddevice = load_sounddevice()
        with portaudio():
            self.device = find_device(device, list_devices())
            rates = (sample_rate,) if sample_rate else (format.sample_rate, self.device.native_rate, *COMMON_RATES_HZ)
            rate, channels = self._accepted(rates, format)
        super().__init__(self.device.name, rate, channels, format)
        self._stream = DeviceStream(self.device, rate, channels, self._callback)
        self._is_named = device is not None
        self._wanted_route = route
        self._last_frames_s = 0.0
        self._last_look_s = 0.0
        self._punctuality = Punctuality(LATE_S, LATE_FOR_S)
        self._next_captured_s = 0.0
        self._owed = 0  # frames that were counted as dropped and may come yet
        self._last_block_s = 0.0
        self._pour: tuple[float, float] | None = None  # since when, and how much of what was kept has come

    def _accepted(self, rates: tuple[int, ...], format: Format) -> tuple[int, int]:
        """Return the first rate and number of channels that the device takes."""
        reason, has = "", self.device.channels
        if not (counts := format.takes(has)):
            wanted = max(format.channels)
            raise DeviceError(f"{self.device.name!r} has {has}: channels must be 1 … {has} (got {wanted})")
        for rate in dict.fromkeys(rates):
            for channels in counts:
                try:
                    with silenced():
                        self._sounddevice.check_input_settings(self.device.index, channels, "float32", samplerate=rate)
                except self._sounddevice.PortAudioError as error:
                    reason = explain(error)
                    if reason in (BUSY, FORBIDDEN):
                        raise DeviceError(f"{self.device.name!r} cannot be opened: {reason}") from error
                else:
                    return rate, channels
        tried = ", ".join(str(rate) for rate in dict.fromkeys(rates))
        native = f"; leave the rate out, or ask for its own, {self.device.native_rate} Hz" if len(rates) == 1 else ""
        raise DeviceError(f"{self.device.name!r} refuses to record at {tried} Hz: {reason}{native}")

    @property
    def began_s(self) -> float | None:
        """When the stream's first frame was captured, by the steady clock; None until it delivers."""
        return self._punctuality.began_s

    def __enter__(self) -> Microphone:
        try:
            self._stream.open()
        except self._sounddevice.PortAudioError as error:
            self._stream.close()
            raise DeviceError(f"{self.name!r} cannot be opened: {explain(error)}") from error
        self._last_frames_s = self._last_look_s = steady_s()
        if self._wanted_route and self.route not in (None, self._wanted_route):
            self._stream.close()
            raise DeviceAbsentError(self._elsewhere(self.route))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()

    @property
    def route(self) -> str | None:
        """The sound server's source that this is heard from, if a sound server is known to be in between."""
        return self._stream.route.source if self._stream.route else None

    def _elsewhere(self, source: str | None) -> str:
        return f"{self.name!r} went away: the sound server switched to another microphone, {source!r}"

    def _notices(self) -> Iterator[Notice]:
        if (route := self._stream.route) and (source := route.moved_to):
            yield Notice("moved", f"the sound server switched microphones: {source!r} is heard now, not {self.route!r}")
            route.accept()

    @property
    def closed(self) -> bool:
        """Whether the device has let go of us."""
        return self._stream.closed

    def _callback(self, frames: Float32, count: int, when: Any, status: Any) -> None:
        now_s, length_s = steady_s(), count / self.native_rate
        age_s = when.currentTime - when.inputBufferAdcTime if when.inputBufferAdcTime > 0 else length_s
        self.overflows += bool(status.input_overflow)
        self._last_frames_s = now_s
        if self._pours(now_s, length_s):
            return
        if self._is_stale(now_s, count):
            self._owed -= count
            return
        self._count_dropped(now_s, now_s - age_s, length_s, bool(status.input_overflow))
        self._write(frames)

    def _pours(self, now_s: float, length_s: float) -> bool:
        """Whether a block is of those that were kept while we were held up, or asleep with the machine.

        What the ring holds is handed on. More is given up whole, so that it is one gap.
        """
        if self.began_s is not None and now_s - self._last_block_s > self.kept_s + length_s:
            self._pour = (now_s, -length_s)
        self._last_block_s = now_s
        if self._pour is None or self.began_s is None:
            return False
        since_s, poured_s = self._pour
        poured_s += length_s
        if now_s - since_s < SETTLED_S:
            self._pour = (since_s, poured_s)
            return True
        if poured_s > PACE * (now_s - since_s):
            self._pour = (now_s, 0.0)
            return True
        self._pour = None
        self._skip(now_s - length_s - self._ring.elapsed / self.native_rate - self.began_s)
        return False

    def _is_stale(self, now_s: float, count: int) -> bool:
        """Whether a block comes after all that was counted as dropped.

        A sound server keeps the sound of a process that was held up and hands it over at once. It would be heard
        later than it happened, and all that follows it too.
        """
        if self.began_s is None or self._owed < count:
            return False
        ahead_s = self.began_s + (self._ring.elapsed + count) / self.native_rate - now_s
        return ahead_s > count / self.native_rate / 2.0

    def _count_dropped(self, now_s: float, captured_s: float, length_s: float, flagged: bool) -> None:
        """Mark what is missing before a block.

        If PortAudio says that it dropped something, it is what arrival and time of capture agree on. If not, it is
        by how much all sound has been late for a while; what was only held up catches up.
        """
        if self.began_s is None:
            self._next_captured_s = captured_s
        late_s = self._punctuality.late_s(now_s, length_s, self._ring.elapsed / self.native_rate)
        if flagged:
            self._skip(min(late_s, captured_s - self._next_captured_s))
        elif lasting_s := self._punctuality.lasting_s(late_s, length_s, now_s):
            self._skip(lasting_s)
        self._next_captured_s = captured_s + length_s

    def _skip(self, dropped_s: float) -> None:
        dropped = round(max(0.0, dropped_s) * self.native_rate)
        self._owed += dropped
        self._ring.skip(dropped)
        self._punctuality.settle()

    def _ended(self) -> bool:
        now_s = steady_s()
        if now_s - self._last_look_s > HELD_UP_AFTER_S or self._stream.is_let_go:
            self._last_frames_s = now_s
        self._last_look_s = now_s
        silent_s = now_s - self._last_frames_s
        if self._is_named and (route := self._stream.route) and (source := route.moved_to):
            raise DeviceAbsentError(self._elsewhere(source))
        if not self._stream.active:
            raise DeviceAbsentError(f"{self.name!r} went away: plug it in again")
        if silent_s > GONE_AFTER_S:
            raise DeviceAbsentError(f"{self.name!r} went away: it has delivered nothing for {silent_s:.1f} s")
        return False

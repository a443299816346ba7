"""The microphone: PortAudio's callback copies into the ring and leaves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .errors import DeviceError
from .frontend import Float32, FrontEnd
from .live import Live

# Rates tried in turn when a device refuses the one asked for.
COMMON_RATES_HZ = (48_000, 44_100, 32_000, 96_000, 22_050, 8_000)
# A device that delivers nothing for so long is gone, whatever PortAudio says.
GONE_AFTER_S = 3.0
# When we have not looked for so long, we were held up ourselves and may not blame the device.
HELD_UP_AFTER_S = 1.0


@dataclass(frozen=True)
class Device:
    """An input that PortAudio offers."""

    index: int
    name: str
    host_api: str
    channels: int
    native_rate: int
    is_default: bool


def load_sounddevice() -> Any:
    """Import `sounddevice`, which needs PortAudio at import.

    Raises
    ------
    DeviceError
        If it or PortAudio is missing.
    """
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError(
            f"PortAudio is missing ({error}): run 'sudo apt install libportaudio2', then try again"
        ) from error
    return sounddevice


def list_devices() -> list[Device]:
    """Return the inputs that PortAudio offers now; empty where there is none."""
    sounddevice = load_sounddevice()
    try:
        default = sounddevice.default.device[0]
        apis = sounddevice.query_hostapis()
        return [
            Device(
                index=index,
                name=info["name"],
                host_api=apis[info["hostapi"]]["name"],
                channels=info["max_input_channels"],
                native_rate=round(info["default_samplerate"]),
                is_default=index == default,
            )
            for index, info in enumerate(sounddevice.query_devices())
            if info["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"PortAudio cannot list the devices: {error.args[0]}") from error


def find_device(wanted: str | None, devices: list[Device]) -> Device:
    """Return the input with this number, or whose name contains this fragment; the default one for None.

    Raises
    ------
    DeviceError
        If there is none, or more than one.
    """
    if not devices:
        raise DeviceError("no microphone found: plug one in, then look with 'bowstream devices'")
    offered = ", ".join(f"{device.index} {device.name!r}" for device in devices)
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    if wanted.isdecimal():
        matches = [device for device in devices if device.index == int(wanted)]
    else:
        matches = [device for device in devices if device.name == wanted]
        matches = matches or [device for device in devices if wanted.casefold() in device.name.casefold()]
    if len(matches) != 1:
        found = ", ".join(f"{device.index} {device.name!r}" for device in matches)
        problem = f"{wanted!r} fits {found}" if matches else f"no input fits {wanted!r}"
        raise DeviceError(f"{problem}: choose one of {offered}")
    return matches[0]


class Microphone(Live):
    """A PortAudio input, opened at a rate it takes, with as few channels as it takes.

    The front end's own rate is asked for first, since then nothing needs resampling; a device that refuses
    it is opened at its native rate.

    Parameters
    ----------
    wanted : number or fragment of the name; None for the system's default
    sample_rate : the rate to ask the device for, in Hz; None for the order above

    Raises
    ------
    DeviceError
        If PortAudio or the device is missing, or the device cannot be opened; while iterating, if it goes away.
    """

    def __init__(self, wanted: str | None, front_end: FrontEnd, sample_rate: int | None = None) -> None:
        self._sounddevice = load_sounddevice()
        self.device = find_device(wanted, list_devices())
        rates = (sample_rate,) if sample_rate else (front_end.sample_rate, self.device.native_rate, *COMMON_RATES_HZ)
        rate, channels = self._accepted(rates)
        super().__init__(self.device.name, rate, channels, front_end)
        self._stream: Any = None
        self._last_frames_s = 0.0
        self._last_look_s = 0.0

    def _accepted(self, rates: tuple[int, ...]) -> tuple[int, int]:
        """Return the first rate and number of channels that the device takes."""
        reason = ""
        for rate in dict.fromkeys(rates):
            for channels in sorted({1, min(2, self.device.channels), self.device.channels}):
                try:
                    self._sounddevice.check_input_settings(self.device.index, channels, "float32", samplerate=rate)
                except self._sounddevice.PortAudioError as error:
                    reason = str(error.args[0])
                else:
                    return rate, channels
        tried = ", ".join(str(rate) for rate in dict.fromkeys(rates))
        raise DeviceError(f"{self.device.name!r} refuses to record at {tried} Hz: {reason}")

    def __enter__(self) -> Microphone:
        try:
            self._stream = self._sounddevice.InputStream(
                samplerate=self.native_rate,
                device=self.device.index,
                channels=self.channels,
                dtype="float32",
                latency="high",
                callback=self._callback,
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(
                f"{self.name!r} cannot be opened: {error.args[0]}; another program may hold it, "
                f"or you may not be in the group 'audio'"
            ) from error
        self._last_frames_s = self._last_look_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close(ignore_errors=True)

    def _callback(self, frames: Float32, count: int, when: Any, status: Any) -> None:
        if status.input_overflow:
            self.overflows += 1
        self._write(frames)
        self._last_frames_s = time.monotonic()

    def _ended(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._last_look_s > HELD_UP_AFTER_S:
            self._last_frames_s = now_s
        self._last_look_s = now_s
        silent_s = now_s - self._last_frames_s
        if not self._stream.active or silent_s > GONE_AFTER_S:
            raise DeviceError(
                f"{self.name!r} went away: it has delivered nothing for {silent_s:.1f} s; plug it in again"
            )
        return False

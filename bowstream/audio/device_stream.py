"""A stream that PortAudio has open: one thread at a time may call PortAudio, and none may start it anew unasked."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from bowstream._stderr import silenced
from bowstream.audio.devices import Device, list_devices, load_sounddevice
from bowstream.audio.sound_server import Route
from bowstream.errors import DeviceError

# A device that hangs also hangs whoever closes it; we wait no longer than this.
CLOSED_AFTER_S = 2.0
# Nor may a thread that hangs in PortAudio hold up the others for longer.
LOCKED_S = 3.0

_PORTAUDIO = threading.RLock()


@contextmanager
def portaudio() -> Iterator[None]:
    """Have PortAudio for this thread alone."""
    is_ours = _PORTAUDIO.acquire(timeout=LOCKED_S)
    try:
        yield
    finally:
        if is_ours:
            _PORTAUDIO.release()


class DeviceStream:
    """An input stream, and the way by which a sound server lets it hear.

    Parameters
    ----------
    device, sample_rate, channels : as PortAudio is asked for them
    callback : as of `sounddevice.InputStream`

    Attributes
    ----------
    route : None until it is open, and once it is closed
    is_let_go : whether it is closed for a moment; see `refresh`
    """

    opened: ClassVar[list[DeviceStream]] = []

    def __init__(self, device: Device, sample_rate: int, channels: int, callback: Callable[..., None]) -> None:
        self._sounddevice = load_sounddevice()
        self.device = device
        self._options = {"samplerate": sample_rate, "channels": channels, "callback": callback}
        self._stream: Any = None
        self._closing: threading.Thread | None = None
        self.route: Route | None = None
        self.is_let_go = False

    def open(self) -> None:
        """Open and start it; raise `sounddevice.PortAudioError` if that cannot be."""
        with portaudio():
            self._closing = None
            with silenced():
                self._stream = self._sounddevice.InputStream(
                    device=self.device.index, dtype="float32", latency="high", **self._options
                )
                self._stream.start()
            self.opened.append(self)
            self.route = Route()

    def close(self) -> None:
        """Close it; a device that hangs is left to a thread."""
        if self in self.opened:
            self.opened.remove(self)
        if self.route:
            self.route.close()
        if self._stream is None or self._closing:
            return
        self._closing = threading.Thread(target=self._stream.close, name="bowstream-close", daemon=True)
        with portaudio():
            self._closing.start()
            self._closing.join(CLOSED_AFTER_S)
        if not self.closed:
            # Neither can PortAudio be shut down when we leave.
            atexit.unregister(self._sounddevice._exit_handler)

    @property
    def closed(self) -> bool:
        """Whether the device has let go of us."""
        return self._closing is None or not self._closing.is_alive()

    @property
    def active(self) -> bool:
        """Whether it delivers, or will in a moment."""
        return self.is_let_go or bool(self._stream.active)

    def let_go(self) -> None:
        """Close it for a moment."""
        self.is_let_go = True
        self.close()

    def take_up(self) -> None:
        """Open it again; if that cannot be, it is not active."""
        try:
            with portaudio():
                same = [each for each in list_devices() if replace(each, index=0) == replace(self.device, index=0)]
                if same and self.closed:
                    self.device = same[0]
                    self.open()
        except (DeviceError, self._sounddevice.PortAudioError):
            pass
        finally:
            self.is_let_go = False


def refresh() -> None:
    """Make PortAudio look for devices anew, which it does only when it starts: open streams have a gap meanwhile.

    Raises
    ------
    DeviceError
        If PortAudio does not start, or a stream hangs and keeps it from ending.
    """
    sounddevice = load_sounddevice()
    with portaudio():
        streams = list(DeviceStream.opened)
        for stream in streams:
            stream.let_go()
        try:
            if not all(stream.closed for stream in streams):
                raise DeviceError("a microphone hangs and keeps PortAudio from finding others: start bowstream anew")
            sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"PortAudio cannot start: {error.args[0]}") from error
        finally:
            for stream in streams:
                stream.take_up()

"""A stream that PortAudio has open: one thread at a time may call PortAudio, and none may restart it unasked."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

from bowstream._stderr import silenced
from bowstream.audio.devices import Device, list_devices, load_sounddevice
from bowstream.audio.sound_server import Route
from bowstream.errors import DeviceError

# A device that hangs also hangs the thread that closes it; we wait no longer than this, or than that where other
# devices are lost if it only takes its time, on a busy machine.
CLOSED_AFTER_S, LET_GO_AFTER_S = 2.0, 8.0
# Nor may a thread that hangs in PortAudio hold up the others for longer; one that asks a sound server takes seconds.
LOCKED_S = 10.0

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


@cache
def take_over(shut_down: Callable[[], None]) -> None:
    """Have PortAudio shut down at our end as `leave` does, not as sounddevice would."""
    atexit.unregister(shut_down)
    atexit.register(leave, shut_down)


def leave(shut_down: Callable[[], None]) -> None:
    """Shut PortAudio down, unless a thread is in it still: then one of both would hang."""
    if _PORTAUDIO.acquire(timeout=CLOSED_AFTER_S):
        shut_down()


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
        take_over(self._sounddevice._exit_handler)
        self.device = device
        self._options = {"samplerate": sample_rate, "channels": channels, "callback": callback}
        self._stream: Any = None
        self._closing: threading.Thread | None = None
        self._in_use = threading.Lock()  # PortAudio frees what it closes
        self._is_over = False
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
        """Close it for good; a device that hangs is left to a thread."""
        self._is_over = True
        self._shut(CLOSED_AFTER_S)

    def _shut(self, patience_s: float) -> None:
        with portaudio():
            if self in self.opened:
                self.opened.remove(self)
            if self.route:
                self.route.close()
            if self._stream is None or self._closing:
                return
            self._closing = threading.Thread(target=self._close, name="bowstream-close", daemon=True)
            self._closing.start()
            self._closing.join(patience_s)
        if not self.closed:
            atexit.unregister(leave)  # PortAudio cannot be shut down, either

    def _close(self) -> None:
        with self._in_use:
            self._stream.close()

    @property
    def closed(self) -> bool:
        """Whether the device has let go of us."""
        return self._closing is None or not self._closing.is_alive()

    @property
    def active(self) -> bool:
        """Whether it delivers, or will in a moment; asked by one thread while another may let it go and take it up."""
        stream = self._stream
        if self.is_let_go or not self._in_use.acquire(blocking=False):
            return self.is_let_go or stream is not self._stream
        try:
            is_active = bool(stream.active)
        finally:
            self._in_use.release()
        return is_active or self.is_let_go or stream is not self._stream

    def let_go(self) -> None:
        """Close it for a moment."""
        self.is_let_go = True
        self._shut(LET_GO_AFTER_S)

    def take_up(self) -> None:
        """Open it again; if that cannot be, it is not active."""
        try:
            with portaudio():
                same = [each for each in list_devices() if replace(each, index=0) == replace(self.device, index=0)]
                if same and self.closed and not self._is_over:
                    self.device = same[0]
                    self.open()
        except (DeviceError, self._sounddevice.PortAudioError):
            pass
        finally:
            self.is_let_go = False


def refresh() -> None:
    """Make PortAudio look for devices again, which it does only when it starts: open streams have a gap meanwhile.

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
                raise DeviceError("a microphone hangs and keeps PortAudio from finding others: restart bowstream")
            sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"PortAudio cannot start: {error.args[0]}") from error
        finally:
            for stream in streams:
                stream.take_up()

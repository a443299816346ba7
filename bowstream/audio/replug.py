"""A microphone that one may unplug: how it is looked for, and opened again.

`python -m bowstream.audio.replug WANTED RATE` opens that microphone and closes it again; it prints why if it cannot.
PortAudio sees new devices only when it is restarted, which takes a tenth of a second, may hang and leaks: 0.3 kB,
or 13 kB where ALSA's plugins load libavcodec. So a listener that waits for months lets another process look, and
restarts PortAudio only when its list of devices is out of date.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from bowstream._types import FORMAT, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.device_stream import refresh
from bowstream.audio.devices import list_devices, load_sounddevice
from bowstream.audio.microphone import Microphone
from bowstream.audio.reconnect import pause
from bowstream.audio.stream import LONGEST_WAIT_S
from bowstream.errors import DeviceAbsentError, DeviceError

# A look starts a new Python, which a Pi feels: often in the first minute, when someone may be at the plug.
LOOK_EVERY_S = 5.0
# How long a look may take.
LOOK_TAKES_S = 30.0
# What the process that looks exits with.
FOUND, ABSENT, REFUSED = 0, 3, 4


class Replugged:
    """Opens a `Microphone` each time that it is plugged in; for `Reconnecting`.

    Parameters are `Microphone`'s.

    Raises
    ------
    DeviceError
        If PortAudio is missing, for which it would be vain to wait.
    """

    def __init__(self, wanted: str | None = None, format: Format = FORMAT, sample_rate: int | None = None) -> None:
        load_sounddevice()
        self.name = wanted or "the microphone"
        self.look_every_s = LOOK_EVERY_S
        self._wanted = wanted
        self._format = format
        self._sample_rate = sample_rate
        self._microphone: Microphone | None = None  # the newest that was opened
        self._route: str | None = None  # where a sound server has it from, if it is named
        self._hangs: Microphone | None = None  # a stream that could not be closed
        self._retried = False  # whether PortAudio's list was taken as it was since this stream was opened

    @contextmanager
    def open(self) -> Iterator[Microphone]:
        """Yield the microphone, opened."""
        with Microphone(self._wanted, self._format, self._sample_rate, self._route) as microphone:
            self._microphone, self._retried = microphone, False
            self._route = self._route or (self._wanted and microphone.route)
            yield microphone

    def look(self) -> Generator[None, None, str | None]:
        """Let another process try to open it; return why it cannot, empty if it is just not there, None if it can."""
        problem = yield from self._tried()
        if problem is None:
            self._refresh()
        return problem

    def _refresh(self) -> None:
        """Let PortAudio look for devices again if needed, unless a stream that hangs keeps it from it.

        The device may then still be found under its old number, as sound servers are; else only a restart helps.
        """
        if self._microphone is None or self._microphone.closed:
            if not self._list_holds():
                refresh()
        elif self._hangs is self._microphone:
            name = self._microphone.name
            # It neither goes on nor can be closed: the service manager restarts us.
            raise DeviceError(f"{name!r} hangs and keeps PortAudio from finding it again: restart bowstream")
        else:
            self._hangs = self._microphone

    def _list_holds(self) -> bool:
        """Whether PortAudio's list is worth one more try: it led to sound, and what it led to is what is there now.

        ALSA opens a device by its name, which outlives a sound server's restart; a card's has its number, under which
        another card may be by now. Other host APIs hold a connection.
        """
        microphone, retried = self._microphone, self._retried
        self._retried = True
        if microphone is None or microphone.began_s is None or retried:
            return False
        return microphone.device.host_api == "ALSA" and microphone.device in list_devices()

    def _tried(self) -> Generator[None, None, str | None]:
        """Let another process try to open the microphone; as `look`."""
        command = [sys.executable, "-m", "bowstream.audio.replug", self._wanted or "", str(self._sample_rate or "")]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                started_s = steady_s()
                while process.poll() is None:
                    if steady_s() - started_s > LOOK_TAKES_S:
                        return f"the sound system has not answered for {LOOK_TAKES_S:.0f} s"
                    yield from pause(LONGEST_WAIT_S)
                if process.returncode not in (FOUND, ABSENT, REFUSED):
                    return "the sound system crashes each process that looks for it"
                said = process.stdout.read().strip() if process.stdout else ""
                return None if process.returncode == FOUND else said
            finally:
                process.kill()


def look(wanted: str, sample_rate: str) -> int:
    """Open and close a microphone; print why if that fails, unless it is just not there."""
    try:
        with Microphone(wanted or None, sample_rate=int(sample_rate) if sample_rate else None):
            return FOUND
    except DeviceAbsentError:
        return ABSENT
    except DeviceError as error:
        print(error, flush=True)
        return REFUSED


if __name__ == "__main__":
    sys.exit(look(*sys.argv[1:]))

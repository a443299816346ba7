"""A microphone that one may unplug: it is waited for, opened again, and what was missed is a gap.

`python -m bowstream.audio.reconnect WANTED RATE` opens that microphone and closes it again; it prints why if it cannot.
PortAudio sees new devices only when it is started anew, which takes a tenth of a second, may hang and leaks: 0.3 kB,
or 13 kB where ALSA's plugins load libavcodec. So whoever waits for months lets another process look, and starts
PortAudio anew only when its list of devices does not hold any more.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from types import TracebackType

import numpy as np

from bowstream._types import FORMAT, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.devices import list_devices, load_sounddevice, refresh
from bowstream.audio.microphone import Microphone
from bowstream.audio.source import Block, Notice
from bowstream.audio.stream import LONGEST_WAIT_S
from bowstream.errors import DeviceAbsentError, DeviceError

# A look starts Python anew, which a Pi feels: often in the first minute, when somebody is at the plug; then the wait
# is a share of the time that the microphone has been away.
LOOK_EVERY_S, LOOK_RARELY_S = 5.0, 30.0
WAIT_PER_AWAY = 1.0 / 12.0
# How long a look may take.
LOOK_TAKES_S = 30.0
# What the process that looks exits with.
FOUND, ABSENT, REFUSED = 0, 3, 4
# The same reason is given again after so long.
REPEAT_S = 600.0


class HangingError(DeviceError):
    """A stream neither goes on nor can be closed: for the service manager, which starts us anew."""


class ReconnectingMicrophone:
    """A `Microphone` that is waited for when it is absent, busy or unplugged.

    Each time it comes back it is opened anew, so its rate and channels may have changed. The stream's time goes on
    meanwhile: the first sound follows a gap as long as the microphone was away, by the steady clock. Waiting
    from the start is such a gap, too.

    Parameters are `Microphone`'s.

    Raises
    ------
    DeviceError
        If PortAudio is missing, for which it would be vain to wait.
    """

    live = True
    duration_s: float | None = None

    def __init__(self, wanted: str | None = None, format: Format = FORMAT, sample_rate: int | None = None) -> None:
        load_sounddevice()
        self.name = wanted or "the microphone"
        self._wanted = wanted
        self._format = format
        self._sample_rate = sample_rate
        self._microphone: Microphone | None = None
        self._route: str | None = None  # where a sound server has it from, if it is named
        self._clipped = 0  # by streams that have ended
        self._overflows = 0
        self._hangs: Microphone | None = None  # a stream that could not be closed
        self._retried = False  # whether PortAudio's list was taken as it was since this stream was opened
        self._said = ""
        self._said_s = 0.0

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._clipped + (self._microphone.clipped if self._microphone else 0)

    @property
    def overflows(self) -> int:
        """Times that PortAudio said it dropped something."""
        return self._overflows + (self._microphone.overflows if self._microphone else 0)

    def __enter__(self) -> ReconnectingMicrophone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._microphone:
            self._microphone.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Block | Notice | None]:
        until_s, waited, reason = steady_s(), False, ""
        while True:
            try:
                yield from self._listen(until_s, waited)
            except DeviceError as error:
                if not (self._said and isinstance(error, DeviceAbsentError)):
                    reason = str(error)
                waited = True
            if self._microphone:
                until_s = self._microphone.handed_on_s or until_s
            yield from self._await(reason, until_s)

    def _listen(self, until_s: float, waited: bool) -> Iterator[Block | Notice | None]:
        """Open the microphone and yield what it hears, after the gap since `until_s` if it was waited for."""
        with Microphone(self._wanted, self._format, self._sample_rate, self._route) as microphone:
            self._take(microphone)
            self._route = self._route or (self._wanted and microphone.route)
            for block in microphone:
                if waited and microphone.began_s is not None:
                    waited = False
                    away_s = microphone.began_s - until_s
                    self._said = ""
                    yield Notice("back", f"{self.name!r} is there again, after {away_s:.1f} s")
                    yield Block(np.empty(0, np.float32), round(max(0.0, away_s) * self._format.sample_rate))
                yield block

    def _take(self, microphone: Microphone) -> None:
        """Make this the present stream, and keep the counts of the one before."""
        self._clipped, self._overflows = self.clipped, self.overflows
        self._microphone, self.name, self._retried = microphone, microphone.name, False
        # The one before and its stream refer to each other; its ring would stay until the collector comes by.
        gc.collect()

    def _await(self, reason: str, since_s: float) -> Iterator[Notice | None]:
        """Return when the microphone can be opened; until then yield, and say why not when that changes."""
        while True:
            yield from self._say(reason)
            away_s = steady_s() - since_s
            yield from pause(min(max(LOOK_EVERY_S, WAIT_PER_AWAY * away_s), LOOK_RARELY_S))
            found = yield from self._look()
            if found is None:
                self._refresh()
                return
            reason = found or reason

    def _refresh(self) -> None:
        """Let PortAudio look for devices anew if need be, unless a stream that hangs keeps it from it.

        The device may then still be found under its old number, as sound servers are; else only a restart helps.
        """
        if self._microphone is None or self._microphone.closed:
            if not self._list_holds():
                refresh()
        elif self._hangs is self._microphone:
            raise HangingError(f"{self.name!r} hangs and keeps PortAudio from finding it again: start bowstream anew")
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

    def _say(self, reason: str) -> Iterator[Notice]:
        now_s = steady_s()
        if reason != self._said or now_s - self._said_s > REPEAT_S:
            self._said, self._said_s = reason, now_s
            yield Notice("away", f"{reason}; waiting for it")

    def _look(self) -> Generator[None, None, str | None]:
        """Let another process try to open the microphone; return why it cannot, empty if it is just not there.

        None if it can.
        """
        command = [sys.executable, "-m", "bowstream.audio.reconnect", self._wanted or "", str(self._sample_rate or "")]
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
                    return "the sound system crashes whoever looks for it"
                said = process.stdout.read().strip() if process.stdout else ""
                return None if process.returncode == FOUND else said
            finally:
                process.kill()


def pause(seconds: float) -> Iterator[None]:
    """Let this time pass, yielding often."""
    until_s = steady_s() + seconds
    while (left_s := until_s - steady_s()) > 0:
        time.sleep(min(left_s, LONGEST_WAIT_S))
        yield None


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

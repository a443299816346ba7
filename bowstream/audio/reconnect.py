"""A live source that comes and goes: it is waited for, opened again, and what was missed is a gap."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from bowstream._types import FORMAT, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.source import Block, Notice
from bowstream.audio.stream import LONGEST_WAIT_S, StreamSource
from bowstream.errors import DeviceAbsentError, DeviceError

# The longer it is away, the rarer it is looked for: the wait is a share of the time that it has been away.
LOOK_RARELY_S = 30.0
WAIT_PER_AWAY = 1.0 / 12.0
# The same reason is given again after so long.
REPEAT_S = 600.0


class Opener(Protocol):
    """Opens a live source, as often as it takes.

    Attributes
    ----------
    name : of the source, until it is opened
    look_every_s : how often to look for it at first
    """

    name: str
    look_every_s: float

    def open(self) -> AbstractContextManager[StreamSource]:
        """Return a context in which the source is open; a `DeviceError` says that it cannot be opened now."""

    def look(self) -> Generator[None, None, str | None]:
        """Return None once it is worth opening, else why it is not, empty if it is just not there; yield often."""


class Reconnecting:
    """A live source that is waited for when it is absent, refused or gone.

    Each time it comes back it is opened again, so its rate and channels may have changed. The stream's time goes on
    meanwhile: the first sound follows a gap as long as the source was away, by the steady clock. Waiting from the
    start is such a gap, too.

    Parameters
    ----------
    opener : opens it
    format : what sound is handed on in
    """

    live = True
    duration_s: float | None = None

    def __init__(self, opener: Opener, format: Format = FORMAT) -> None:
        self.name = opener.name
        self._opener = opener
        self.format = format
        self._source: StreamSource | None = None
        self._clipped = 0  # by sources that have ended
        self._overflows = 0
        self._said: dict[str, float] = {}  # reasons since it went away, and when each was said last

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._clipped + (self._source.clipped if self._source else 0)

    @property
    def overflows(self) -> int:
        """Times that sound was reported to be dropped."""
        return self._overflows + (self._source.overflows if self._source else 0)

    def __enter__(self) -> Reconnecting:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._source:
            self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Block | Notice | None]:
        until_s, waited, reason = steady_s(), False, ""
        while True:
            try:
                yield from self._listen(until_s, waited)
            except DeviceError as error:
                if not (self._said and isinstance(error, DeviceAbsentError)):
                    reason = str(error)
                waited = True
            if self._source:
                until_s = self._source.handed_on_s or until_s
            yield from self._await(reason, until_s)

    def _listen(self, until_s: float, waited: bool) -> Iterator[Block | Notice | None]:
        """Open the source and yield what it hears, after the gap since `until_s` if it was waited for."""
        with self._opener.open() as source:
            self._take(source)
            for block in source:
                if waited and source.began_s is not None:
                    waited = False
                    away_s = source.began_s - until_s
                    self._said.clear()
                    yield Notice("back", f"{self.name!r} is there again, after {away_s:.1f} s")
                    yield Block(np.empty(0, np.float32), round(max(0.0, away_s) * self.format.sample_rate))
                yield block

    def _take(self, source: StreamSource) -> None:
        """Make this the present source, and keep the counts of the one before."""
        self._clipped, self._overflows = self.clipped, self.overflows
        self._source, self.name = source, source.name
        # The one before and its stream refer to each other; its ring would stay until the collector comes by.
        gc.collect()

    def _await(self, reason: str, since_s: float) -> Iterator[Notice | None]:
        """Return when the source is worth opening; until then yield, and say why it is not when that changes."""
        while True:
            yield from self._say(reason)
            away_s = steady_s() - since_s
            yield from pause(min(max(self._opener.look_every_s, WAIT_PER_AWAY * away_s), LOOK_RARELY_S))
            found = yield from self._opener.look()
            if found is None:
                return
            reason = found or reason

    def _say(self, reason: str) -> Iterator[Notice]:
        now_s = steady_s()
        if now_s - self._said.get(reason, -REPEAT_S) >= REPEAT_S:
            self._said[reason] = now_s
            yield Notice("away", f"{reason}; waiting for it")


def pause(seconds: float) -> Iterator[None]:
    """Let this time pass, yielding often."""
    until_s = steady_s() + seconds
    while (left_s := until_s - steady_s()) > 0:
        time.sleep(min(left_s, LONGEST_WAIT_S))
        yield None

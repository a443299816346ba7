"""When things were heard by the system's clock, for what leaves the process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from bowstream.events import Event
from bowstream.output.lines import Objects
from bowstream.session import Gap, Record, Session, Sound
from bowstream.tagger import Tags

# Arrivals looked back on: a minute of columns, in which a sound card strays a few milliseconds from our clock.
ARRIVALS = 600


class WallClock:
    """Tells when a sample was heard.

    Samples come late, never early, so of the recent arrivals the most punctual one is right. Looking back on
    a minute only, it follows the sound card's drift and the steps of NTP.

    Parameters
    ----------
    sample_rate : of the positions, in Hz
    now : the system's clock, in seconds since 1970
    """

    def __init__(self, sample_rate: int, now: Callable[[], float] = time.time) -> None:
        self._sample_rate = sample_rate
        self._now = now
        self._starts: deque[float] = deque(maxlen=ARRIVALS)

    def hear(self, position: int) -> None:
        """Note that the samples up to this position have come."""
        self._starts.append(self._now() - position / self._sample_rate)

    def seconds(self, position: int) -> float:
        """Return when a sample was heard, in seconds since 1970; now if nothing has come yet."""
        start = min(self._starts) if self._starts else self._now() - position / self._sample_rate
        return start + position / self._sample_rate


def utc(seconds: float) -> str:
    """Return seconds since 1970 as in `2026-11-23T12:00:00.123Z`."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Dated:
    """Records as the objects that `--json` writes, with the `time` in UTC: what the sinks say.

    The time is a hop's end, an event's onset or offset, a gap's start, the present for a notice.
    """

    def __init__(self, session: Session, now: Callable[[], float] = time.time) -> None:
        self.session = session
        self.clock = WallClock(session.bundle.front_end.sample_rate, now)
        self._objects = Objects(session)

    def hear(self, record: Record) -> None:
        """Keep the clock right; called with every record before the sinks see it."""
        if isinstance(record, Sound):
            self.clock.hear(self.session.tagger.position)

    def of(self, record: Record) -> dict[str, Any]:
        """Return the object of a record that has one; an empty one for the rest."""
        fields = self._objects.of(record)
        return {"time": utc(self.clock.seconds(self._moment(record))), **fields} if fields else {}

    def health(self) -> dict[str, Any]:
        """Return the session's health, with the time."""
        now = self.clock.seconds(self.session.tagger.position)
        return {"time": utc(now), **self._objects.health()}

    def _moment(self, record: Record) -> int:
        """Return the sample at which a record happened; the newest one if it has none of its own."""
        if isinstance(record, Tags):
            return record.end
        if isinstance(record, Event):
            return record.onset if record.offset is None else record.offset
        return record.start if isinstance(record, Gap) else self.session.tagger.position

"""Spans of time, as people name them: `7d`, `yesterday`, `2026-11-28`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bowstream.errors import UsageError
from bowstream.history.intervals import Interval

DAY_MS = 86_400_000
AGO = re.compile(r"([0-9]{1,4})(m|h|d|w)")
FORMS = "30m, 24h, 7d, 4w, today, yesterday, 2026-11-28 or 2026-11-28T14:30"


@dataclass(frozen=True)
class Span(Interval):
    """An interval that people ask about, by the days and hours of this machine's clock."""

    @property
    def start(self) -> datetime:
        """The first moment, in local time."""
        return local(self.start_ms)

    @property
    def end(self) -> datetime:
        """The moment after the last, in local time."""
        return local(self.end_ms)

    @property
    def length_s(self) -> float:
        """How long it is."""
        return self.length_ms / 1000.0

    @property
    def days(self) -> list[date]:
        """The days that it touches."""
        first, last = self.start.date(), local(max(self.end_ms - 1, self.start_ms)).date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    @classmethod
    def day(cls, day: date) -> Span:
        """Return a whole day, from midnight to midnight by this machine's clock, which may be 23 or 25 hours."""
        return cls(unix_ms(midnight(day)), unix_ms(midnight(day + timedelta(days=1))))

    @classmethod
    def parse(cls, since: str, until: str | None = None, now: datetime | None = None) -> Span:
        """Return a span from what people write, up to the present second at most.

        Days begin at midnight: `7d` is today and the six days before.

        Raises
        ------
        UsageError
            If a text is no time, or the end is not after the beginning.
        """
        now = now or datetime.now().astimezone()
        start = moment(since, now)
        present = now + timedelta(seconds=1)
        end = min(moment(until, now, is_end=True), present) if until else present
        if start >= end:
            raise UsageError(f"the end must be after the beginning (got {since} … {until})")
        return cls(unix_ms(start), unix_ms(end))


def moment(text: str, now: datetime, is_end: bool = False) -> datetime:
    """Return the time that a text means; a day's is its beginning, or its end."""
    if found := AGO.fullmatch(text):
        number, unit = int(found[1]), found[2]
        if unit in "mh":
            return now - timedelta(**{"minutes" if unit == "m" else "hours": number})
        days = number * (7 if unit == "w" else 1)
        return (
            midnight(now.date() - timedelta(days=max(days - 1, 0))) if days < now.toordinal() else now.min.astimezone()
        )
    if text in ("today", "yesterday"):
        return midnight(now.date() - timedelta(days=(text == "yesterday") - is_end))
    try:
        named = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"a time must be one of {FORMS} (got {text!r})") from error
    if len(text) == len("2026-11-28"):
        return midnight(named.date() + timedelta(days=is_end))
    return named.astimezone()


def day_named(text: str) -> date:
    """Return the day that a text means; raise `UsageError` if it is none."""
    return moment(text, datetime.now().astimezone()).date()


def midnight(day: date) -> datetime:
    """Return a day's beginning by this machine's clock."""
    return datetime.combine(day, time()).astimezone()


def local(unix_ms: int) -> datetime:
    """Return Unix milliseconds as a date by this machine's clock."""
    return datetime.fromtimestamp(unix_ms / 1000.0).astimezone()


def unix_ms(moment: datetime) -> int:
    """Return a date as Unix milliseconds."""
    return round(moment.timestamp() * 1000.0)

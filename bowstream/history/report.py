"""A day or a week in one view: what a report shows, gathered from the history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from bowstream.history import listening, queries, totals
from bowstream.history.intervals import Interval
from bowstream.history.past import HeatMap, Loss, Loudness, PastEvent, PastNotice, Run, TagTotal
from bowstream.history.queries import Connection
from bowstream.history.spans import Span, midnight, unix_ms

# Tags with a row in the map of hours, and events that are shown with their sound: so many, and of a tag at most.
ROWS, TOP_EVENTS, PER_TAG = 12, 12, 3
# Parts of the plot of loudness: the minutes of a day.
PARTS = 1440
# Days that a report is compared with.
BEFORE_DAYS = 7


@dataclass(frozen=True)
class Report:
    """What was heard in some days.

    Attributes
    ----------
    span : from midnight to midnight, or up to now
    listened_s : for how long the listener ran
    totals : each tag, the most frequent first
    usual : events of each tag per day listened to of the week before; empty if the listener did not run then
    days_listened : the span as days of 24 hours in which the listener ran, to compare with `usual`
    map, maps : events of all tags, and of each of the most frequent ones, by day and hour
    best : events to show: those that are surest, of each tag a few, in order of time
    silences, deaf : the longest silences, and when it did not listen
    gaps, notices, runs : what went wrong
    loudness : by parts of the span
    source : what heard it, if it is about one of several
    """

    span: Span
    listened_s: float
    totals: Sequence[TagTotal]
    usual: dict[str, float]
    days_listened: float
    map: HeatMap
    maps: Sequence[HeatMap]
    best: Sequence[PastEvent]
    silences: Sequence[Interval]
    deaf: Sequence[Interval]
    gaps: Sequence[Loss]
    notices: Sequence[PastNotice]
    runs: Sequence[Run]
    loudness: Loudness
    source: str = ""

    @property
    def n_events(self) -> int:
        """Events in all."""
        return sum(total.events for total in self.totals)

    @property
    def hours(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Events of the most frequent tags, by the hour, int [shape=(at most 12, 24)]."""
        return np.array([each.counts.sum(axis=0) for each in self.maps], np.int64).reshape(-1, 24)


def spans_before(span: Span) -> list[Span]:
    """Return what a report is compared with: the week before, of which only the same hours if a day is not over yet."""
    first = span.days[0] - timedelta(days=BEFORE_DAYS)
    if len(span.days) > 1 or span.end_ms == Span.day(span.days[0]).end_ms:
        return [Span(unix_ms(midnight(first)), span.start_ms)]
    mornings = (midnight(first + timedelta(days=number)) for number in range(BEFORE_DAYS))
    return [Span(unix_ms(each), unix_ms(each) + span.length_ms) for each in mornings]


def gather(connection: Connection, first: date, days: int, source: str = "") -> Report:
    """Return the report of so many days from a first one on; `source` is the one that the connection is narrowed to."""
    end = min(midnight(first + timedelta(days=days)), datetime.now().astimezone())
    span = Span(unix_ms(midnight(first)), max(unix_ms(end), unix_ms(midnight(first)) + 1))
    before = spans_before(span)
    days_before = sum(listening.listened_s(connection, each) for each in before) / 86_400.0
    earlier: Counter[str] = Counter()
    for each in before:
        earlier.update({total.tag: total.events for total in totals.top_tags(connection, each)})
    heard = totals.by_tag_and_hour(connection, span)
    listened_s, ears_s = listening.listened_s(connection, span), listening.listened_by_hour(connection, span)
    within = listening.hours_within(span)
    return Report(
        span=span,
        listened_s=listened_s,
        totals=heard.totals,
        usual={tag: events / days_before for tag, events in earlier.items()} if days_before else {},
        days_listened=listened_s / 86_400.0,
        map=HeatMap(heard.days, heard.counts.sum(axis=0), ears_s, within),
        maps=[HeatMap(heard.days, counts, ears_s, within) for counts in heard.counts[:ROWS]],
        best=queries.surest(connection, span, TOP_EVENTS, PER_TAG),
        silences=listening.silences(connection, span, limit=3),
        deaf=listening.deaf(connection, span),
        gaps=queries.gaps(connection, span),
        notices=queries.notices(connection, span),
        runs=queries.runs(connection, span),
        loudness=queries.loudness(connection, span, PARTS),
        source=source,
    )

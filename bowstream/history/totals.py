"""How often something was heard, by tag, hour and day. Events that were said to be wrong are counted nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from bowstream.history.listening import hours_within, listened_by_hour
from bowstream.history.past import DayTotal, HeatMap, TagHours, TagTotal
from bowstream.history.queries import Connection, chosen
from bowstream.history.spans import Span

# An event's hour since 1970, by the clock where it was heard.
HOUR = "(onset_ms / 1000 + utc_offset_s) / 3600"
EPOCH = date(1970, 1, 1)


def top_tags(connection: Connection, span: Span, tags: Sequence[str] = (), limit: int | None = None) -> list[TagTotal]:
    """Return what was heard most often, first."""
    where, values = chosen(span, tags)
    rows = connection.execute(
        "SELECT tag, count(*), sum(duration_ms), max(peak), max(onset_ms) FROM events "
        f"WHERE {where} AND verdict IS NOT 'wrong' GROUP BY tag ORDER BY 2 DESC, 1 LIMIT ?",
        (*values, -1 if limit is None else limit),
    )
    return [TagTotal(tag, count, (total or 0) / 1000.0, peak, last) for tag, count, total, peak, last in rows]


def by_hour(connection: Connection, span: Span, tags: Sequence[str] = ()) -> HeatMap:
    """Return how many events began in each hour of each day."""
    where, values = chosen(span, tags)
    rows = connection.execute(
        f"SELECT {HOUR}, count(*) FROM events WHERE {where} AND verdict IS NOT 'wrong' GROUP BY 1", values
    )
    days = span.days
    counts = np.zeros((len(days), 24), np.int64)
    for hour, count in rows:
        counts[place_of(hour, days)] += count
    return HeatMap(tuple(days), counts, listened_by_hour(connection, span), hours_within(span))


def by_tag_and_hour(connection: Connection, span: Span) -> TagHours:
    """Return each tag's total, and how many of its events began in each hour of each day, in one look."""
    where, values = chosen(span, ())
    rows = connection.execute(
        f"SELECT tag, {HOUR}, count(*), total(duration_ms), max(peak), max(onset_ms) FROM events "
        f"WHERE {where} AND verdict IS NOT 'wrong' GROUP BY 1, 2",
        values,
    ).fetchall()
    by_tag: dict[str, list[tuple[int, int, float, float, int]]] = {}
    for tag, *cell in rows:
        by_tag.setdefault(tag, []).append(tuple(cell))
    totals = []
    for tag, cells in by_tag.items():
        _, counts, lengths_ms, peaks, lasts_ms = zip(*cells)
        totals.append(TagTotal(tag, sum(counts), sum(lengths_ms) / 1000.0, max(peaks), max(lasts_ms)))
    totals.sort(key=lambda total: (-total.events, total.tag))
    days = span.days
    found = np.zeros((len(totals), len(days), 24), np.int64)
    for index, total in enumerate(totals):
        for hour, count, *_ in by_tag[total.tag]:
            found[(index, *place_of(hour, days))] += count
    return TagHours(tuple(totals), tuple(days), found)


def place_of(hour: int, days: Sequence[date]) -> tuple[int, int]:
    """Return the day and hour of an hour since 1970.

    The clock may have been another where it was heard: what is a little before the first day, or after the last, is
    counted on that.
    """
    day = (EPOCH - days[0]).days + hour // 24
    return min(max(day, 0), len(days) - 1), hour % 24


def by_day(connection: Connection, span: Span, tags: Sequence[str] = ()) -> list[DayTotal]:
    """Return how much was heard on each day."""
    where, values = chosen(span, tags)
    rows = connection.execute(
        f"SELECT {HOUR} / 24, count(*), total(duration_ms) FROM events "
        f"WHERE {where} AND verdict IS NOT 'wrong' GROUP BY 1",
        values,
    )
    days = span.days
    counts, lengths_ms = [0] * len(days), [0.0] * len(days)
    for day, count, length_ms in rows:
        place, _ = place_of(24 * day, days)
        counts[place] += count
        lengths_ms[place] += length_ms
    ears = listened_by_hour(connection, span).sum(axis=1).tolist()
    return [DayTotal(day, count, ms / 1000.0, each) for day, count, ms, each in zip(days, counts, lengths_ms, ears)]

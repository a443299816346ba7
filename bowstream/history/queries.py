"""What can be asked of a history: each question is a function of a connection and a span of time.

Totals are in `totals`, when the listener ran in `listening`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from bowstream.errors import UsageError
from bowstream.history.past import VERDICTS, Loss, Loudness, Minutes, PastEvent, PastNotice, Run
from bowstream.history.spans import Span
from bowstream.history.store import VERDICT

Connection = sqlite3.Connection
MINUTE_MS = 60_000

# An event that is open, or that a crash cut off, has lasted for as long as its run is known to have listened since.
HEARD_MS = "(SELECT max(end_ms) FROM listening AS l WHERE l.stream = e.stream)"
DURATION = f"coalesce(e.duration_ms, max(0, {HEARD_MS} - e.onset_ms), 0)"
EVENTS = f"""
SELECT e.id, e.onset_ms, {DURATION}, e.duration_ms IS NULL, e.utc_offset_s, e.tag, e.peak, e.mean, e.level_dbfs,
       coalesce(s.source, ''), coalesce(s.bundle, ''), e.clip, e.verdict
FROM events AS e LEFT JOIN streams AS s ON s.id = e.stream """


def events(
    connection: Connection,
    span: Span,
    tags: Sequence[str] = (),
    limit: int | None = None,
    newest_first: bool = False,
) -> list[PastEvent]:
    """Return the events that began in a span: all, or those of some tags, and at most `limit`."""
    where, values = chosen(span, tags, "e.")
    order = f"ORDER BY e.onset_ms {'DESC' if newest_first else 'ASC'}, e.id LIMIT ?"
    rows = connection.execute(f"{EVENTS} WHERE {where} {order}", (*values, -1 if limit is None else limit))
    return [PastEvent.of(row) for row in rows]


def surest(connection: Connection, span: Span, limit: int, per_tag: int) -> list[PastEvent]:
    """Return the events with the highest peaks, of each tag a few, those with a clip first; in order of time."""
    where, values = chosen(span, (), "e.")
    best = "ORDER BY clip IS NULL, peak DESC, onset_ms"
    ranked = f"SELECT id, clip, peak, onset_ms, row_number() OVER (PARTITION BY tag {best}) AS place FROM events AS e"
    names = f"SELECT id FROM ({ranked} WHERE {where} AND verdict IS NOT 'wrong') WHERE place <= ? {best} LIMIT ?"
    rows = connection.execute(f"{EVENTS} WHERE e.id IN ({names}) ORDER BY e.onset_ms, e.id", (*values, per_tag, limit))
    return [PastEvent.of(row) for row in rows]


def event(connection: Connection, name: str) -> PastEvent:
    """Return the event with this id, or the newest one, by the name of `last`; raise `UsageError` if there is none."""
    where = "ORDER BY e.id DESC LIMIT 1" if name == "last" else "WHERE e.id = ?"
    row = connection.execute(f"{EVENTS} {where}", () if name == "last" else (name,)).fetchone()
    if row is None:
        raise UsageError("nothing has been heard yet" if name == "last" else f"there is no event {name!r}")
    return PastEvent.of(row)


def events_named(connection: Connection, names: Collection[str]) -> list[PastEvent]:
    """Return the events with these ids, in order of time; those that are not there are left out."""
    places = ",".join("?" * len(names))
    rows = connection.execute(f"{EVENTS} WHERE e.id IN ({places}) ORDER BY e.onset_ms, e.id", tuple(names))
    return [PastEvent.of(row) for row in rows]


def judge(connection: Connection, name: str, verdict: str | None) -> PastEvent:
    """Say that an event is `right` or `wrong`, or take that back with None; return it.

    Raises
    ------
    UsageError
        If there is no such event, or the verdict is another word.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise UsageError(f"a verdict must be right or wrong (got {verdict!r})")
    found = event(connection, name)
    with connection:
        values = (verdict, verdict and time.time_ns() // 1_000_000, found.id)
        connection.execute(VERDICT, values)
    return event(connection, found.id)


def judged(connection: Connection) -> list[PastEvent]:
    """Return the events that the user marked as right or wrong, oldest first."""
    rows = connection.execute(f"{EVENTS} WHERE e.verdict IS NOT NULL ORDER BY e.onset_ms, e.id")
    return [PastEvent.of(row) for row in rows]


def gaps(connection: Connection, span: Span) -> list[Loss]:
    """Return where sound was lost."""
    return [Loss(*row) for row in sourced(connection, "gaps", "x.start_ms, x.duration_ms", "start_ms", span)]


def notices(connection: Connection, span: Span) -> list[PastNotice]:
    """Return the listener's own messages."""
    return [PastNotice(*row) for row in sourced(connection, "notices", "x.time_ms, x.kind, x.text", "time_ms", span)]


def runs(connection: Connection, span: Span) -> list[Run]:
    """Return the runs that began in a span: restarts, but for the first."""
    rows = connection.execute(
        "SELECT started_ms, ended_ms, source, bundle FROM streams WHERE started_ms >= ? AND started_ms < ? ORDER BY 1",
        (span.start_ms, span.end_ms),
    )
    return [Run(*row) for row in rows]


def loudness(connection: Connection, span: Span, parts: int) -> Loudness:
    """Return how loud it was in at most so many parts of a span, and by the minute at best: the loudest of each."""
    width_ms = max(1, -(-(span.end_ms - span.start_ms) // (parts * MINUTE_MS))) * MINUTE_MS
    rows = connection.execute(
        "SELECT start_ms / :width * :width, max(level_dbfs), max(peak_dbfs) FROM minutes "
        "WHERE start_ms >= :start AND start_ms < :end GROUP BY 1 ORDER BY 1",
        {"width": width_ms, "start": span.start_ms, "end": span.end_ms},
    ).fetchall()
    start_ms, level_dbfs, peak_dbfs = zip(*rows) if rows else ((), (), ())
    return Loudness(np.array(start_ms, np.int64), np.array(level_dbfs, np.float32), np.array(peak_dbfs, np.float32))


def minutes(connection: Connection, span: Span, tags: Sequence[str] | None = None) -> Minutes:
    """Return loudness, and the scores of some tags, by default all, minute by minute."""
    known_streams = connection.execute("SELECT id, source, tags FROM streams").fetchall()
    order = {stream: json.loads(names) for stream, _, names in known_streams}
    sources = {stream: source for stream, source, _ in known_streams}
    rows = connection.execute(
        "SELECT start_ms, heard_ms, level_dbfs, peak_dbfs, stream, scores FROM minutes "
        "WHERE start_ms >= ? AND start_ms < ? ORDER BY start_ms, stream",
        (span.start_ms, span.end_ms),
    ).fetchall()
    streams = {row[4] for row in rows}
    known = dict.fromkeys(tag for stream in sorted(streams) for tag in order.get(stream, ()))
    names = tuple(known if tags is None else tags)
    scores = np.full((len(rows), len(names)), np.nan, np.float32)
    for stream in streams & order.keys():
        places = [(index, order[stream].index(name)) for index, name in enumerate(names) if name in order[stream]]
        mine = [number for number, row in enumerate(rows) if row[4] == stream]
        values = np.frombuffer(b"".join(rows[number][5] for number in mine), np.uint8).reshape(len(mine), -1)
        for index, place in places:
            scores[mine, index] = values[:, place] / np.float32(255.0)
    return Minutes(
        tuple(sources.get(row[4], "") for row in rows),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float32) / np.float32(1000.0),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[3] for row in rows], np.float32),
        names,
        scores,
    )


def tags_heard(connection: Connection) -> list[str]:
    """Return the tags of all events, in order of their names."""
    return [tag for (tag,) in connection.execute("SELECT DISTINCT tag FROM events ORDER BY tag")]


def chosen(span: Span, tags: Sequence[str], prefix: str = "") -> tuple[str, tuple[Any, ...]]:
    """Return the condition that chooses events by their onset and tag, and its values."""
    where = f"{prefix}onset_ms >= ? AND {prefix}onset_ms < ?"
    named = f" AND {prefix}tag IN ({', '.join('?' * len(tags))})" if tags else ""
    return where + named, (span.start_ms, span.end_ms, *tags)


def sourced(connection: Connection, table: str, columns: str, at: str, span: Span) -> Iterator[tuple[Any, ...]]:
    """Yield rows of a table with the name of their source, in order."""
    yield from connection.execute(
        f"SELECT {columns}, coalesce(s.source, '') FROM {table} AS x LEFT JOIN streams AS s ON s.id = x.stream "
        f"WHERE x.{at} >= ? AND x.{at} < ? ORDER BY x.{at}",
        (span.start_ms, span.end_ms),
    )

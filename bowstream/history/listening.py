"""When the listener ran, when it did not, and how long nothing was heard meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bowstream.history.intervals import Interval, cut, merged
from bowstream.history.queries import Connection, chosen
from bowstream.history.spans import DAY_MS, Span, local

HOUR_MS = 3_600_000


def listened(connection: Connection, span: Span) -> list[Interval]:
    """Return when the listener ran, in order and without overlap, as far as it is in the span."""
    rows = connection.execute(
        "SELECT start_ms, end_ms FROM listening WHERE end_ms > ? AND start_ms < ? ORDER BY start_ms",
        (span.start_ms, span.end_ms),
    )
    return cut(merged(Interval(start, end) for start, end in rows), span)


def listened_s(connection: Connection, span: Span) -> float:
    """Return for how many seconds of a span the listener ran."""
    return sum(one.length_ms for one in listened(connection, span)) / 1000.0


def deaf(connection: Connection, span: Span) -> list[Interval]:
    """Return when it did not listen, in order: no listener ran, its microphone was away, or sound was lost."""
    edges = [span.start_ms, *(at for one in listened(connection, span) for at in (one.start_ms, one.end_ms))]
    ends = [*edges[1:], span.end_ms]
    quiet = [Interval(start, end) for start, end in zip(edges[::2], ends[::2])]
    return [one for one in quiet if one.length_ms > 0]


def listened_by_hour(connection: Connection, span: Span) -> NDArray[np.float64]:
    """Return for how many seconds the listener ran in each hour of each day, float64 [shape=(days, 24)].

    By this machine's clock: an hour that it is put forward by has none, one that it is put back by has twice as many.
    """
    ears = listened(connection, span)
    edges_ms = [each for one in ears for each in (one.start_ms, one.end_ms)] or [0]
    lengths_ms = np.diff(edges_ms, prepend=edges_ms[0])
    lengths_ms[::2] = 0  # between two stretches: not listening
    hours = np.array([hours_ms(day) for day in span.days])  # (days, 25)
    so_far_ms = np.interp(hours, edges_ms, np.cumsum(lengths_ms))
    found: NDArray[np.float64] = np.diff(so_far_ms, axis=1) / 1000.0
    return found


def hours_within(span: Span) -> NDArray[np.bool_]:
    """Return whether some of each hour of each day is in a span, bool [shape=(days, 24)]."""
    hours = np.array([hours_ms(day) for day in span.days])  # (days, 25)
    found: NDArray[np.bool_] = (hours[:, :-1] < span.end_ms) & (hours[:, 1:] > span.start_ms)
    return found


def hours_ms(day: date) -> list[int]:
    """Return when each hour of a day begins by this machine's clock, and when its last one ends: 25 times."""
    whole = Span.day(day)
    if whole.end_ms - whole.start_ms == DAY_MS:
        return list(range(whole.start_ms, whole.end_ms + 1, HOUR_MS))
    begins: list[int] = []
    for quarter_ms in range(whole.start_ms, whole.end_ms, HOUR_MS // 4):
        begins += [quarter_ms] * (local(quarter_ms).hour + 1 - len(begins))
    return begins + [whole.end_ms] * (25 - len(begins))


def silences(connection: Connection, span: Span, tags: Sequence[str] = (), limit: int = 5) -> list[Interval]:
    """Return the longest times in which the listener ran and heard nothing, or nothing of some tags; longest first."""
    where, values = chosen(span, tags)
    rows = connection.execute(
        "SELECT onset_ms, onset_ms + coalesce(duration_ms, 0) FROM events "
        f"WHERE {where} AND verdict IS NOT 'wrong' ORDER BY onset_ms",
        values,
    )
    ears = listened(connection, span)
    best: list[Interval] = []
    quiet_ms, shortest_ms = span.start_ms, 0
    for onset_ms, end_ms in chain(rows, [(span.end_ms, span.end_ms)]):
        if onset_ms - quiet_ms > shortest_ms:
            quiet = cut(ears, Interval(quiet_ms, onset_ms))
            best = sorted((*best, *quiet), key=lambda one: -one.length_ms)[:limit]
            shortest_ms = best[-1].length_ms if len(best) == limit else 0
        if end_ms > quiet_ms:
            quiet_ms = end_ms
    return best

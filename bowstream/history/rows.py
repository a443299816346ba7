"""Answers as rows of plain values, for JSON, CSV and Parquet."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

import numpy as np

from bowstream.audio.clock import rfc3339, utc
from bowstream.history.past import DayTotal, HeatMap, Minutes, PastEvent, TagTotal
from bowstream.output.report import cell

Row = dict[str, Any]

# fmt: off
EVENT_COLUMNS = (
    "time", "local", "duration_s", "tag", "peak", "mean", "level_dbfs", "source", "bundle", "clip", "verdict", "id"
)
# fmt: on
HOUR_COLUMNS = ("day", "hour", "events", "listened_s")
DAY_COLUMNS = ("day", "events", "total_s", "listened_s")
MINUTE_COLUMNS = ("time", "source", "heard_s", "level_dbfs", "peak_dbfs")
TAG_COLUMNS = ("tag", "events", "total_s", "peak", "last")


def event_row(event: PastEvent) -> Row:
    """Return an event; `time` is UTC, `local` is the time on the clock where it was heard."""
    return {
        "time": stamp(event.onset_ms),
        "local": event.onset.isoformat(timespec="milliseconds"),
        "duration_s": event.duration_s,
        "tag": event.tag,
        "peak": round(event.peak, 4),
        "mean": round(event.mean, 4),
        "level_dbfs": event.level_dbfs,
        "source": event.source,
        "bundle": event.bundle,
        "clip": str(event.clip) if event.clip else None,
        "verdict": event.verdict,
        "id": event.id,
    }


def hour_rows(map_: HeatMap) -> Iterator[Row]:
    """Yield the hours in which the listener ran, or in which there are events."""
    for day, counts, listened_s in zip(map_.days, map_.counts.tolist(), map_.listened_s.tolist()):
        for hour in range(24):
            if counts[hour] or listened_s[hour]:
                yield dict(zip(HOUR_COLUMNS, (str(day), hour, counts[hour], round(listened_s[hour], 3))))


def day_row(total: DayTotal) -> Row:
    """Return a day."""
    values = (str(total.day), total.events, round(total.total_s, 3), round(total.listened_s, 3))
    return dict(zip(DAY_COLUMNS, values))


def minute_rows(minutes: Minutes) -> Iterator[Row]:
    """Yield minutes with their scores, which are empty where the run did not know the tag."""
    numbers = (minutes.heard_s, minutes.level_dbfs, minutes.peak_dbfs)
    columns = [np.round(each.astype(np.float64), 3).tolist() for each in (*numbers, *minutes.scores.T)]
    for start_ms, source, *values in zip(minutes.start_ms.tolist(), minutes.sources, *columns):
        told = (None if math.isnan(value) else value for value in values)
        yield dict(zip((*MINUTE_COLUMNS, *minutes.tags), (stamp(start_ms), source, *told)))


def tag_row(total: TagTotal) -> Row:
    """Return a tag."""
    values = (total.tag, total.events, round(total.total_s, 3), round(total.peak, 4), stamp(total.last_ms))
    return dict(zip(TAG_COLUMNS, values))


def write_json(rows: Iterable[Row], kind: str, stream: TextIO) -> None:
    """Write rows as JSON lines of this type."""
    stream.writelines(json.dumps({"type": kind, **row}) + "\n" for row in rows)


def write_csv(rows: Iterable[Row], columns: Sequence[str], stream: TextIO) -> None:
    """Write rows for a spreadsheet, below their columns' names."""
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    for row in rows:
        table.writerow(cell(value) if isinstance(value, str) else value for value in (row[name] for name in columns))


def stamp(unix_ms: int) -> str:
    """Return Unix milliseconds as a date in UTC."""
    return rfc3339(utc(unix_ms / 1000.0))

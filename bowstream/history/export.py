"""The history's events in the formats of other programs."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bowstream._text import UNPRINTABLE
from bowstream.audio.clock import utc
from bowstream.errors import UsageError
from bowstream.history.past import PastEvent
from bowstream.history.rows import EVENT_COLUMNS, event_row, write_csv
from bowstream.output.labels import FORMATS as LABELS
from bowstream.output.labels import Label

FORMATS = (*LABELS, "csv", "parquet", "ical")
# The octets of a line of iCalendar, without the break.
LONGEST_LINE = 75


def as_text(events: Sequence[PastEvent], to: str, start_ms: int) -> str:
    """Return events in a format of text; labels count seconds from `start_ms`."""
    if to in LABELS:
        return LABELS[to](labels(events, start_ms))
    stream = io.StringIO()
    if to == "csv":
        write_csv(map(event_row, events), EVENT_COLUMNS, stream)
    else:
        stream.writelines(ical(events))
    return stream.getvalue()


def labels(events: Iterable[PastEvent], start_ms: int) -> Iterator[Label]:
    """Yield events as labels of a recording that began at `start_ms`."""
    for event in events:
        start_s = (event.onset_ms - start_ms) / 1000.0
        yield Label(start_s, start_s + event.duration_s, event.tag, event.peak)


def ical(events: Iterable[PastEvent]) -> Iterator[str]:
    """Yield the lines of a calendar (RFC 5545) with an entry per event."""
    yield from map(folded, ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bowstream//history//EN"))
    for event in events:
        start, end = (moment(event.onset_ms + after_ms) for after_ms in (0, event.duration_ms))
        level = "" if event.level_dbfs is None else f", {event.level_dbfs:.0f} dBFS"
        text = f"peak {event.peak:.2f}{level}, heard by {event.source}"
        entry = {
            "BEGIN": "VEVENT",
            "UID": f"{event.id}@bowstream",
            "DTSTAMP": start,
            "DTSTART": start,
            "DTEND": end,
            "SUMMARY": escaped(event.tag),
            "DESCRIPTION": escaped(text),
            "TRANSP": "TRANSPARENT",
            "END": "VEVENT",
        }
        yield from (folded(f"{name}:{value}") for name, value in entry.items())
    yield folded("END:VCALENDAR")


def moment(unix_ms: int) -> str:
    """Return a date as a calendar has it, to the second."""
    return utc(unix_ms / 1000.0).strftime("%Y%m%dT%H%M%SZ")


def escaped(text: str) -> str:
    """Return text as a calendar has it."""
    for mark in "\\;,":
        text = text.replace(mark, f"\\{mark}")
    return UNPRINTABLE.sub(" ", text)


def folded(line: str) -> str:
    """Return a line with its end, cut into pieces that are not too long, between characters."""
    pieces, piece = [], ""
    for character in line:
        if len((piece + character).encode()) > LONGEST_LINE:
            pieces.append(piece)
            piece = " "
        piece += character
    return "\r\n".join([*pieces, piece]) + "\r\n"


def write_parquet(events: Sequence[PastEvent], file: Path) -> None:
    """Write events as Parquet, for pandas, DuckDB and the like; raise `UsageError` if pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'bowstream[archive]'") from error
    types = {
        "time": pyarrow.timestamp("ms", tz="UTC"),
        "duration_s": pyarrow.float64(),
        "tag": pyarrow.string(),
        "peak": pyarrow.float32(),
        "mean": pyarrow.float32(),
        "level_dbfs": pyarrow.float32(),
        "utc_offset_s": pyarrow.int32(),
        "source": pyarrow.string(),
        "bundle": pyarrow.string(),
        "clip": pyarrow.string(),
        "verdict": pyarrow.string(),
        "id": pyarrow.string(),
    }
    rows: list[dict[str, Any]] = [
        {**event_row(event), "time": event.onset_ms, "utc_offset_s": event.utc_offset_s} for event in events
    ]
    columns = {name: pyarrow.array([row[name] for row in rows], kind) for name, kind in types.items()}
    parquet.write_table(pyarrow.table(columns), file)

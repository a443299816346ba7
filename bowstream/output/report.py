"""Results of recordings, written as each is done: a table, rows for a spreadsheet, or JSON."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from bowstream._text import printable
from bowstream.audio.clock import FixedClock, rfc3339
from bowstream.events import Event, by_onset
from bowstream.output.lines import in_words
from bowstream.output.values import event_fields, named, time_field
from bowstream.records import Record, Sound, StreamInfo
from bowstream.scores import Scores

COLUMN_S = 0.1
# With these a spreadsheet takes a cell for a formula.
FORMULA = ("=", "+", "-", "@")
CSV_FIELDS = ("file", "onset_s", "offset_s", "tag", "peak", "mean", "time")
TOP_TAGS, TOP_EVENTS = 3, 4


@dataclass(frozen=True)
class Report:
    """Result of one recording, in plain values that can be sent between processes.

    Attributes
    ----------
    heard_s : its length in seconds
    windows : how many were scored
    scores : mean over the windows for each tag, as the paper scores a clip (II)
    events : the finished events, by their onsets, in seconds, and with the onset's `time` if the recording has a date
    error : why not all of it could be scored; None if all was
    notes : what is odd about it, though nothing was left out
    started_at : when it began; None if that is not known
    """

    name: str
    heard_s: float = 0.0
    windows: int = 0
    scores: dict[str, float] | None = None
    events: Sequence[dict[str, Any]] = ()
    error: str | None = None
    notes: Sequence[str] = ()
    started_at: datetime | None = None


class Gathering:
    """Gathers a recording's records into a `Report`."""

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._clock = FixedClock(info.started_at) if info.started_at else None
        self._samples = 0
        self._total = np.zeros(len(info.tags))  # a day of small scores would stand still in float32
        self._windows = 0
        self._events: list[Event] = []

    def write(self, record: Record) -> None:
        """Add a window's scores or a finished event; pass over the rest."""
        if isinstance(record, Scores):
            self._total += record.array
            self._windows += 1
        elif isinstance(record, Sound):
            self._samples += len(record.samples)
        elif isinstance(record, Event) and record.offset_s is not None:
            self._events.append(record)

    def report(self, name: str) -> Report:
        """Return the report of the records so far."""
        mean = (self._total / max(self._windows, 1)).astype(np.float32)
        heard_s = self._samples / self._info.sample_rate
        stated_s = self._info.duration_s  # more exact, as the last column is filled up; but it may be wrong
        if stated_s and abs(stated_s - heard_s) < COLUMN_S:
            heard_s = stated_s
        scores = named(mean, [tag.name for tag in self._info.tags])
        events = [self._fields(event) for event in by_onset(self._events)]
        return Report(name, heard_s, self._windows, scores, events, started_at=self._info.started_at)

    def _fields(self, event: Event) -> dict[str, Any]:
        onset = self._clock.time(event.onset_s) if self._clock else None
        return event_fields(event) | time_field(onset)


class Results:
    """Writes the result of each recording: JSON objects and CSV rows at once, a table at the end."""

    def __init__(self, as_json: bool, as_csv: bool) -> None:
        self._as_json = as_json
        self._csv = csv.DictWriter(sys.stdout, CSV_FIELDS, lineterminator="\n") if as_csv else None
        if self._csv:
            self._csv.writeheader()
        self._rows: list[tuple[str, ...]] = []

    def put(self, report: Report) -> None:
        """Write the report of a recording; only JSON has those that failed."""
        if self._as_json:
            result = {"windows": report.windows, "scores": report.scores} if report.windows else {}
            error = {"error": report.error} if report.error else {}
            notes = {"notes": list(report.notes)} if report.notes else {}
            start = {"started_at": rfc3339(report.started_at)} if report.started_at else {}
            print(json.dumps({"type": "file", "file": report.name, **start, **result, **error, **notes}), flush=True)
        elif not report.windows:
            return  # why is said on standard error
        elif self._csv:
            file = cell(report.name)
            self._csv.writerows({"file": file, **event, "tag": cell(event["tag"])} for event in report.events)
        else:
            ranked = sorted((report.scores or {}).items(), key=lambda scored: -scored[1])
            tops = in_words(ranked[:TOP_TAGS])
            row = shorter(report.name), f"{report.heard_s:.1f} s", tops, top_events(report)
            self._rows.append(tuple(map(printable, row)))

    def close(self) -> None:
        """Print the table, if there is one."""
        if not self._rows:
            return
        from rich.console import Console  # a tenth of a short replay, which has no table to draw
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("recording", overflow="fold")
        table.add_column("length", justify="right")
        table.add_column("loudest tags, mean score")
        table.add_column("events")
        for row in self._rows:
            table.add_row(*row)
        Console(markup=False).print(table)


def cell(text: str) -> str:
    """Return text as a cell on one line that no spreadsheet takes for a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULA) else text


def shorter(name: str) -> str:
    """Return a path as seen from the working folder, if that is shorter."""
    return min(name, os.path.relpath(name), key=len) if Path(name).is_absolute() else name


def top_events(report: Report) -> str:
    """Return the first events with their times."""
    first = report.events[:TOP_EVENTS]
    shown = [
        f"{event['tag']}\N{NO-BREAK SPACE}{event['onset_s']:.1f}–{event['offset_s']:.1f}\N{NO-BREAK SPACE}s"
        for event in first
    ]
    if len(report.events) > TOP_EVENTS:
        shown.append(f"{len(report.events) - TOP_EVENTS} more")
    return ", ".join(shown) or "–"

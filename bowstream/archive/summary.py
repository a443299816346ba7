"""The end of a job: a history of what was heard, that every verb reads, a page, labels, and what failed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bowstream.archive.files import pyarrow_modules, replaced
from bowstream.history.html import page
from bowstream.history.recorder import BEGINS, ENDS, STREAM, STREAM_ENDS, milliseconds
from bowstream.history.report import gather
from bowstream.history.spans import local, unix_ms
from bowstream.history.store import LISTENING, MINUTE, Change, Store, open_history
from bowstream.output.labels import FORMATS, SUFFIXES, Label
from bowstream.output.report import cell
from bowstream.records import StreamInfo

HISTORY, PAGE, FAILED = "history.db", "summary.html", "failed.csv"
Row = dict[str, Any]


@dataclass
class Outcome:
    """What a job came to.

    undated : recordings without a date: they are in the tables, not in the history or on the page
    """

    out: Path
    recordings: int = 0
    heard_s: float = 0.0
    events: int = 0
    failed: int = 0
    passed_over: int = 0
    undated: int = 0

    def __str__(self) -> str:
        heard = f"{self.recordings} recordings, {self.heard_s / 3600.0:.1f} h, {self.events} events"
        lines = [f"{heard}: {self.out}/events, {self.out / HISTORY}, {self.out / PAGE}"]
        if self.failed or self.passed_over:
            lines.append(f"{self.failed} failed, {self.passed_over} passed over: {self.out / FAILED} says why")
        if self.undated:
            lines.append(
                f"{self.undated} have no date: they are in the tables, but neither in the history nor on the page"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Done:
    """The tables of a task."""

    date: str
    site: str
    recordings: Path

    def rows(self, kind: str) -> list[Row]:
        """Return the rows of a table; none if there is no such table."""
        _, parquet = pyarrow_modules()
        out = self.recordings.parents[3]
        file = out / kind / self.recordings.relative_to(out / "recordings")
        rows: list[Row] = parquet.ParquetFile(file).read().to_pylist() if file.exists() else []
        return rows


def done(out: Path) -> Iterator[Done]:
    """Yield the tasks that are done, by date, site and number."""
    for file in sorted((out / "recordings").glob("date=*/site=*/*.parquet")):
        date, site = file.parent.parent.name, file.parent.name
        yield Done(date.removeprefix("date="), unquote(site.removeprefix("site=")), file)


def summarise(out: Path, info: StreamInfo, labels: str | None, passed_over: Sequence[tuple[str, str]]) -> Outcome:
    """Write the history, the page, the failures and, for a program that is named, labels; return the outcome."""
    outcome = Outcome(out, passed_over=len(passed_over))
    with (
        replaced(out / FAILED) as part,
        part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        failures = csv.writer(file, lineterminator="\n")
        failures.writerow(("file", "heard_s", "reason"))
        for task in done(out):
            for row in task.rows("recordings"):
                outcome.recordings += 1
                outcome.heard_s += row["heard_s"]
                outcome.events += row["events"]
                outcome.undated += row["time"] is None
                if row["error"]:
                    outcome.failed += 1
                    failures.writerow((cell(row["file"]), row["heard_s"], cell(row["error"])))
            if labels:
                write_labels(out, task, labels)
        failures.writerows((cell(path), 0.0, cell(reason)) for path, reason in passed_over)
    with replaced(out / HISTORY) as part, closing(Store(part, shared=True)) as store:
        write_history(store, out, info)
        store.seal()
    with replaced(out / PAGE) as part:
        part.write_text(page_of(out), "utf-8")
    return outcome


def write_labels(out: Path, task: Done, program: str) -> None:
    """Write a file of labels for each recording of a task, below `labels`, as the recordings lie in their folders."""
    by_file: dict[str, list[Label]] = {row["file"]: [] for row in task.rows("recordings")}
    for row in task.rows("events"):
        by_file[row["file"]].append(Label(row["onset_s"], row["offset_s"], row["tag"], row["peak"]))
    for name, found in by_file.items():
        inside = name.replace("://", "/").lstrip("/")
        with replaced(out / "labels" / (inside + SUFFIXES[program])) as part:
            part.write_text(FORMATS[program](found), "utf-8")


def write_history(store: Store, out: Path, info: StreamInfo) -> None:
    """Write what has a date into a history: each site is a source."""
    tags = json.dumps([tag.name for tag in info.tags], ensure_ascii=False)
    streams: dict[str, tuple[int, int]] = {}  # of each site, its number and when it ended
    for _, tasks in groupby((task for task in done(out) if task.date != "unknown"), key=lambda task: task.date):
        names, day = set[str](), list[Change]()
        for task in tasks:
            recordings = [row for row in task.rows("recordings") if row["heard_s"]]
            if not recordings:
                continue
            start_ms = min(unix_ms(row["time"]) for row in recordings)
            end_ms = max(unix_ms(row["time"]) + milliseconds(row["heard_s"]) for row in recordings)
            stream, before_ms = streams.get(task.site, (len(streams) + 1, end_ms))
            streams[task.site] = stream, max(before_ms, end_ms)
            day.append(Change(STREAM, (stream, start_ms, task.site, info.bundle, tags, info.hop_s)))
            day.append(Change(STREAM_ENDS, (streams[task.site][1], stream)))
            for row in recordings:
                first_ms = unix_ms(row["time"])
                span = (first_ms, stream, first_ms + milliseconds(row["heard_s"]))
                day.append(Change(LISTENING, span))
            day += [*event_changes(task, stream, names), *minute_changes(task, stream)]
        store.write(day)


def event_changes(task: Done, stream: int, names: set[str]) -> Iterator[Change]:
    """Yield what puts a task's events into a history; `names` are those of the day's events so far."""
    for row in task.rows("events"):
        name = row["id"]
        while name in names:  # in the same millisecond, at another site, by chance
            name += "+"
        names.add(name)
        scores = row["peak"], row["mean"]
        onset_ms, duration_ms = unix_ms(row["time"]), milliseconds(row["offset_s"] - row["onset_s"])
        yield Change(BEGINS, (name, onset_ms, row["utc_offset_s"], row["tag"], *scores, stream))
        yield Change(ENDS, (duration_ms, *scores, None, name))


def minute_changes(task: Done, stream: int) -> Iterator[Change]:
    """Yield what puts a task's loudness into a history."""
    for row in task.rows("loudness"):
        levels = row["level_dbfs"], row["peak_dbfs"]
        values = (unix_ms(row["time"]), stream, milliseconds(row["heard_s"]), *levels, b"")
        yield Change(MINUTE, values)


def page_of(out: Path) -> str:
    """Return the page of all days of a history."""
    with open_history(out / HISTORY) as connection:
        ends = "SELECT min(start_ms), max(end_ms) FROM listening"
        first_ms, last_ms = connection.execute(ends).fetchone()
        first, last = local(first_ms or 0).date(), local(max((last_ms or 1) - 1, 0)).date()
        return page(gather(connection, first, (last - first).days + 1), 0.0, each_tag=True)

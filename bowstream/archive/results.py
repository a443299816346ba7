"""The folder of results: which tasks are done is told by the files that are there.

manifest.json                                  what was asked for, of which bundle, with which settings
plan.parquet                                   the recordings, as tasks
events/date=2026-06-01/site=A/0000012.parquet  a task's rows; so for scores and loudness
recordings/…                                   written last: with this file the task is done
parts/0000013.npz                              of a recording in parts, until it is whole
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from bowstream.archive.files import PART, pyarrow_modules, replaced
from bowstream.archive.hear import Heard, Wanted
from bowstream.archive.join import joined
from bowstream.archive.plan import Recording, Task
from bowstream.archive.tables import events_table, loudness_table, recordings_table, scores_table
from bowstream.events import Event, EventTracker, by_onset
from bowstream.records import StreamInfo

Chunk = Sequence[tuple[Recording, Heard]]


class Results:
    """Writes what was heard: a task's rows once, whenever it is stopped.

    Parameters
    ----------
    out : the folder
    info : of the streams; their names, lengths and dates differ
    hold_s : how long an event outlasts its sound
    retry : take tasks in which something failed for not done
    """

    def __init__(self, out: Path, info: StreamInfo, hold_s: float, wanted: Wanted, retry: bool = False) -> None:
        self.out = out
        self._info, self._hold_s, self._wanted = info, hold_s, wanted
        for file in out.glob(f"**/.*{PART}"):  # of a process that was killed
            file.unlink()
        files = (out / "recordings").glob("**/*.parquet")
        self._done = numbers_of(file for file in files if not retry or not has_failures(file))
        self._parts = numbers_of((out / "parts").glob("*.npz"))

    def has(self, task: Task) -> bool:
        """Whether a task is done."""
        return task.group in self._done or task.number in self._parts

    def put(self, task: Task, heard: Sequence[Heard]) -> None:
        """Write what a task has found."""
        if task.is_part:
            write_part(self._part(task.number), heard[0])
            self._parts.add(task.number)
            return
        rows = list(zip(task.recordings, heard))
        events = [(recording, event) for recording, each in rows for event in by_onset(each.events)]
        counted = [(recording, each, len(each.events)) for recording, each in rows]
        self._write(task, events, counted, lambda: [rows])

    def join(self, tasks: Sequence[Task]) -> None:
        """Write the rows of a recording whose parts these tasks are, once all of them are there."""
        first = tasks[0]
        if first.group not in self._done:
            if not all(task.number in self._parts for task in tasks):
                return
            (recording,) = first.recordings
            tracker = EventTracker(self._info.tags, self._info.hop_s, self._hold_s, self._info.confirm_hops)
            files = [self._part(task.number) for task in tasks]
            events = by_onset(joined(map(read_part, files), self._info, tracker))
            whole = summed([replace(read_part(file), **NO_ARRAYS) for file in files])
            rows = [(recording, event) for event in events]
            # Part by part: a day of scores need not fit into memory.
            self._write(
                first,
                rows,
                [(recording, whole, len(events))],
                lambda: ([(recording, read_part(file))] for file in files),
            )
        for task in tasks:
            self._part(task.number).unlink(missing_ok=True)
            self._parts.discard(task.number)

    def _write(
        self,
        task: Task,
        events: Sequence[tuple[Recording, Event]],
        recordings: Sequence[tuple[Recording, Heard, int]],
        chunks: Callable[[], Iterable[Chunk]],
    ) -> None:
        """Write a task's tables, that of its recordings last."""
        tags, rate, window_s = [tag.name for tag in self._info.tags], self._info.sample_rate, self._info.window_s
        tables: dict[str, Iterable[Any]] = {"events": [events_table(events)]}
        if self._wanted.scores:
            tables["scores"] = (scores_table(chunk, tags, rate, window_s) for chunk in chunks())
        if self._wanted.loudness:
            tables["loudness"] = (loudness_table(chunk) for chunk in chunks())
        tables["recordings"] = [recordings_table(recordings)]
        one = task.recordings[0]
        for kind, parts in tables.items():
            folder = self.out / kind / f"date={one.date}" / f"site={quote(one.site, safe='')}"
            write_tables(folder / f"{task.number:07d}.parquet", parts)
        self._done.add(task.number)

    def _part(self, number: int) -> Path:
        return self.out / "parts" / f"{number:07d}.npz"


def numbers_of(files: Iterable[Path]) -> set[int]:
    """Return the numbers of the tasks whose files these are."""
    return {int(file.stem) for file in files if file.stem.isdecimal()}


def has_failures(file: Path) -> bool:
    """Whether something failed in a task with this table of recordings."""
    _, parquet = pyarrow_modules()
    errors = parquet.ParquetFile(file).read(["error"]).column("error")
    return bool(errors.null_count < len(errors))


def write_tables(file: Path, tables: Iterable[Any]) -> None:
    """Write tables of the same columns, one after another, as one file."""
    _, parquet = pyarrow_modules()
    writer = None
    with replaced(file) as part:
        try:
            for table in tables:
                writer = writer or parquet.ParquetWriter(part, table.schema, compression="zstd")
                writer.write_table(table)
        finally:
            if writer:
                writer.close()


ARRAYS = ("ends", "scores", "columns", "levels", "minutes")
NO_ARRAYS = {name: getattr(Heard(), name) for name in ARRAYS}


def write_part(file: Path, heard: Heard) -> None:
    """Write what was heard in a part of a recording."""
    rest: dict[str, Any] = {
        "heard_s": heard.heard_s,
        "end": heard.end,
        "windows": heard.windows,
        "sha256": heard.sha256,
    }
    rest |= {"error": heard.error, "notes": heard.notes}
    with replaced(file) as part, part.open("wb") as stream:
        np.savez(stream, rest=np.array(json.dumps(rest)), **{name: getattr(heard, name) for name in ARRAYS})


def read_part(file: Path) -> Heard:
    """Return what `write_part` wrote."""
    with np.load(file, allow_pickle=False) as arrays:
        rest = json.loads(str(arrays["rest"]))
        return Heard(**rest | {"notes": tuple(rest["notes"])}, **{name: arrays[name] for name in ARRAYS})


def summed(parts: Sequence[Heard]) -> Heard:
    """Return what the parts of a recording say of it together, without scores: the first error is the recording's."""
    return Heard(
        heard_s=max(part.heard_s for part in parts),
        windows=sum(part.windows for part in parts),
        sha256=parts[0].sha256,
        error=next((part.error for part in parts if part.error), None),
        notes=next((part.notes for part in reversed(parts) if part.notes), ()),
    )

"""What there is to do: recordings, listed once, as tasks of an hour or so that each belong to one day and one site."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from bowstream.archive.files import pyarrow_modules, replaced
from bowstream.archive.parts import WHOLE, Part, cut
from bowstream.audio.started import site_in_name

# A task has so much sound and so many recordings, or a little less: enough to be worth a message.
TASK_S, TASK_RECORDINGS = 3600.0, 200
# Longer recordings are heard in parts; each part is decoded from the recording's start, so there are few of them.
PART_S = 8 * 3600.0
# Of a part all scores are kept until it was heard, so with a short hop it is shorter: 50 MB of 130 tags.
PART_WINDOWS = 100_000
# What a second of sound takes, if nothing else is known: 48 kHz, 16 bits, one channel.
BYTES_PER_S = 96_000
UNKNOWN = "unknown"
NAME = "plan.parquet"


@dataclass(frozen=True)
class Recording:
    """A recording, or a part of it.

    started_at : when it began; None if that is not known
    site : where its recorder stood, by its folder or its name
    length_s : as it says, or as one like it does; None if that is not known
    """

    path: str
    size: int
    started_at: datetime | None
    site: str
    length_s: float | None = None
    part: Part = WHOLE

    @property
    def date(self) -> str:
        """The day on which it began, there."""
        return self.started_at.date().isoformat() if self.started_at else UNKNOWN

    @property
    def weight_s(self) -> float:
        """How much work it is, as seconds of sound, or a guess at that."""
        length_s = self.size / BYTES_PER_S if self.length_s is None else self.length_s
        stop_s = length_s if self.part.stop is None else self.part.stop / 10
        return max(stop_s - self.part.start / 10, 0.0)


@dataclass(frozen=True)
class Task:
    """Recordings of one day and site, or a part of one.

    group : the number of the task whose rows these will be among: its own, or that of a recording's first part
    """

    number: int
    group: int
    recordings: tuple[Recording, ...]

    @property
    def weight_s(self) -> float:
        """How much work it is, as seconds of sound."""
        return sum(recording.weight_s for recording in self.recordings)

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a recording."""
        return not self.recordings[0].part.is_whole

    def after(self, heard: int) -> Task:
        """Return what is left to do when so many of its recordings were heard."""
        return replace(self, recordings=self.recordings[heard:])


def site_of(path: str, roots: Sequence[str]) -> str:
    """Return where a recorder stood: the folder below a root, or what stands before a date, or the folder's name."""
    for root in roots:
        inside = os.path.relpath(path, root) if path.startswith(root.rstrip("/") + "/") else ""
        if "/" in inside:
            return readable(inside.split("/")[0])
    return readable(site_in_name(path) or Path(path).absolute().parent.name or UNKNOWN)


def readable(name: str) -> str:
    """Return a file's name, which need not be text, as text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def tasks_of(recordings: Iterable[Recording], part_s: float = PART_S) -> Iterator[Task]:
    """Yield tasks, by site, day and path; a part is a task of its own."""
    number = 0
    ordered = sorted(recordings, key=lambda recording: (recording.site, recording.date, os.fsencode(recording.path)))
    for _, together in groupby(ordered, key=lambda recording: (recording.site, recording.date)):
        waiting: list[Recording] = []
        for recording in together:
            parts = cut(recording.length_s, part_s)
            if len(parts) > 1:
                group = number
                for part in parts:
                    yield Task(number, group, (replace(recording, part=part),))
                    number += 1
                continue
            weight_s = sum(each.weight_s for each in waiting) + recording.weight_s
            if waiting and (weight_s > TASK_S or len(waiting) >= TASK_RECORDINGS):
                yield Task(number, number, tuple(waiting))
                number += 1
                waiting = []
            waiting.append(recording)
        if waiting:
            yield Task(number, number, tuple(waiting))
            number += 1


def write_plan(out: Path, tasks: Iterable[Task]) -> int:
    """Write the plan, whole or not at all; return how many recordings are in it."""
    pyarrow, parquet = pyarrow_modules()
    kinds = {
        "task": pyarrow.int32(),
        "group": pyarrow.int32(),
        "path": pyarrow.binary(),  # a name need not be text
        "size": pyarrow.int64(),
        "started_at": pyarrow.string(),
        "site": pyarrow.string(),
        "length_s": pyarrow.float64(),
        "start": pyarrow.int64(),
        "stop": pyarrow.int64(),
    }
    rows = [row(task, recording) for task in tasks for recording in task.recordings]
    columns = {name: pyarrow.array([each[name] for each in rows], kind) for name, kind in kinds.items()}
    with replaced(out / NAME) as part:
        parquet.write_table(pyarrow.table(columns), part)
    return len({each["path"] for each in rows})


def row(task: Task, recording: Recording) -> dict[str, Any]:
    """Return a recording as a row of the plan."""
    return {
        "task": task.number,
        "group": task.group,
        "path": os.fsencode(recording.path),
        "size": recording.size,
        "started_at": recording.started_at.isoformat() if recording.started_at else None,
        "site": recording.site,
        "length_s": recording.length_s,
        "start": recording.part.start,
        "stop": recording.part.stop,
    }


def read_plan(out: Path) -> Iterator[Task]:
    """Yield the tasks of a plan, in constant memory."""
    _, parquet = pyarrow_modules()
    with parquet.ParquetFile(out / NAME) as file:
        rows = (each for batch in file.iter_batches() for each in batch.to_pylist())
        for (number, group), together in groupby(rows, key=lambda each: (each["task"], each["group"])):
            yield Task(number, group, tuple(map(recording_of, together)))


def recording_of(row: dict[str, Any]) -> Recording:
    """Return the recording of a row of the plan."""
    started = row["started_at"]
    return Recording(
        os.fsdecode(row["path"]),
        row["size"],
        datetime.fromisoformat(started) if started else None,
        row["site"],
        row["length_s"],
        Part(row["start"], row["stop"]),
    )

"""The job: tasks that are not done, carried out, and written as they come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bowstream.archive.engine import Engine, each
from bowstream.archive.plan import Task, read_plan
from bowstream.archive.results import Results
from bowstream.archive.work import Work, carried_out


class Progress(Protocol):
    """Is told how far a job is."""

    def begin(self, total_s: float, done_s: float) -> None:
        """Note how much work there is, and how much was done before, in seconds of sound."""

    def advance(self, done_s: float, errors: list[str]) -> None:
        """Note how much was done just now, and what could not be heard."""


@dataclass(frozen=True)
class Overview:
    """What a plan holds.

    total_s, done_s : work, as seconds of sound
    groups : the tasks of each recording in parts
    """

    total_s: float
    done_s: float
    groups: dict[int, list[Task]]


def overview(out: Path, results: Results) -> Overview:
    """Return what there is to do, and finish recordings whose parts are all there."""
    total_s, done_s, groups = 0.0, 0.0, defaultdict[int, list[Task]](list)
    for task in read_plan(out):
        total_s += task.weight_s
        done_s += task.weight_s * results.has(task)
        if task.is_part:
            groups[task.group].append(task)
    for tasks in groups.values():
        results.join(tasks)
    return Overview(total_s, done_s, dict(groups))


def parts_first(out: Path) -> Iterator[Task]:
    """Yield the tasks of a plan, parts of long recordings first: at the end no worker waits long for another."""
    for parts in (True, False):
        yield from (task for task in read_plan(out) if task.is_part is parts)


def carry_on(out: Path, results: Results, engine: Engine, work: Work, progress: Progress) -> None:
    """Do what is not done yet; interrupted, it can be called again, in another process perhaps."""
    plan = overview(out, results)
    progress.begin(plan.total_s, plan.done_s)
    missing = (task for task in parts_first(out) if not results.has(task))
    with closing(engine):
        for task, heard in each(engine, carried_out, missing, work):
            results.put(task, heard)
            if task.is_part:
                results.join(plan.groups[task.group])
            progress.advance(task.weight_s, [each.error for each in heard if each.error])

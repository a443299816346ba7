"""Who carries work out: this process, several of this machine, or a cluster, as for `bowstream replay --out`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from bowstream.archive.child import Children, Tell
from bowstream.archive.cluster import Cluster
from bowstream.archive.engine import Engine, Local, each

from .progress import track
from .shards import Shards

Item = TypeVar("Item")
Result = TypeVar("Result")

children = Children()


@dataclass(frozen=True)
class Crew:
    """How many processes of this machine, or whose.

    dask : the address of a cluster's scheduler; its machines reach data and artefacts by the same paths
    """

    jobs: int = 1
    dask: str | None = None

    def engine(self) -> Engine:
        """Return what carries calls out, each in a process of its thread's."""
        return Cluster(self.dask, 1, children) if self.dask else Local(self.jobs, children)

    def is_alone(self, items: int) -> bool:
        """Whether so many items are done here, one after the other."""
        return not self.dask and min(self.jobs, items) <= 1

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield `work(item)` for each item as they are done; each job has a process, as TensorFlow is one to each."""
        if self.is_alone(len(items)):
            yield from map(work, items)
            return
        with closing(self.engine()) as engine:
            for _, result in each(engine, in_child, iter(items), work):
                yield result

    def make(
        self, shards: Shards, work: Callable[[Item], Result], jobs: Mapping[int, Item], title: str
    ) -> list[Result]:
        """Have `work` write those of some shards that are missing; return what it says of each."""
        waiting = [job for number, job in jobs.items() if not shards.file(number).exists()]
        return list(track(self.each(work, waiting), len(jobs), title, len(jobs) - len(waiting)))


ALL_CORES = Crew(os.cpu_count() or 1)


def in_child(item: Item, work: Callable[[Item], Result]) -> Result:
    """Return `work(item)` from a process of this thread's."""
    result: Result = children.mine().call(called, item, work)
    return result


def called(item: Item, work: Callable[[Item], Result], tell: Tell) -> Result:
    """Return `work(item)`; runs in a child."""
    return work(item)

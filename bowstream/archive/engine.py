"""Who carries tasks out: threads of this process, each with a child; or a cluster (`archive.cluster`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol, TypeVar

from bowstream.archive.child import Children
from bowstream.errors import BowstreamError

# Calls of each worker that may be lost in a row.
MOST_LOSSES = 20

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Carries out calls, several at a time.

    Attributes
    ----------
    losses : what a future raises if its call was lost, beside being cancelled
    """

    losses: tuple[type[Exception], ...]

    @property
    def width(self) -> int:
        """How many are carried out at a time."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a call carried out; raise `BowstreamError` if nobody can, for too long."""

    def close(self) -> None:
        """Give up what is not done, at once."""


class Local:
    """Threads, each with a child process.

    Parameters
    ----------
    jobs : how many
    children : those that the calls use
    """

    losses: tuple[type[Exception], ...] = ()

    def __init__(self, jobs: int, children: Children) -> None:
        self.width = jobs
        self._children = children
        self._threads = ThreadPoolExecutor(jobs)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a call carried out by the next thread that is free."""
        return self._threads.submit(function, *arguments)

    def close(self) -> None:
        """Give up what is not done, at once."""
        self._children.stop()
        self._threads.shutdown(cancel_futures=True)
        self._children.reset()


def each(
    engine: Engine, function: Callable[..., Result], items: Iterator[Item], *arguments: Any
) -> Iterator[tuple[Item, Result]]:
    """Yield items with `function(item, *arguments)` as they are done; few are waiting at any time.

    Raises
    ------
    BowstreamError
        If calls are lost again and again, and none is carried out.
    Exception
        What the function raises.
    """
    waiting: dict[Future[Result], Item] = {}
    lost: list[Item] = []
    losses = 0
    while True:
        for _ in range(2 * engine.width - len(waiting)):
            item = lost.pop() if lost else next(items, None)
            if item is None:
                break
            waiting[engine.submit(function, item, *arguments)] = item
        if not waiting:
            return
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            item = waiting.pop(future)
            if future.cancelled() or isinstance(future.exception(), engine.losses):
                lost.append(item)
                losses += 1
                if losses > MOST_LOSSES * engine.width:
                    raise BowstreamError("the cluster loses its workers again and again: see their logs")
            else:
                yield item, future.result()
                losses = 0

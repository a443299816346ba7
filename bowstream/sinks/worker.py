"""A sink's worker: a bounded queue and one thread. A sink that is slow or down never delays the sound."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from bowstream.errors import BowstreamError
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.records import Record, StreamInfo

Item = TypeVar("Item")

# The wait after a first failure; it doubles with each further failure, up to the longest.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
# How long closing waits for what is still to be delivered.
FLUSH_S = 5.0
# How long a delivery that is aborted has to end.
ABORT_S = 0.5
# An item that has waited for longer is reported.
LATE_S = 10.0
# Lines for the user that are kept until they are asked for.
WARNINGS = 20


class RetryableError(Exception):
    """An item could not be delivered now; it is kept and tried again."""


class PermanentError(Exception):
    """An item can never be delivered; it is lost, and counted."""


@dataclass(frozen=True)
class SinkReport:
    """How a sink is doing.

    Attributes
    ----------
    delivered, lost, waiting : items delivered, given up, and in the queue
    trouble : why it cannot deliver at present; empty while it can
    """

    name: str
    delivered: int
    lost: int
    waiting: int
    trouble: str

    def __str__(self) -> str:
        counts = [f"{self.delivered} delivered"]
        counts += [f"{self.lost} lost"] if self.lost else []
        counts += [f"{self.waiting} waiting"] if self.waiting else []
        return f"{self.name}: {', '.join(counts)}" + (f" ({self.trouble})" if self.trouble else "")


class Sink(ABC, Generic[Item]):
    """Delivers a session's records to another place, in its own thread.

    A subclass converts records to items with `convert`, in the session's thread, and delivers one item with
    `deliver`, in the worker's thread. When the queue is full the oldest item is lost, and counted. `deliver` must
    end within a limited time; an item that waits for longer than `late_s` all the same is reported as trouble.

    Parameters
    ----------
    name : for messages
    capacity : items that may wait, or how much of them, as `size` measures it

    Attributes
    ----------
    takes_sound : whether it is given `Sound`, too, which may come ten times a second
    """

    takes_sound = False
    first_wait_s = FIRST_WAIT_S
    longest_wait_s = LONGEST_WAIT_S
    late_s = LATE_S

    def __init__(self, name: str, capacity: int = 1000) -> None:
        self.name = name
        self._capacity = capacity
        self._queue: deque[tuple[float, Item]] = deque()  # each with the monotonic time at which it came
        self._changed = threading.Condition()
        self._busy_since_s: float | None = None  # when the item came that is being delivered
        self._delivered = self._lost = 0
        self._trouble = ""
        self._failure: BaseException | None = None  # what ended the thread
        self._warnings: deque[str] = deque(maxlen=WARNINGS)
        self._deadline: float | None = None  # monotonic; set when the sink closes
        self._thread = threading.Thread(target=self._work, name=f"bowstream-{name}", daemon=True)

    @abstractmethod
    def convert(self, record: Record) -> Iterable[Item]:
        """Return the items of a record; called by the session's thread, so it must not wait for anything."""

    @abstractmethod
    def deliver(self, item: Item) -> None:
        """Deliver an item, or raise `RetryableError`, `OSError` or `PermanentError`; called by the worker's thread."""

    def add(self, info: StreamInfo, health: Health) -> None:
        """Take the records of another source, too, before the first record; for a sink that tells them apart."""

    def flush(self) -> Iterable[Item]:
        """Return the items that are not complete yet when the session ends."""
        return ()

    def close(self) -> None:
        """Release what the sink holds; called by the worker's thread when it ends."""

    def clip_kept(self, event: Event, file: Path) -> None:
        """Take note of an event's clip; called by the thread of the sink that wrote it."""

    def judged(self, event: str, verdict: str | None) -> None:
        """Take note of a verdict on the event with this id; called by the thread of the sink that got it."""

    def abort(self) -> None:
        """End a delivery that is still going on when the session has ended and the time for it is over."""

    def __enter__(self) -> Sink[Item]:
        try:
            self._thread.start()
        except RuntimeError as error:
            raise BowstreamError(f"[sinks.{self.name}] cannot start a thread: {error}") from error
        return self

    def __exit__(self, *exc: object) -> None:
        self.join()

    def write(self, record: Record) -> None:
        """Put the items of a record in the queue; never waits, never raises."""
        try:
            for item in self.convert(record):
                self.enqueue(item)
        except Exception as error:  # a bug of a sink must not end the listening
            with self._changed:
                self._lost += 1
                self._trouble = repr(error)

    def size(self, item: Item) -> float:
        """Return how much of the capacity an item takes."""
        return 1.0

    def enqueue(self, item: Item) -> None:
        """Put an item in the queue; the oldest are lost if it is full."""
        with self._changed:
            self._queue.append((time.monotonic(), item))
            while len(self._queue) > 1 and sum(self.size(each) for _, each in self._queue) > self._capacity:
                self._queue.popleft()
                self._lost += 1
            self._changed.notify()

    def warn(self, text: str) -> None:
        """Leave a line for the user, about something that does not keep the sink from delivering."""
        self._warnings.append(text)

    def warnings(self) -> list[str]:
        """Return the lines left since the last call."""
        return [self._warnings.popleft() for _ in range(len(self._warnings))]

    def report(self) -> SinkReport:
        """Return how the sink is doing."""
        with self._changed:
            is_busy = self._busy_since_s is not None
            waiting = len(self._queue) + is_busy
            oldest_s = self._busy_since_s if is_busy else self._queue[0][0] if self._queue else None
            trouble = self._trouble
            if self._failure is not None:
                trouble = f"its thread has died: {self._failure!r}"
            elif not trouble and oldest_s is not None and time.monotonic() - oldest_s > self.late_s:
                trouble = f"slow: the oldest has waited for more than {self.late_s:g} s"
            return SinkReport(self.name, self._delivered, self._lost, waiting, trouble)

    def stop(self, deadline: float) -> None:
        """Put the last items in the queue and ask the worker to end by a time of `time.monotonic`."""
        for item in self.flush():
            self.enqueue(item)
        with self._changed:
            self._deadline = deadline
            self._changed.notify()

    def join(self, flush_s: float = FLUSH_S) -> None:
        """Deliver what is waiting, for at most `flush_s`; the rest is lost, and counted."""
        if self._deadline is None:
            self.stop(time.monotonic() + flush_s)
        assert self._deadline is not None
        self._thread.join(max(0.0, self._deadline - time.monotonic()) + 0.1)
        with self._changed:  # first, so that nothing new is begun after an abort
            self._lost += len(self._queue)
            self._queue.clear()
        if self._thread.is_alive():  # one that hangs all the same is left behind: it dies with the process
            self.abort()
            self._thread.join(ABORT_S)

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                delivered = self._persist(item)
                with self._changed:
                    self._busy_since_s = None
                    self._delivered += delivered
                    self._lost += not delivered
            self.close()
        except BaseException as error:  # said by `report`
            self._failure = error

    def _next(self) -> Item | None:
        """Wait for the next item; return None when the sink closes and nothing is left."""
        with self._changed:
            while not self._queue:
                if self._deadline is not None:
                    return None
                self._changed.wait()
            self._busy_since_s, item = self._queue.popleft()
            return item

    def _persist(self, item: Item) -> bool:
        """Try until an item is delivered or refused, or the deadline is over; return whether it was delivered."""
        wait_s = self.first_wait_s
        while True:
            try:
                self.deliver(item)
            except (RetryableError, OSError) as error:
                self._trouble = str(error)
            except Exception as error:  # permanent, or a bug: another try would end the same
                self._trouble = str(error) if isinstance(error, PermanentError) else repr(error)
                return False
            else:
                self._trouble = ""
                return True
            if not self._pause(wait_s):
                return False
            wait_s = min(2.0 * wait_s, self.longest_wait_s)

    def _pause(self, wait_s: float) -> bool:
        """Wait before another try, less if the sink closes meanwhile; return False when there is no time for one."""
        until = time.monotonic() + wait_s
        with self._changed:
            self._changed.wait_for(lambda: self._deadline is not None, wait_s)
            if self._deadline is None:
                return True
            until = min(until, time.monotonic() + self.first_wait_s)
            return until < self._deadline and not self._changed.wait_for(lambda: False, until - time.monotonic())

"""What a piece of work takes: time, processor time and memory."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType

from bowstream.bench.startup import memory_mb

LOOK_EVERY_S = 0.05


class Spent:
    """Measure what is done while this is entered, in one thread or several.

    Attributes
    ----------
    seconds : by the clock
    cpu_seconds : of all threads, and of all processes that this one began, and those began
    peak_memory_mb : the most that this process held itself, files that are mapped into memory aside; where the system
        does not tell, the most that it has ever held
    """

    def __enter__(self) -> Spent:
        give_back()
        self.peak_memory_mb = 0.0
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        self._begun = time.monotonic(), cpu_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        begun_s, before_s = self._begun
        self.seconds, self.cpu_seconds = time.monotonic() - begun_s, cpu_s() - before_s
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        """Look at the memory, at least once, until all is over."""
        while True:
            over = self._over.wait(LOOK_EVERY_S)
            self.peak_memory_mb = max(self.peak_memory_mb, held_mb())
            if over:
                return


def cpu_s() -> float:
    """Return the processor time of this process and of all that it began, those that have ended too, in seconds."""
    own = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in own) + alive_s(os.getpid())


def alive_s(process_id: int) -> float:
    """Return the processor time of processes that one began and that live, and of those that they began, in seconds.

    Where there is no /proc it is 0: they are counted when they end.
    """
    began, times_s = defaultdict[int, list[int]](list), dict[int, float]()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text("utf-8", "replace").rpartition(")")[2].split()  # after the name in brackets
        except OSError:  # it has ended
            continue
        child, ticks = int(status.parent.name), sum(map(int, fields[11:15]))
        began[int(fields[1])].append(child)
        times_s[child] = ticks / os.sysconf("SC_CLK_TCK")
    waiting, total_s = list(began[process_id]), 0.0
    while waiting:
        child = waiting.pop()
        total_s += times_s[child]
        waiting += began[child]
    return total_s


def held_mb() -> float:
    """Return the memory that this process holds itself, in MB."""
    now_mb = memory_mb(os.getpid(), "RssAnon")
    if now_mb is not None:
        return now_mb
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def give_back() -> None:
    """Hand memory back to the system that nobody needs, so that what is done next is not blamed for it.

    Models refer to themselves, and glibc keeps what has been freed.
    """
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)

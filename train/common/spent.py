"""What a piece of work takes: time, processor time and memory."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import threading
import time
from types import TracebackType

from bowstream.bench.startup import memory_mb

LOOK_EVERY_S = 0.05


class Spent:
    """Measure what is done while this is entered, in one thread or several.

    Attributes
    ----------
    seconds : by the clock
    cpu_seconds : of all threads, and of the processes that were begun and ended meanwhile
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
    """Return the processor time of this process and of its children that have ended, in seconds."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


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

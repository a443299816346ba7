"""The same work on many files, on all cores."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Fewer are done before processes have started.
FEW = 32
# One BLAS thread a process: they would only wait for each other.
THREADS = "OPENBLAS_NUM_THREADS"


def parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield `work(item)` for each item in order. Processes are spawned: TensorFlow does not survive a fork."""
    if len(items) < FEW:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        with for_workers():
            results = pool.map(work, items, chunksize=8)
        yield from results


@contextlib.contextmanager
def for_workers() -> Iterator[None]:
    """Set what processes that start in here inherit: one BLAS thread, and no ear for Ctrl+C, which is this one's."""
    threads = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
        if threads is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = threads

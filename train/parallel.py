"""The same work on many files, on all cores."""

from __future__ import annotations

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
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        # Ctrl+C goes to every process; the main one answers for all.
        with ProcessPoolExecutor(
            os.cpu_count(), multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
        ) as pool:
            yield from pool.map(work, items, chunksize=8)
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before

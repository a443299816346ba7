"""What C libraries write to standard error past `sys.stderr`, kept off it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


class Redirections:
    """Where standard error goes, for all threads: to the newest target of those that have not ended.

    They begin and end in any order: a thread that opens a device does not undo what another has begun meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: list[int] = []  # descriptors, the newest last
        self._own = -1  # what it is without any

    def begin(self, target: int) -> int:
        """Send it to a descriptor; return what `end` takes."""
        with self._lock:
            if not self._targets:
                self._own = os.dup(2)
            ours = os.dup(target)
            self._targets.append(ours)
            os.dup2(ours, 2)
        return ours

    def end(self, ours: int) -> None:
        """End one of them."""
        with self._lock:
            self._targets.remove(ours)
            os.close(ours)
            os.dup2(self._targets[-1] if self._targets else self._own, 2)
            if not self._targets:
                os.close(self._own)

    def copy(self) -> int:
        """Return a new descriptor of where it goes without any; raise `OSError` if there is no standard error."""
        with self._lock:
            return os.dup(self._own if self._targets else 2)

    def is_terminal(self) -> bool:
        """Whether that is a terminal."""
        with self._lock:
            return os.isatty(self._own if self._targets else 2)


redirections = Redirections()


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what is written to standard error meanwhile; errors come as exceptions all the same."""
    if not is_there():
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    ours = redirections.begin(nowhere)
    os.close(nowhere)
    try:
        yield
    finally:
        redirections.end(ours)


@contextmanager
def muted() -> Iterator[None]:
    """Leave standard error to Python for as long as this lasts: threads of C libraries write to it when they like."""
    if not is_there():
        yield
        return
    stream = os.fdopen(redirections.copy(), "w", buffering=1, errors="backslashreplace")
    with stream as ours, redirect_stderr(ours), silenced():
        yield


def is_there() -> bool:
    """Whether there is a standard error."""
    try:
        os.fstat(2)
    except OSError:
        return False
    return True

"""What C libraries write to standard error past `sys.stderr`, kept off it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what is written to standard error meanwhile; errors come as exceptions all the same."""
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


@contextmanager
def muted() -> Iterator[None]:
    """Leave standard error to Python for as long as this lasts: threads of C libraries write to it when they like."""
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as ours, redirect_stderr(ours), silenced():
        yield

"""The process around the command line: its exit status, and a standard output that may be full, closed or left."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from bowstream.cli.main import main
from bowstream.cli.parser import EXIT_FAILURE
from bowstream.cli.say import say


class OutputError(Exception):
    """Standard output did not take what was written; `reason` says why, and is empty if its reader has left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# More than any line has: a line that does not fit would be written past the buffer, and Ctrl+C could cut it.
BUFFER_BYTES = 1 << 18


class Output(io.BufferedWriter):
    """Standard output, whose failures cannot be taken for those of any other file's.

    What Ctrl+C interrupts stays in the buffer but for the bytes that are out, so the rest of a line can follow. Hence
    the raw file must be one that no Python code stands before: it would be interrupted before it tells what is out.
    """

    def write(self, data: Any) -> int:
        """Take all of the data."""
        with telling():
            return super().write(data)

    def flush(self) -> None:
        """Write what was taken."""
        with telling():
            super().flush()


@contextmanager
def telling() -> Iterator[None]:
    """Raise `OutputError` for an error of the system's."""
    try:
        yield
    except OSError as error:
        raise OutputError("" if error.errno == errno.EPIPE else os.strerror(error.errno or 0)) from error


def run() -> int:
    """Run the command line and return its exit status, once all of its output is written."""
    if sys.stderr is None:  # closed: what is said must not end up among the results
        sys.stderr = io.TextIOWrapper(io.FileIO(os.devnull, "w"))
    if sys.stdout is None:
        say("standard output is closed: send it to /dev/null if it is not wanted")
        return EXIT_FAILURE
    before, sys.stdout = sys.stdout, guarded()
    try:
        status = status_of_main()
        sys.stdout.flush()
        return status
    except OutputError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), before.fileno())  # for what Python flushes at its end
        if error.reason:
            say(f"standard output: {error.reason}")
        return EXIT_FAILURE


def leave(status: int) -> NoReturn:
    """End the process; where a stream hangs, without what Python does at its end, which would wait for it."""
    live = sys.modules.get("bowstream.audio.live")  # what was not imported holds nobody
    if live and live.is_held():
        os._exit(status)  # all is written: standard output by `run`, standard error line by line
    sys.exit(status)


def guarded() -> io.TextIOWrapper:
    """Return a standard output that says when it fails, and writes out letters that its encoding lacks."""
    file = io.FileIO(sys.stdout.fileno(), "w", closefd=False)
    output = Output(file, BUFFER_BYTES)
    return io.TextIOWrapper(output, sys.stdout.encoding, "backslashreplace", line_buffering=file.isatty())


def status_of_main() -> int:
    """Run the command line and return its exit status, also where argparse ends the program."""
    try:
        return main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)

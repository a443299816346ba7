"""The terminal, drawn on without waiting for it, and undisturbed by others."""

from __future__ import annotations

import os
import sys
from collections import deque

from bowstream._text import printable

CAPTURED_LINES = 20
# How PortAudio begins to say, in its own words, that a device has gone, which we say too.
PORTAUDIO = "Expression '"


class Terminal:
    """Standard output's terminal, written to without waiting.

    A terminal that stands still (Ctrl+S, a stalled connection) would otherwise stop whoever writes. What it does
    not take at once is kept and goes out before anything else; `ready` says when all has gone.
    """

    def __init__(self) -> None:
        self.encoding = sys.stdout.encoding
        self._pending = b""
        try:  # opened anew: the flag must not reach those who share our standard output
            self._fd = os.open(os.ttyname(sys.stdout.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:  # somebody else's terminal, after su: we may have to wait for it
            self._fd = os.dup(sys.stdout.fileno())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        """Send the rest, however long the terminal takes, and close."""
        os.set_blocking(self._fd, True)
        try:
            self.flush()
        finally:
            os.close(self._fd)

    def isatty(self) -> bool:
        """Whether this is a terminal: it is."""
        return True

    def write(self, text: str) -> int:
        """Keep text to be sent."""
        self._pending += text.encode(self.encoding, "replace")
        return len(text)

    def flush(self) -> None:
        """Send as much as the terminal takes now."""
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._fd, self._pending) :]
        except BlockingIOError:
            pass

    def ready(self) -> bool:
        """Return whether all that was written has been sent."""
        self.flush()
        return not self._pending


class StderrCapture:
    """Catches what anybody, a C library too, writes to standard error while the screen is ours.

    On leaving, the newest lines are written where they were meant to go. A standard error that is no terminal
    is left alone.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=CAPTURED_LINES)
        self._tail = ""
        self._before = -1

    def __enter__(self) -> StderrCapture:
        if os.isatty(2):
            sys.stderr.flush()
            self._before = os.dup(2)
            self._pipe, write_end = os.pipe()
            os.set_blocking(self._pipe, False)
            os.dup2(write_end, 2)
            os.close(write_end)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._before < 0:
            return
        sys.stderr.flush()
        self.gather()
        os.dup2(self._before, 2)
        os.close(self._before)
        os.close(self._pipe)
        self._before = -1
        for line in (*self.lines, *filter(None, [self._tail])):
            print(printable(line), file=sys.stderr)
        self.lines.clear()

    def gather(self) -> bool:
        """Take what was written since the last call; return whether there was a whole line."""
        if self._before < 0:
            return False
        lines: list[str] = []
        try:
            while caught := os.read(self._pipe, 65536):
                *whole, self._tail = (self._tail + caught.decode(errors="replace")).split("\n")
                lines += [line.rstrip() for line in whole if line.strip() and not line.startswith(PORTAUDIO)]
        except BlockingIOError:
            pass
        self.lines.extend(lines)
        return bool(lines)

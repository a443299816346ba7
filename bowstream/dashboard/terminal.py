"""The terminal: written to without waiting, and free of what others write to standard error."""

from __future__ import annotations

import os
import sys
from collections import deque

from bowstream._stderr import redirections
from bowstream._text import printable

CAPTURED_LINES = 20
# Start of PortAudio's messages about a device that has gone, which bowstream reports itself.
PORTAUDIO = "Expression '"


class Terminal:
    """Standard output's terminal, written to without waiting.

    A terminal that is stopped (Ctrl+S, a stalled connection) would otherwise block the writer. What it does not
    take at once is kept and sent first at the next call; `ready` returns whether all has been sent.
    """

    def __init__(self) -> None:
        self.encoding = sys.stdout.encoding
        self._pending = b""
        try:  # opened again: other processes with our standard output must not get the flag
            self._fd = os.open(os.ttyname(sys.stdout.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:  # another user's terminal, after su: writing to it may block
            self._fd = os.dup(sys.stdout.fileno())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        """Send the rest, even if the terminal is slow, and close."""
        os.set_blocking(self._fd, True)
        try:
            self.flush()
        finally:
            os.close(self._fd)

    def isatty(self) -> bool:
        """Return True: this is a terminal."""
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
    """Captures what is written to standard error, also by C libraries, while the dashboard is shown.

    On leaving, the newest lines are written to standard error. If that is no terminal, nothing is captured.
    """

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=CAPTURED_LINES)
        self._tail = ""
        self._redirection = -1

    def __enter__(self) -> StderrCapture:
        if redirections.is_terminal():
            sys.stderr.flush()
            self._pipe, write_end = os.pipe()
            os.set_blocking(self._pipe, False)
            self._redirection = redirections.begin(write_end)
            os.close(write_end)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._redirection < 0:
            return
        sys.stderr.flush()
        self.gather()
        redirections.end(self._redirection)
        os.close(self._pipe)
        self._redirection = -1
        for line in (*self.lines, *filter(None, [self._tail])):
            print(printable(line), file=sys.stderr)
        self.lines.clear()

    def gather(self) -> bool:
        """Read what was written since the last call; return whether there was a whole line."""
        if self._redirection < 0:
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

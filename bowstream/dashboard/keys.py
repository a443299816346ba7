"""Keys: single characters from the terminal, read without waiting; the terminal is restored at the end."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any


class Keys:
    """Reads keys as they are pressed; Ctrl+C and Ctrl+Z work as usual.

    If standard input is no terminal, or the process is in the background, `active` is False and there are no keys.
    """

    def __init__(self) -> None:
        self.active = False
        self._fd = -1
        self._before: list[Any] = []

    def __enter__(self) -> Keys:
        try:
            self._fd = sys.stdin.fileno()
            if os.isatty(self._fd) and os.getpgrp() == os.tcgetpgrp(self._fd):
                self._before = termios.tcgetattr(self._fd)
                tty.setcbreak(self._fd, termios.TCSANOW)
                self.active = True
        except (AttributeError, OSError, ValueError, termios.error):  # closed, replaced, or another session's
            self.active = False
        return self

    def __exit__(self, *exc: object) -> None:
        if self.active:
            self.active = False
            termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def pressed(self) -> str:
        """Return what was typed since the last call; empty if nothing was."""
        if not self.active or not select.select([self._fd], [], [], 0)[0]:
            return ""
        typed = os.read(self._fd, 64).decode(errors="ignore")
        if not typed:  # the terminal has gone away
            self.active = False
        return typed

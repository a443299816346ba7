"""The screen: draws the dashboard a few times a second from the main thread, and obeys the keys."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import FrameType, TracebackType

from rich.console import Console
from rich.live import Live

from .dashboard import render
from .history import History
from .keys import Keys
from .output import Output, PlainLines
from .session import Record, Session
from .view import View

REDRAW_S = 0.25
# A slow terminal is drawn to less often: drawing takes one part in so many of the time at the most.
DRAW_SHARE = 10
TOP = 10
# Lower than this, the line that names the keys is shown only when asked for.
ROOMY_LINES = 20


class Screen:
    """A session's dashboard on the terminal, an `Output`.

    Leaves the terminal as it found it, whatever happens; gives it back while suspended (Ctrl+Z). On a
    terminal that cannot place its cursor (TERM=dumb), entering returns plain lines instead.
    """

    def __init__(self, session: Session, console: Console | None = None) -> None:
        self.session = session
        self.console = console or Console(highlight=False)
        self.history = History(session)
        self.top = min(TOP, len(session.bundle.tags))
        self.frozen: View | None = None
        self._keys = Keys()
        self._help = False
        self._due_s = 0.0
        self._suspending = False
        self._commands: dict[str, Callable[[], None]] = {
            " ": self._freeze,
            "f": self._freeze,
            "m": self._mark,
            "+": lambda: self._show(+1),
            "=": lambda: self._show(+1),
            "-": lambda: self._show(-1),
            "?": self._toggle_help,
            "q": session.stop,
        }

    def __enter__(self) -> Output:
        if self.console.is_dumb_terminal:
            self._exits = ExitStack()
            return PlainLines(sys.stdout, self.session)
        self._open()
        self._help = self._keys.active and self.console.height >= ROOMY_LINES
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def _open(self) -> None:
        """Take the terminal."""
        with ExitStack() as stack:
            before = signal.signal(signal.SIGTSTP, self._on_suspend)
            stack.callback(signal.signal, signal.SIGTSTP, before)
            stack.enter_context(self._keys)
            self._live = stack.enter_context(
                Live(
                    console=self.console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
                )
            )
            self._exits = stack.pop_all()

    def _on_suspend(self, number: int, frame: FrameType | None) -> None:
        self._suspending = True

    def _suspend(self) -> None:
        """Give the terminal back, stop, and take it again when we are continued."""
        self._suspending = False
        self._exits.close()
        os.kill(os.getpid(), signal.SIGTSTP)
        self._open()

    def write(self, record: Record) -> None:
        """Take one record; redraw if it is time."""
        self.history.write(record)
        if self._suspending:
            self._suspend()
        for key in self._keys.pressed():
            if key in self._commands:
                self._commands[key]()
        if time.monotonic() >= self._due_s:
            self._draw()

    def _draw(self) -> None:
        started_s = time.monotonic()
        view = self.frozen or self.history.view(self.top, self._help)
        self._live.update(render(replace(view, keys=self._help)), refresh=True)
        took_s = time.monotonic() - started_s
        self._due_s = started_s + max(REDRAW_S, DRAW_SHARE * took_s)

    def _freeze(self) -> None:
        self.frozen = None if self.frozen else replace(self.history.view(self.top, self._help), frozen=True)

    def _mark(self) -> None:
        self.history.mark()

    def _show(self, more: int) -> None:
        self.top = min(max(self.top + more, 1), len(self.session.bundle.tags))

    def _toggle_help(self) -> None:
        self._help = not self._help

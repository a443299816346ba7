"""The screen: draws the dashboard a few times per second in the main thread, and handles the keys."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live

from bowstream.audio.source import Notice
from bowstream.dashboard.history import History
from bowstream.dashboard.keys import Keys
from bowstream.dashboard.layout import render, render_timeline, usual_tags
from bowstream.dashboard.overview import render_all, together
from bowstream.dashboard.terminal import StderrCapture, Terminal
from bowstream.dashboard.view import View
from bowstream.output.lines import Output, PlainLines
from bowstream.records import Idle, Record, source_of

REDRAW_S = 0.25
# On a slow machine drawing takes at most one tenth of the time.
DRAW_SHARE = 10
# Lower than this, the line that names the keys is shown only when asked for.
ROOMY_LINES = 20
NOTICE_S = 10.0
# Lines of the timeline that stay on the terminal afterwards.
LEFT_BEHIND = 12


class Screen:
    """The dashboard on the terminal, an `Output`: of one session, or of several at a glance and each alone.

    Leaves the terminal as it found it, whatever happens, and gives it back while the process is suspended (Ctrl+Z).
    On a terminal that cannot place its cursor (TERM=dumb), entering returns plain lines instead.

    Parameters
    ----------
    histories : gather what is shown of each session
    stop : ends the loop when the user presses q
    """

    def __init__(self, histories: Sequence[History], stop: Callable[[], None]) -> None:
        self._histories = {history.info.key: history for history in histories}
        self._chosen = tuple(self._histories)  # sources that are shown: all or one
        self.top: int | None = None
        self.frozen: tuple[View, ...] = ()
        self._keys = Keys()
        self._stderr = StderrCapture()
        self._help = False
        self._notice, self._noticed_s = "", 0.0
        self._due_s = 0.0
        self._suspending = False
        self._exits = ExitStack()
        self._commands: dict[str, Callable[[], None]] = {
            " ": self._freeze,
            "f": self._freeze,
            "m": self._mark,
            "+": lambda: self._show(+1),
            "=": lambda: self._show(+1),
            "-": lambda: self._show(-1),
            "?": self._toggle_help,
            "q": stop,
        }
        if len(histories) > 1:
            self._commands |= {str(digit): partial(self._choose, digit) for digit in range(10)}
            self._commands["\t"] = self._choose_next

    def __enter__(self) -> Output:
        if Console().is_dumb_terminal:
            return PlainLines(sys.stdout)
        self._open()
        self._help = self._keys.active and self._live.console.height >= ROOMY_LINES
        return self

    def __exit__(self, *exc: object) -> None:
        self._exits.close()
        if any(history.timeline for history in self._histories.values()):
            self._chosen = tuple(self._histories)
            views = self._views()
            Console().print(render_timeline(together(views) if len(views) > 1 else views[0], LEFT_BEHIND))

    def _open(self) -> None:
        """Take the terminal."""
        with ExitStack() as stack:
            before = signal.signal(signal.SIGTSTP, self._on_suspend)
            stack.callback(signal.signal, signal.SIGTSTP, before)
            stack.enter_context(self._stderr)
            stack.enter_context(self._keys)
            self._terminal = stack.enter_context(Terminal())
            console = Console(file=cast(TextIO, self._terminal), highlight=False)
            self._live = stack.enter_context(
                Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
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
        """Take one record; handle the keys; redraw if it is time."""
        if not isinstance(record, Idle):
            self._histories[source_of(record)].write(record)
        if isinstance(record, Notice):
            self._notice = f"{record.source}: {record.text}" if record.source else record.text
            self._noticed_s = time.monotonic()
        if self._suspending:
            self._suspend()
        for key in self._keys.pressed():
            if key in self._commands:
                self._commands[key]()
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._read_stderr(now_s)  # also while we cannot draw: a writer would wait for a full pipe
            if self._terminal.ready():
                self._draw(now_s)

    def _draw(self, started_s: float) -> None:
        first, *others = self.frozen or self._views()
        first = replace(first, keys=self._help, notice=self._notice)
        self._live.update(render_all([first, *others]) if others else render(first), refresh=True)
        self._due_s = started_s + max(REDRAW_S, DRAW_SHARE * (time.monotonic() - started_s))

    def _views(self) -> tuple[View, ...]:
        """Return the present view of each source that is shown."""
        return tuple(self._histories[source].view(self._tags) for source in self._chosen)

    @property
    def _tags(self) -> int:
        """How many tags to show: as many as were asked for, or as suit the terminal."""
        return self.top or usual_tags(*self._live.console.size)

    def _read_stderr(self, now_s: float) -> None:
        """Show the newest line of standard error for a while, but the reason why there is no sound until there is."""
        if self._stderr.gather():
            self._notice, self._noticed_s = self._stderr.lines[-1], now_s
        elif now_s - self._noticed_s > NOTICE_S and not any(history.away for history in self._histories.values()):
            self._notice = ""

    def _freeze(self) -> None:
        self.frozen = () if self.frozen else tuple(replace(view, frozen=True) for view in self._views())

    def _mark(self) -> None:
        for history in self._histories.values():
            history.mark()

    def _choose(self, number: int) -> None:
        """Show the source of this number, from 1; all of them for 0."""
        sources = tuple(self._histories)
        if number <= len(sources):
            self._chosen = sources[number - 1 : number] if number else sources
            self.frozen = ()

    def _choose_next(self) -> None:
        """Show the next source, or after the last all of them."""
        sources = tuple(self._histories)
        place = 0 if len(self._chosen) > 1 else sources.index(self._chosen[0]) + 1
        self._choose((place + 1) % (len(sources) + 1))

    def _show(self, more: int) -> None:
        self.top = min(max(self._tags + more, 1), max(len(history.info.tags) for history in self._histories.values()))

    def _toggle_help(self) -> None:
        self._help = not self._help

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

from bowstream.audio.source import Notice
from bowstream.dashboard.canvas import Canvas
from bowstream.dashboard.history import History
from bowstream.dashboard.keys import Keys
from bowstream.dashboard.layout import render, render_timeline, usual_tags
from bowstream.dashboard.lesson import ENTER, ESCAPE, Lesson, Pupil
from bowstream.dashboard.overview import render_all, together
from bowstream.dashboard.terminal import StderrCapture, Terminal
from bowstream.dashboard.view import View
from bowstream.errors import AudioError
from bowstream.events import Event
from bowstream.output.lines import Output, PlainLines
from bowstream.records import Idle, Record, Sound, source_of

REDRAW_S = 0.25
# As long as only the sound goes on.
REDRAW_STILL_S = 0.5
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
    pupil : learns beside the sessions; None if nothing does
    """

    def __init__(self, histories: Sequence[History], stop: Callable[[], None], pupil: Pupil | None = None) -> None:
        self._histories = {history.info.key: history for history in histories}
        self._chosen = tuple(self._histories)  # sources that are shown: all or one
        self.top: int | None = None
        self.frozen: tuple[View, ...] = ()
        self._pupil = pupil
        self._lesson: Lesson | None = None
        self._event: Event | None = None  # the newest
        self._wrong = ""  # id of the newest event that was marked
        self._keys = Keys()
        self._stderr = StderrCapture()
        self._help = False
        self._notice, self._noticed_s = "", 0.0
        self._due_s = self._due_still_s = 0.0
        self._is_still = False
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
            "l": self._teach,
            "w": self._judge,
            "q": stop,
        }
        if len(histories) > 1:
            self._commands |= {str(digit): partial(self._choose, digit) for digit in range(10)}
            self._commands["\t"] = self._choose_next

    def __enter__(self) -> Output:
        if Console().is_dumb_terminal:
            return PlainLines(sys.stdout)
        self._open()
        self._help = self._keys.active and self._canvas.console.height >= ROOMY_LINES
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
            self._canvas = stack.enter_context(Canvas(Console(file=cast(TextIO, self._terminal))))
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
        self._is_still = self._is_still and isinstance(record, Sound | Idle)
        if isinstance(record, Notice):
            self._say(f"{record.source}: {record.text}" if record.source else record.text)
        if self._suspending:
            self._suspend()
        if isinstance(record, Event) and record.id and record.offset_s is None:
            self._event = record
        if typed := self._keys.pressed():
            self._press(typed)
            self._is_still = False
        now_s = time.monotonic()
        self._read_stderr(now_s)  # at once, and while we cannot draw, too: a writer would wait for a full pipe
        if now_s >= (self._due_still_s if self._is_still else self._due_s) and self._terminal.ready():
            self._draw(now_s)

    def _draw(self, started_s: float) -> None:
        first, *others = self.frozen or self._views()
        first = replace(first, keys=self._help, notice=self._notice, lesson=self._lesson)
        self._canvas.draw(render_all([first, *others]) if others else render(first))
        took_s = time.monotonic() - started_s
        self._due_s = started_s + max(REDRAW_S, DRAW_SHARE * took_s)
        self._due_still_s = started_s + max(REDRAW_STILL_S, DRAW_SHARE * took_s)
        self._is_still = True

    def _views(self) -> tuple[View, ...]:
        """Return the present view of each source that is shown."""
        return tuple(self._histories[source].view(self._tags) for source in self._chosen)

    @property
    def _tags(self) -> int:
        """How many tags to show: as many as were asked for, or as suit the terminal."""
        return self.top or usual_tags(*self._canvas.console.size)

    def _read_stderr(self, now_s: float) -> None:
        """Show the newest line of standard error for a while, but the reason why there is no sound until there is."""
        if self._stderr.gather():
            self._notice, self._noticed_s = self._stderr.lines[-1], now_s
        elif now_s - self._noticed_s > NOTICE_S and not any(history.away for history in self._histories.values()):
            self._notice = ""

    def _press(self, typed: str) -> None:
        """Do what keys ask for; while something is taught they are its name."""
        if self._lesson and typed.startswith(ESCAPE):  # alone, or as an arrow begins
            self._lesson = None if typed == ESCAPE else self._lesson
            return
        for key in typed:
            if not self._lesson:
                self._commands.get(key, lambda: None)()
            elif key not in ENTER:
                self._lesson = self._lesson.typed(key)
            elif self._pupil and (name := self._lesson.name.strip()):
                self._pupil.teach(name, self._lesson.example)
                self._lesson = None
                self._say(f"learning {name} …")

    def _teach(self) -> None:
        """Take the last seconds, and ask what they are."""
        if not self._pupil:
            self._say("nothing can be taught here: listen to a microphone")
            return
        if len(self._chosen) > 1:
            self._say(f"which of them? 1 … {len(self._chosen)} shows one, and l teaches what that has heard")
            return
        (source,) = self._chosen
        self.frozen = ()  # what is taught is seen
        try:
            self._lesson = Lesson.begin(self._pupil.newest[source], self._histories[source].picture)
        except AudioError as error:
            self._say(str(error))

    def _judge(self) -> None:
        """Say that the newest event was wrong, or take that back."""
        event = self._event
        if not event or not event.id or not self._pupil:
            self._say("there is no event to judge yet" if self._pupil else "nothing is learned here")
            return
        self._wrong = "" if event.id == self._wrong else event.id
        self._pupil.judge(event.id, "wrong" if self._wrong else None)
        self._histories[event.source].set_wrong(event, bool(self._wrong))
        self._say(f"{event.tag}: {'marked wrong; w takes it back' if self._wrong else 'no longer wrong'}")

    def _say(self, text: str) -> None:
        self._notice, self._noticed_s = text, time.monotonic()

    def _freeze(self) -> None:
        views = () if self.frozen else self._views()
        self.frozen = tuple(replace(view, frozen=True, picture=view.picture.copy()) for view in views)

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

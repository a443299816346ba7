"""How far a replay is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from bowstream._text import printable

if TYPE_CHECKING:  # imported where there is a terminal: elsewhere it would be a tenth of a short replay
    from rich.progress import Progress, ProgressColumn


class Lines:
    """Lines on standard error, above a bar where that is a terminal.

    Parameters
    ----------
    columns : makes what stands beside the bar
    """

    def __init__(self, columns: Callable[[], list[ProgressColumn]], total: float | None, transient: bool) -> None:
        self._progress: Progress | None = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(*columns(), console=Console(stderr=True), transient=transient)
            self._task = self._progress.add_task("", total=total)

    def start(self) -> None:
        """Draw from now on."""
        if self._progress:
            self._progress.start()

    def stop(self) -> None:
        """Draw no more."""
        if self._progress:
            self._progress.stop()

    def show(self, completed: float, **fields: Any) -> bool:
        """Move the bar; return whether there is one."""
        if self._progress:
            self._progress.update(self._task, completed=completed, **fields)
        return self._progress is not None

    def print(self, line: str) -> None:
        """Write a line above the bar."""
        if self._progress:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr)


class Bar:
    """A progress bar on standard error; nothing where that is no terminal."""

    def __init__(self, files: int) -> None:
        self._lines = Lines(of_files, files, transient=True)
        self.print = self._lines.print
        self._done, self._share = 0, 0.0

    def __enter__(self) -> Bar:
        self._lines.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._lines.stop()

    def advance(self, share: float) -> None:
        """Move by a share of a file."""
        self._share += share
        self._lines.show(self._done + self._share)

    def next_file(self) -> None:
        """Move to the end of the file."""
        self._done, self._share = self._done + 1, 0.0
        self._lines.show(self._done)


def of_files() -> list[ProgressColumn]:
    """Return what is shown of a number of files."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    said = TextColumn("{task.completed:.1f} of {task.total:.0f} files")
    return [TextColumn("replay"), BarColumn(), said, TimeRemainingColumn()]


class Pace:
    """How far a job is, how fast it goes and when it will be done: a bar, or a line now and then where no terminal is.

    Parameters
    ----------
    every_s : between two lines
    """

    def __init__(self, every_s: float = 60.0) -> None:
        self._lines = Lines(of_sound, None, transient=False)
        self.print = self._lines.print
        self._every_s = every_s
        self._total_s = self._done_s = self._before_s = 0.0
        self._errors = 0
        self._began_s = self._said_s = monotonic()

    def __enter__(self) -> Pace:
        self._lines.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._lines.stop()

    def begin(self, total_s: float, done_s: float) -> None:
        """Note how much work there is, and how much was done before, in seconds of sound."""
        self._total_s, self._done_s, self._before_s = total_s, done_s, done_s
        self._began_s = self._said_s = monotonic()
        if done_s:
            self.print(f"bowstream: continuing: {hours(done_s)} of {hours(total_s)} were done before")

    def advance(self, done_s: float, errors: Sequence[str]) -> None:
        """Note how much was done just now, and what could not be heard."""
        self._done_s += done_s
        self._errors += len(errors)
        for error in errors:
            self.print(f"bowstream: {printable(error)}")
        is_drawn = self._lines.show(self._done_s, total=self._total_s, description=self.line())
        if not is_drawn and monotonic() - self._said_s >= self._every_s:
            self._said_s = monotonic()
            self.print(f"bowstream: {self.line()}")

    def line(self) -> str:
        """Return how far it is, in words."""
        taken_s, done_s = monotonic() - self._began_s, self._done_s - self._before_s
        parts = [f"{hours(self._done_s)} of {hours(self._total_s)} of sound"]
        if done_s and taken_s:
            rate = done_s / taken_s
            left_s = (self._total_s - self._done_s) / rate
            end = datetime.now() + timedelta(seconds=left_s)
            parts += [
                f"{rate:.0f} × real time",
                f"done at {end:%H:%M}" if left_s < 43_200 else f"done on {end:%a %d %b %H:%M}",
            ]
        if self._errors:
            parts.append(f"{self._errors} failed")
        return ", ".join(parts)


def of_sound() -> list[ProgressColumn]:
    """Return what is shown of hours of sound."""
    from rich.progress import BarColumn, TextColumn

    return [BarColumn(), TextColumn("{task.description}")]


def hours(seconds: float) -> str:
    """Return a time as hours."""
    return f"{seconds / 3600.0:.1f} h"

"""How far a replay is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bowstream._text import printable


class Bar:
    """A progress bar on standard error; nothing where that is no terminal."""

    def __init__(self, files: int) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.1f} of {task.total:.0f} files"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("replay", total=files)
        self._done = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def advance(self, share: float) -> None:
        """Move by a share of a file."""
        self._progress.advance(self._task, share)

    def next_file(self) -> None:
        """Move to the end of the file."""
        self._done += 1
        self._progress.update(self._task, completed=self._done)

    def print(self, line: str) -> None:
        """Write a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Pace:
    """How far a job is, how fast it goes and when it will be done: a bar, or a line now and then where no terminal is.

    Parameters
    ----------
    every_s : between two lines
    """

    def __init__(self, every_s: float = 60.0) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(), TextColumn("{task.description}"), console=self._console, disable=not self._console.is_terminal
        )
        self._task = self._progress.add_task("", total=None)
        self._every_s = every_s
        self._total_s = self._done_s = self._before_s = 0.0
        self._errors = 0
        self._began_s = self._said_s = monotonic()

    def __enter__(self) -> Pace:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def begin(self, total_s: float, done_s: float) -> None:
        """Note how much work there is, and how much was done before, in seconds of sound."""
        self._total_s, self._done_s, self._before_s = total_s, done_s, done_s
        self._began_s = self._said_s = monotonic()
        if done_s:
            self.print(f"bowstream: going on: {hours(done_s)} of {hours(total_s)} were done before")

    def advance(self, done_s: float, errors: Sequence[str]) -> None:
        """Note how much was done just now, and what could not be heard."""
        self._done_s += done_s
        self._errors += len(errors)
        for error in errors:
            self.print(f"bowstream: {printable(error)}")
        self._progress.update(self._task, completed=self._done_s, total=self._total_s, description=self.line())
        if not self._console.is_terminal and monotonic() - self._said_s >= self._every_s:
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

    def print(self, line: str) -> None:
        """Write a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def hours(seconds: float) -> str:
    """Return a time as hours."""
    return f"{seconds / 3600.0:.1f} h"

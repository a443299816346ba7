"""What training says while it works: a bar at the bottom, lines above it, all on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")

console = Console(file=sys.stderr, highlight=False)


def say(line: str) -> None:
    """Print one line, above a bar if there is one."""
    console.print(line, soft_wrap=True, markup=False)


def track(items: Iterable[Item], total: int, title: str, done: int = 0) -> Iterator[Item]:
    """Yield the items under a progress bar; no bar where standard error is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)

"""Where the history is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bowstream.config.paths import expanded
from bowstream.errors import BowstreamError, UsageError

FILE_NAME = "history.db"
# Of the files beside it: SQLite's journal and its index, and the newest beats.
JOURNAL, INDEX, BEATS = "-wal", "-shm", "-beat"
SYSTEM_FOLDER = Path("/var/lib/bowstream")


def kept_at(path: str) -> Path:
    """Return where a history is written: at a path that is given, else in the state folder of the service or user."""
    if path:
        return expanded(path).absolute()
    # systemd names the folder that it has made for the service; there may be several, parted by colons.
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(folder or state_folder()) / FILE_NAME


def found_at(path: str) -> Path:
    """Return where the history to read is: at a path that is given, else the one that was written to last.

    Raises
    ------
    BowstreamError
        If there is none.
    """
    places = [expanded(path).absolute()] if path else list(default_files())
    found: list[Path] = []
    barred: list[Path] = []
    for place in places:
        try:
            found += [place] if place.is_file() else []
        except PermissionError:
            barred.append(place)
    if found:
        return max(found, key=changed_s)
    if barred:
        raise unreadable(barred[0])
    raise BowstreamError(
        f"there is no history yet at {' or '.join(map(str, places))}: 'bowstream listen --history' keeps one, and so "
        "does the service"
    )


def changed_s(path: Path) -> float:
    """Return when a history was written to, by the system's clock: the newest changes are in a file beside it."""
    journal = beside(path, JOURNAL)
    return max(file.stat().st_mtime for file in (path, journal) if file.exists())


def default_files() -> Iterator[Path]:
    """Yield where a history is looked for: in the user's folders, where there is a home, and in the system's."""
    try:
        folders = [state_folder(), expanded("~/.config") / "bowstream"]  # the latter with systemd before 254
    except UsageError:
        folders = []
    yield from (folder / FILE_NAME for folder in (*folders, SYSTEM_FOLDER))


def state_folder() -> Path:
    """Return the user's folder for what programs keep."""
    return Path(os.environ.get("XDG_STATE_HOME") or expanded("~/.local/state")) / "bowstream"


def unreadable(path: Path) -> BowstreamError:
    """Return the error that a history belongs to another user."""
    return BowstreamError(f"{path} belongs to another user, a service perhaps: use sudo to read it")


def put_aside(path: Path, now_ms: int) -> Path:
    """Rename a damaged history, so that a new one can begin; return its new name."""
    aside = path.with_name(f"{path.name}.damaged-{now_ms}")
    path.replace(aside)
    for suffix in (JOURNAL, INDEX, BEATS):
        with suppress(FileNotFoundError):
            beside(path, suffix).replace(beside(aside, suffix))
    return aside


def beside(path: Path, suffix: str) -> Path:
    """Return the path of a file that belongs to a history."""
    return path.with_name(path.name + suffix)

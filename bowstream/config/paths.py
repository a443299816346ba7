"""Paths with `~` in them, on machines where there may be no home."""

from __future__ import annotations

from pathlib import Path

from bowstream.errors import UsageError


def expanded(path: str | Path) -> Path:
    """Return a path with `~` filled in.

    Raises
    ------
    UsageError
        If it needs a home folder and there is none, as for a container's user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no home folder for ~: set HOME, or write the whole path") from error

"""Files that a verb is asked to write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bowstream.errors import BowstreamError

STDOUT = Path("-")


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file, whole or not at all: what was there stays until then; `-` is standard output.

    Parameters
    ----------
    mode : of a file that is new

    Raises
    ------
    BowstreamError
        If it cannot be written; it names the file.
    """
    if path == STDOUT:
        sys.stdout.write(text)
        return
    target = path.resolve()  # what a link leads to is written, and the link stays
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():  # a device, or a pipe
            target.write_text(text, "utf-8", newline="")
            return
        try:
            with os.fdopen(
                os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline=""
            ) as file:
                file.write(text)
                if target.exists():
                    os.fchmod(file.fileno(), target.stat().st_mode & 0o777)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BowstreamError(f"{path}: {error.strerror}") from error

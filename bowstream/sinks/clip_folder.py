"""A folder of clips that is held to a size: the clips that were written first make room for new ones."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from bowstream.sinks.files import make_folder, open_file
from bowstream.sinks.worker import PermanentError

# Names of clips: the time in UTC, the tag. Only such files are ever deleted.
NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_.+\.flac")
PART = re.compile(r"\..+\.flac\.part")
# Clips that are deleted at a time.
AT_ONCE = 100
# The times of two files are at least this far apart.
STEP_NS = 1_000_000


class ClipFolder:
    """Writes clips whole or not at all: under another name first, which a crash may leave, and `tidy` deletes.

    Parameters
    ----------
    path : is made when the first clip is written
    cap_mb : megabytes that all clips may take
    shared : whether other users may read them
    """

    def __init__(self, path: Path, cap_mb: float, shared: bool) -> None:
        self.path = path
        self._cap_mb = cap_mb
        self._shared = shared
        self._last_ns = 0  # time of the newest clip's file

    def tidy(self) -> None:
        """Delete incomplete files."""
        if self.path.is_dir():
            for file in self.path.iterdir():
                if PART.fullmatch(file.name):
                    file.unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> Path:
        """Write a clip, after making room for it; return its file.

        Raises
        ------
        PermanentError
            If it is larger than all clips may be.
        """
        room = self._cap_mb * 1e6 - len(content)
        if room < 0:
            raise PermanentError(f"a clip of {len(content) / 1e6:.2f} MB is more than cap_mb, {self._cap_mb:g}")
        make_folder(self.path, self._shared)
        make_room(self.path, room)
        part = self.path / f".{os.getpid()}-{name}.part"
        try:
            with os.fdopen(open_file(part, os.O_TRUNC, self._shared), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._last_ns = self._next_ns()
            with suppress(PermissionError):  # a card or share with another owner: it has the time of writing
                os.utime(part, ns=(self._last_ns, self._last_ns))
            return part.replace(unused(self.path / name))
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _next_ns(self) -> int:
        """Return the time for a new file: now, but later than all other clips, even if the system's clock is wrong.

        So the files' times are in the order in which the clips were written, and the oldest is deleted first.
        """
        last_ns = self._last_ns or max((written_ns for written_ns, _, _ in clips_in(self.path)), default=0)
        return max(time.time_ns(), last_ns + STEP_NS)


def make_room(folder: Path, cap_bytes: float) -> None:
    """Delete the clips that were written first until the rest fit; many clips take no more memory than few."""
    while (excess := sum(size for _, _, size in clips_in(folder)) - cap_bytes) > 0:
        for _, name, size in heapq.nsmallest(AT_ONCE, clips_in(folder)):
            if excess <= 0:
                break
            (folder / name).unlink(missing_ok=True)
            excess -= size


def clips_in(folder: Path) -> Iterator[tuple[int, str, int]]:
    """Yield when each clip was written (ns), its name and its size, in no order."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                yield found.st_mtime_ns, entry.name, found.st_size


def unused(path: Path) -> Path:
    """Return a path if there is no such file yet, else the first one with a number that is free."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())

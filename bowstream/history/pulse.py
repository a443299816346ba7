"""What a listener has noted since its last commit, in a file that is overwritten in place: half of a commit's cost."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

# The file has two halves that are written in turn: a power cut tears one at most.
HALF = 1 << 15
# Older beats are no longer kept: what they say has long been written.
OLD_MS = 120_000


class Beat(NamedTuple):
    """Until when a stream has listened, and its minute so far: rows of `listening` and of `minutes`."""

    listening: tuple[int, int, int]
    minute: tuple[int, int, int, float, float, bytes]

    @property
    def stream(self) -> int:
        """The stream's id."""
        return self.listening[1]


class Pulse:
    """The newest beat of each stream of this process. The file stays when it is closed: who reads it next deletes it.

    Parameters
    ----------
    path : of the file; it is made if it is not there
    mode : its permissions, as far as the umask lets

    Raises
    ------
    OSError
        If another process has it, or it cannot be made.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._path = path
        self._beats: dict[int, Beat] = {}
        self._number = 0
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # All of it is there from now on, so that a beat changes nothing but its own block.
            os.pwrite(self._file, bytes(2 * HALF), 0)
            os.fsync(self._file)
        except BaseException:
            os.close(self._file)
            raise

    def keep(self, beat: Beat) -> None:
        """Write a beat; when it returns, it survives a power cut. Raise `OSError` if it cannot be written."""
        oldest_ms = beat.listening[2] - OLD_MS
        self._beats = {key: each for key, each in self._beats.items() if each.listening[2] > oldest_ms}
        self._beats[beat.stream] = beat
        self._number += 1
        rows = [(*one.listening, *one.minute[:-1], b64encode(one.minute[-1]).decode()) for one in self._beats.values()]
        body = json.dumps([self._number, *rows]).encode()
        text = b"%08x%s\n" % (crc32(body), body)
        if len(text) > HALF:
            raise OSError(errno.EFBIG, f"{len(self._beats)} streams are too many for {self._path}")
        os.pwrite(self._file, text, HALF * (self._number % 2))
        os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def left_by(path: Path) -> list[Beat]:
    """Return the beats that a listener has left who is no more: it was killed, or its power went."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            content = file.read()
    except (FileNotFoundError, BlockingIOError):  # there is none; or it goes on, and will write them itself
        return []
    halves = (half.partition(b"\n")[0] for half in (content[:HALF], content[HALF:]))
    whole: list[list[Any]] = []
    for half in halves:
        with suppress(ValueError):
            if int(half[:8], 16) == crc32(half[8:]):
                whole.append(json.loads(half[8:]))
    rows = max(whole)[1:] if whole else []
    return [Beat(tuple(row[:3]), (*row[3:8], b64decode(row[8]))) for row in rows]

"""JSON lines in a file that is rotated by size."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bowstream.config.paths import expanded
from bowstream.config.sinks import JsonlSettings
from bowstream.health.counters import Health
from bowstream.output.values import record_json
from bowstream.records import Record, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks.files import make_folder, opened_alone
from bowstream.sinks.worker import Sink


class JsonFile(Sink[bytes]):
    """Writes one JSON object per line, the same as `--json`.

    The file is opened for each line, so it may be moved, deleted or on a disk that comes back. Lines are whole:
    a line that fits only in part on a full disk is removed again, and a torn line that a crash left is ended first.
    Several processes may write to one file.
    """

    def __init__(self, settings: JsonlSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("jsonl")
        self._settings = settings
        self._path = expanded(settings.path)
        self._healths = {info.key: health}

    def add(self, info: StreamInfo, health: Health) -> None:
        """Write another source's records, too."""
        self._healths[info.key] = health

    def convert(self, record: Record) -> Iterator[bytes]:
        """Return an event's, gap's or hop's line."""
        if isinstance(record, Scores) and not self._settings.hops:
            return
        if text := record_json(record, self._healths[record.source] if isinstance(record, Scores) else None):
            yield text.encode() + b"\n"

    def deliver(self, item: bytes) -> None:
        """Append a line while no other process writes to the file."""
        make_folder(self._path.parent, self._settings.shared)
        while True:
            with opened_alone(self._path, self._settings.shared) as descriptor:
                length = os.fstat(descriptor).st_size
                if not length or length + len(item) <= self._settings.rotate_mb * 1e6:
                    append(descriptor, item, self._path)
                    return
                self._rotate()

    def _rotate(self) -> None:
        """Put the file aside as number 1 and each older one a number further; the last is overwritten."""
        numbered = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._settings.keep + 1))]
        if len(numbered) == 1:
            self._path.unlink()
        for older, newer in zip(numbered[:0:-1], numbered[-2::-1]):
            if newer.exists():
                newer.replace(older)


def append(descriptor: int, line: bytes, path: Path) -> None:
    """Append a whole line or nothing; end a torn one first, which a crash left."""
    found = os.fstat(descriptor)
    if not ends_whole(path, found.st_size):
        line = b"\n" + line
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{path}: the disk is full")
    except OSError:
        if stat.S_ISREG(found.st_mode):
            os.ftruncate(descriptor, found.st_size)
        raise


def ends_whole(path: Path, length: int) -> bool:
    """Whether a file of this length is empty or ends with a line break."""
    if not length:
        return True
    with path.open("rb") as file:
        file.seek(length - 1)
        return file.read() == b"\n"

"""What events were raised by: the codes of the hop that scored highest, in a small file beside the history.

It holds no sound. Somebody's verdict on an event is learned from that.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream.errors import BowstreamError
from bowstream.events import Event
from bowstream.model.codebook import Codes
from bowstream.scores import Scores

FILE_NAME = "evidence.db"
# Events that are kept: 5 MB.
MOST = 5000
BUSY_S = 5.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS evidence (
    id TEXT PRIMARY KEY, tag TEXT NOT NULL, bundle TEXT NOT NULL, context INTEGER NOT NULL, codes BLOB NOT NULL
) WITHOUT ROWID
"""
PUT = "INSERT OR REPLACE INTO evidence (id, tag, bundle, context, codes) VALUES (?, ?, ?, ?, ?)"
# Ids sort by onset.
DROP_OLDEST = f"DELETE FROM evidence WHERE id <= (SELECT id FROM evidence ORDER BY id DESC LIMIT 1 OFFSET {MOST})"


@dataclass(frozen=True)
class Evidence:
    """What an event was raised by.

    event : its id
    tag : as it is shown
    bundle : SHA-256 of the bundle that heard it
    codes : int [shape=(context, P)], of the hop that scored highest
    """

    event: str
    tag: str
    bundle: str
    codes: Codes


class Peaks:
    """Follows a session's scores and events, for what each event is raised by. No file.

    bundle : SHA-256 of the bundle
    """

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._newest: Scores | None = None
        self._open: dict[str, tuple[float, Codes]] = {}

    def score(self, scores: Scores) -> None:
        """Take a hop."""
        self._newest = scores
        for tag, (peak, _) in self._open.items():
            if tag in scores.tags and (score := scores[tag]) > peak:
                self._open[tag] = score, scores.codes

    def event(self, event: Event) -> Evidence | None:
        """Take an event, as it opens and as it ends; return what is known of it."""
        if event.offset_s is None and self._newest:
            self._open[event.tag] = event.peak, self._newest.codes
        if not event.id or event.tag not in self._open:
            return None
        _, codes = self._open[event.tag] if event.offset_s is None else self._open.pop(event.tag)
        return Evidence(event.id, event.tag, self._bundle, codes)


def keep(path: Path, evidence: Evidence) -> None:
    """Put what is known of an event into the file, which is made if it is not there; the oldest make room.

    Raises
    ------
    sqlite3.Error
        If it cannot be written; `sqlite3.DatabaseError` itself if it is damaged.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    context, _ = evidence.codes.shape
    codes = evidence.codes.astype(np.uint16).tobytes()
    with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection, connection:
        connection.execute(SCHEMA)
        connection.execute(PUT, (evidence.event, evidence.tag, evidence.bundle, context, codes))
        connection.execute(DROP_OLDEST)


def find(path: Path, event: str) -> Evidence | None:
    """Return what is known of an event; None if it is not, or no more.

    Raises
    ------
    BowstreamError
        If the file cannot be read.
    """
    if not path.exists():
        return None
    with reading(path) as connection:
        row = connection.execute("SELECT tag, bundle, context, codes FROM evidence WHERE id = ?", (event,)).fetchone()
    if not row:
        return None
    tag, bundle, context, codes = row
    return Evidence(event, tag, bundle, np.frombuffer(codes, np.uint16).reshape(context, -1).astype(np.intp))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that reads."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise BowstreamError(f"{path} cannot be read: {error}") from error

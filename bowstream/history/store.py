"""The history's file: one SQLite database that grows to a bound, survives a power cut, and is never given up."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowstream.errors import BowstreamError
from bowstream.history.place import BEATS, beside, unreadable
from bowstream.history.pulse import Beat, Pulse, left_by
from bowstream.history.spans import DAY_MS

VERSION = 1
# How long to wait for another process that is writing.
BUSY_S = 2.0
# The share of the history that goes at once when it has grown too large.
SHARE = 20

# Times are Unix milliseconds, UTC. `utc_offset_s` is what local time was ahead by, then and there.
SCHEMA = f"""
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
-- One row per run of a listener on a source. A run without `ended_ms` goes on, or was killed.
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, started_ms INTEGER NOT NULL, ended_ms INTEGER,
    source TEXT NOT NULL, bundle TEXT NOT NULL, tags TEXT NOT NULL, hop_s REAL NOT NULL
);
-- When there were ears: what lies outside was heard by nobody.
CREATE TABLE IF NOT EXISTS listening (
    start_ms INTEGER NOT NULL, stream INTEGER NOT NULL, end_ms INTEGER NOT NULL, PRIMARY KEY (start_ms, stream)
) WITHOUT ROWID;
-- `duration_ms` is NULL while an event is open; `level_dbfs` is the mean over it.
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, onset_ms INTEGER NOT NULL, duration_ms INTEGER, utc_offset_s INTEGER NOT NULL,
    tag TEXT NOT NULL, peak REAL NOT NULL, mean REAL NOT NULL, level_dbfs REAL, stream INTEGER NOT NULL,
    clip TEXT, verdict TEXT CHECK (verdict IN ('right', 'wrong')), judged_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_onset ON events (onset_ms, tag, peak, duration_ms, utc_offset_s, verdict);
CREATE TABLE IF NOT EXISTS gaps (
    start_ms INTEGER NOT NULL, stream INTEGER NOT NULL, duration_ms INTEGER NOT NULL, PRIMARY KEY (start_ms, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    time_ms INTEGER NOT NULL, stream INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notices_by_time ON notices (time_ms);
-- A minute's mean and highest level, and the highest score of each tag of the stream, 0 … 255, a byte each.
CREATE TABLE IF NOT EXISTS minutes (
    start_ms INTEGER NOT NULL, stream INTEGER NOT NULL, heard_ms INTEGER NOT NULL,
    level_dbfs REAL NOT NULL, peak_dbfs REAL NOT NULL, scores BLOB NOT NULL, PRIMARY KEY (start_ms, stream)
) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
COMMIT;
"""
LISTENING = """
INSERT INTO listening (start_ms, stream, end_ms) VALUES (?, ?, ?)
ON CONFLICT (start_ms, stream) DO UPDATE SET end_ms = max(end_ms, excluded.end_ms)"""
MINUTE = """
INSERT INTO minutes (start_ms, stream, heard_ms, level_dbfs, peak_dbfs, scores) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (start_ms, stream) DO UPDATE SET heard_ms = excluded.heard_ms, level_dbfs = excluded.level_dbfs,
peak_dbfs = excluded.peak_dbfs, scores = excluded.scores WHERE excluded.heard_ms >= heard_ms"""
VERDICT = "UPDATE events SET verdict = ?, judged_ms = ? WHERE id = ?"
# Tables that grow, and the column that says how old a row is.
AGES = {
    "events": "onset_ms",
    "listening": "end_ms",
    "gaps": "start_ms",
    "notices": "time_ms",
    "minutes": "start_ms",
}


@dataclass(frozen=True)
class Change:
    """One statement for the history, with its values."""

    statement: str
    values: Sequence[Any]


def changes_of(beat: Beat) -> tuple[Change, Change]:
    """Return what a beat changes; whether it is made once or twice, or after a newer one, makes no difference."""
    return Change(LISTENING, beat.listening), Change(MINUTE, beat.minute)


class ForeignError(BowstreamError):
    """The file is of a later version, or of another program."""


class Store:
    """A history that is open for writing.

    Parameters
    ----------
    path : of the file; it is made if it is not there
    shared : whether a new one may be read by whom the umask lets, else only by this user

    Raises
    ------
    ForeignError
        If the file is another program's, or a later version's.
    sqlite3.Error
        If it cannot be opened; `sqlite3.DatabaseError` itself if it is damaged.
    """

    def __init__(self, path: Path, shared: bool = False) -> None:
        self.path = path
        self._mode = 0o666 if shared else 0o600
        self._pulse: Pulse | None = None  # once there is a beat
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode))
        self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._make()
            self._recover()
        except BaseException:
            self._connection.close()
            raise
        self._inode = path.stat().st_ino

    def _make(self) -> None:
        """Make the tables of a new file."""
        version = self._value("PRAGMA user_version")
        if version == 0 and self._value("SELECT count(*) FROM sqlite_master"):
            raise ForeignError(f"{self.path} is a database of another program")
        if version > VERSION:
            raise ForeignError(f"{self.path} was made by a later bowstream: upgrade this one, or name another path")
        if version < VERSION:
            self._connection.executescript(SCHEMA)
        self._connection.execute("PRAGMA synchronous = FULL")  # each commit waits for the disk

    def _recover(self) -> None:
        """Write what a listener has left who is no more."""
        pulse = beside(self.path, BEATS)
        if left := left_by(pulse):
            for beat in left:
                if self._value(f"SELECT count(*) FROM streams WHERE id = {beat.stream}"):
                    self.write(changes_of(beat))
            pulse.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._pulse:
            self._pulse.close()
        self._connection.close()

    def seal(self) -> None:
        """Keep all in the one file: it can then be read where nothing can be written."""
        self._connection.execute("PRAGMA journal_mode = DELETE")

    @property
    def is_current(self) -> bool:
        """Whether the path still names the open file: it may have been deleted or moved away."""
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def write(self, changes: Iterable[Change]) -> None:
        """Make changes, all of them or none; when it returns, they survive a power cut."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                connection.execute(change.statement, change.values)

    def note(self, beat: Beat) -> None:
        """Keep a beat: as safe as what is written, for less; readers see it with the next one that is written."""
        try:
            self._pulse = self._pulse or Pulse(beside(self.path, BEATS), self._mode)
            self._pulse.keep(beat)
        except OSError:  # another listener keeps this history, too; or there is no room
            self.write(changes_of(beat))

    def tidy(self, now_ms: int, days: float, cap_bytes: float) -> None:
        """Delete what is older than so many days, and then the oldest, until the rest fits."""
        self._delete_before(now_ms - round(days * DAY_MS))
        while self.used_bytes > cap_bytes and (oldest := self._oldest_share()) is not None:
            self._delete_before(oldest)
        # Given back page by page, for as long as it is stepped, which `execute` does once.
        self._connection.executescript("PRAGMA incremental_vacuum")

    @property
    def used_bytes(self) -> int:
        """Size of what is kept, without pages that wait to be used again."""
        pages = self._value("PRAGMA page_count") - self._value("PRAGMA freelist_count")
        return int(pages * self._value("PRAGMA page_size"))

    def _oldest_share(self) -> int | None:
        """Return before when the oldest twentieth lies, of the table with most rows; None if all are empty."""
        rows = {table: self._value(f"SELECT count(*) FROM {table}") for table in AGES}
        table = max(rows, key=rows.__getitem__)
        at, place = AGES[table], rows[table] // SHARE
        if not rows[table]:
            return None
        return int(self._value(f"SELECT {at} FROM {table} ORDER BY {at} LIMIT 1 OFFSET {place}")) + 1

    def _delete_before(self, before_ms: int) -> None:
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, at in AGES.items():
                connection.execute(f"DELETE FROM {table} WHERE {at} < ?", (before_ms,))
            # Streams that nothing refers to any more; the newest is the one that is running.
            connection.execute(
                "DELETE FROM streams WHERE started_ms < ? AND id < (SELECT max(id) FROM streams) AND NOT EXISTS "
                "(SELECT 1 FROM listening WHERE stream = streams.id)",
                (before_ms,),
            )

    def _value(self, query: str) -> Any:
        return self._connection.execute(query).fetchone()[0]


def open_history(path: Path, writable: bool = False) -> closing[sqlite3.Connection]:
    """Return a connection to a history that is there, as a context that closes it.

    What a listener has left that was killed is taken over first, if the file is ours to write.

    Raises
    ------
    BowstreamError
        If it cannot be opened, or is no history of this version.
    """
    mode = "rw" if writable else "ro"
    try:
        if os.access(path, os.W_OK) and left_by(beside(path, BEATS)):
            Store(path).close()
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_S)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if path.exists() and not (os.access(path, os.R_OK) and os.access(path.parent, os.W_OK)):
            raise unreadable(path) from error
        raise BowstreamError(f"{path} cannot be read as a history: {error}") from error
    if version != VERSION:
        connection.close()
        raise BowstreamError(f"{path} is not a history of this version of bowstream (got version {version})")
    return closing(connection)

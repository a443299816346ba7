"""The history: what was heard, and when there were ears, in a file that answers questions later."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from bowstream.config.sinks import HistorySettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.history.place import kept_at, put_aside
from bowstream.history.recorder import CLIP, Batch, Recorder
from bowstream.history.store import VERDICT, Change, ForeignError, Store
from bowstream.records import Idle, Record, Sound, StreamInfo, source_of
from bowstream.sinks.files import make_folder
from bowstream.sinks.worker import PermanentError, RetryableError, Sink

TIDY_EVERY_S = 3600.0


class HistorySink(Sink[Batch]):
    """Writes events, gaps and notices as they come, and every `sync_s` that it listens and how loud it is.

    What is written is safe on the disk, whether the process is killed or the power goes. A file that was deleted or
    moved away is begun again; one that is damaged is put aside.
    """

    takes_sound = True

    def __init__(self, settings: HistorySettings, info: StreamInfo, health: Health) -> None:
        super().__init__("history", capacity=10_000)
        self._settings = settings
        self._path = kept_at(settings.path)
        self._recorders = {info.key: Recorder(info, settings.sync_s)}
        self._store: Store | None = None
        self._told: list[Change] = []  # the runs that the file knows
        self._tidy_due_s = 0.0

    def add(self, info: StreamInfo, health: Health) -> None:
        """Keep the history of another source, too: a run for each."""
        self._recorders[info.key] = Recorder(info, self._settings.sync_s)

    def write(self, record: Record) -> None:
        """Put what changes in the queue; sound, which may come ten times a second, goes the short way."""
        if isinstance(record, Sound):
            self._recorders[record.source].levels.push(record)
        else:
            super().write(record)

    def convert(self, record: Record) -> Iterable[Batch]:
        """Return what changes in the history."""
        return () if isinstance(record, Idle) else self._recorders[source_of(record)].record(record)

    def flush(self) -> Iterator[Batch]:
        """Return what changes when the session ends."""
        return chain.from_iterable(recorder.end() for recorder in self._recorders.values())

    def clip_kept(self, event: Event, file: Path) -> None:
        """Note an event's clip; called by the thread of the sink that wrote it."""
        self.enqueue(Batch((Change(CLIP, (str(file), event.id)),)))

    def judged(self, event: str, verdict: str | None) -> None:
        """Note a verdict; called by the thread of the sink that got it."""
        self.enqueue(Batch((Change(VERDICT, (verdict, verdict and time.time_ns() // 1_000_000, event)),)))

    def deliver(self, item: Batch) -> None:
        """Make changes, all of them or none."""
        try:
            if self._store and not self._store.is_current:
                self._store.close()
                self._store = None
            if not self._store:
                self._told.clear()
                make_folder(self._path.parent, self._settings.shared)
                self._store = Store(self._path, self._settings.shared)
            self._tidy(self._store)
            is_new = item.stream is not None and not any(item.stream is run for run in self._told)
            changes = [item.stream, *item.changes] if item.stream and is_new else item.changes
            if changes:
                self._store.write(changes)
            if item.stream and is_new:
                self._told.append(item.stream)
            if item.beat:
                self._store.note(item.beat)
        except ForeignError as error:
            raise PermanentError(str(error)) from error
        except sqlite3.OperationalError as error:  # locked, full, not ours
            raise RetryableError(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # a bug, which another file would not mend
                raise
            self._begin_again(error)

    def _begin_again(self, error: sqlite3.DatabaseError) -> None:
        """Put a damaged file aside."""
        if self._store:
            self._store.close()
            self._store = None
        aside = put_aside(self._path, time.time_ns() // 1_000_000)
        self.warn(f"{self._path} was damaged ({error}): kept as {aside.name}, a new one begins")
        raise RetryableError(f"{self._path} was damaged") from error

    def _tidy(self, store: Store) -> None:
        """Delete what is too old or too much, once an hour."""
        if time.monotonic() >= self._tidy_due_s:
            self._tidy_due_s = time.monotonic() + TIDY_EVERY_S
            store.tidy(time.time_ns() // 1_000_000, self._settings.days, self._settings.cap_mb * 1e6)

    def close(self) -> None:
        """Close the file."""
        if self._store:
            self._store.close()

"""From a session's records to what changes in the history. No clock, no file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.history.levels import Levels, Minute
from bowstream.history.spans import unix_ms
from bowstream.history.store import Change
from bowstream.records import Gap, Record, Sound, StreamInfo
from bowstream.scores import Scores

MINUTE_MS = 60_000
# How often it is noted that we listen: what is lost when the process is killed.
BEAT_MS = 1000
# If a hop comes so much sooner or later than the last one lets expect, the clock was set.
JUMP_MS = 2000

STREAM = "INSERT OR IGNORE INTO streams (id, started_ms, source, bundle, tags, hop_s) VALUES (?, ?, ?, ?, ?, ?)"
STREAM_ENDS = "UPDATE streams SET ended_ms = ? WHERE id = ?"
LISTENING = """
INSERT INTO listening (start_ms, stream, end_ms) VALUES (?, ?, ?)
ON CONFLICT (start_ms, stream) DO UPDATE SET end_ms = excluded.end_ms"""
MINUTE = """
INSERT OR REPLACE INTO minutes (start_ms, stream, heard_ms, level_dbfs, peak_dbfs, scores) VALUES (?, ?, ?, ?, ?, ?)"""
BEGINS = """
INSERT OR IGNORE INTO events (id, onset_ms, utc_offset_s, tag, peak, mean, stream) VALUES (?, ?, ?, ?, ?, ?, ?)"""
ENDS = "UPDATE events SET duration_ms = ?, peak = ?, mean = ?, level_dbfs = ? WHERE id = ?"
CLIP = "UPDATE events SET clip = ? WHERE id = ?"
GAP = "INSERT OR IGNORE INTO gaps (start_ms, stream, duration_ms) VALUES (?, ?, ?)"
NOTICE = "INSERT INTO notices (time_ms, stream, kind, text) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Batch:
    """Changes that belong together.

    stream : the run that they belong to, which a file that is new has to be told first; None if they belong to none
    key : a batch that waits is replaced by the next one with the same key, unless that is None
    """

    changes: tuple[Change, ...]
    stream: Change | None = None
    key: tuple[int, int] | None = None


class Recorder:
    """Follows a session; what has no date is passed over."""

    def __init__(self, info: StreamInfo) -> None:
        self._stream: Change | None = None  # the row of this run; None before its first moment
        self._info = info
        self._id = time.time_ns()  # of the run
        self._tags = tuple(tag.name for tag in info.tags)
        self._levels = Levels()
        self._minute: Minute | None = None
        self._since_ms: int | None = None  # when we began to listen without a break
        self._until_ms = self._noted_ms = 0  # until when we have, and until when that is noted

    def listen(self, sound: Sound) -> None:
        """Take sound, for its loudness."""
        self._levels.push(sound)

    def record(self, record: Record) -> Iterator[Batch]:
        """Return what changes with a record that is no sound."""
        if isinstance(record, Scores | Event | Gap | Notice) and record.time:
            if isinstance(record, Scores) and record.tags != self._tags:
                yield from self._change_tags(record.tags)
            self._begin(record.time)
            if isinstance(record, Scores):
                yield from self._hop(record, unix_ms(record.time))
            elif isinstance(record, Event):
                yield self._batch(self._event(record, record.time))
            elif isinstance(record, Gap):
                yield from self._pause()
                yield self._batch(Change(GAP, (unix_ms(record.time), self._id, milliseconds(record.length_s))))
            else:
                yield from self._pause() if record.kind == "away" else ()
                yield self._batch(Change(NOTICE, (unix_ms(record.time), self._id, record.kind, record.text)))

    def end(self) -> Iterator[Batch]:
        """Return what changes when the session ends."""
        if self._stream:
            yield from self._pause()
            yield self._batch(Change(STREAM_ENDS, (self._until_ms, self._id)))

    def _batch(self, *changes: Change, key: tuple[int, int] | None = None) -> Batch:
        return Batch(changes, self._stream, key)

    def _begin(self, first: datetime) -> None:
        """Note the first moment of a run."""
        if not self._stream:
            info, self._until_ms = self._info, unix_ms(first)
            tags = json.dumps(self._tags, ensure_ascii=False)
            self._stream = Change(STREAM, (self._id, self._until_ms, info.source, info.bundle, tags, info.hop_s), False)

    def _change_tags(self, tags: tuple[str, ...]) -> Iterator[Batch]:
        """Begin a run with other tags: scores of a minute are kept in the order of its run's tags."""
        yield from self.end()
        self._stream, self._minute, self._tags = None, None, tags
        self._id = time.time_ns()

    def _hop(self, scores: Scores, end_ms: int) -> Iterator[Batch]:
        expected_ms = self._until_ms + milliseconds(self._info.hop_s)
        if self._since_ms is not None and abs(end_ms - expected_ms) > JUMP_MS:
            yield from self._pause()
        if self._since_ms is None:
            self._since_ms = self._until_ms = self._noted_ms = end_ms - milliseconds(scores.end_s - scores.start_s)
        minute_ms = (end_ms - 1) // MINUTE_MS * MINUTE_MS
        if self._minute is None or self._minute.start_ms != minute_ms:
            yield from self._beat()
            self._minute = Minute(minute_ms, len(self._tags))
        self._minute.add(max(0, end_ms - self._until_ms), self._levels.take(), scores.array)
        self._until_ms = end_ms
        if self._until_ms - self._noted_ms >= BEAT_MS:
            yield from self._beat()

    def _beat(self) -> Iterator[Batch]:
        """Note until when we have listened, and the minute so far."""
        if self._since_ms is None or self._minute is None or self._noted_ms == self._until_ms:
            return
        self._noted_ms = self._until_ms
        listening = Change(LISTENING, (self._since_ms, self._id, self._until_ms), durable=False)
        minute = Change(MINUTE, self._minute.row(self._id), durable=False)
        yield self._batch(listening, minute, key=(self._since_ms, self._minute.start_ms))

    def _pause(self) -> Iterator[Batch]:
        """Stop listening: here sound is missing, or the stream ends."""
        yield from self._beat()
        self._since_ms = None
        self._levels.take()

    def _event(self, event: Event, moment: datetime) -> Change:
        if event.offset_s is None:
            began_ms = unix_ms(moment)
            row = (event.id, began_ms, utc_offset_s(moment), event.tag, event.peak, event.mean, self._id)
            return Change(BEGINS, row)
        duration_ms = milliseconds(event.offset_s - event.onset_s)
        level_dbfs = self._levels.mean_dbfs(event.onset_s, event.offset_s)
        return Change(ENDS, (duration_ms, event.peak, event.mean, level_dbfs, event.id))


def milliseconds(seconds: float) -> int:
    """Return seconds as milliseconds."""
    return round(seconds * 1000.0)


def utc_offset_s(moment: datetime) -> int:
    """Return what this machine's local time is ahead of UTC by, at a moment."""
    return time.localtime(moment.timestamp()).tm_gmtoff

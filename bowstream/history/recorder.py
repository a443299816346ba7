"""From a session's records to what changes in the history. No clock, no file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.history.levels import Levels, Minute
from bowstream.history.pulse import Beat
from bowstream.history.spans import unix_ms
from bowstream.history.store import Change, changes_of
from bowstream.records import Gap, Record, StreamInfo
from bowstream.scores import Scores

DATED = (Scores, Event, Gap, Notice)
MINUTE_MS = 60_000
# How often readers are shown that we listen, and how loud it is, while nothing else is written.
SHOWN_MS = 30_000
# Positions are rounded; they are whole columns of 0.1 s.
SLACK_S = 0.05
# If a hop comes so much sooner or later than the last one lets expect, the clock was set.
JUMP_MS = 2000

STREAM = "INSERT OR IGNORE INTO streams (id, started_ms, source, bundle, tags, hop_s) VALUES (?, ?, ?, ?, ?, ?)"
STREAM_ENDS = "UPDATE streams SET ended_ms = ? WHERE id = ?"
BEGINS = """
INSERT OR IGNORE INTO events (id, onset_ms, utc_offset_s, tag, peak, mean, stream) VALUES (?, ?, ?, ?, ?, ?, ?)"""
ENDS = "UPDATE events SET duration_ms = ?, peak = ?, mean = ?, level_dbfs = ? WHERE id = ?"
CLIP = "UPDATE events SET clip = ? WHERE id = ?"
GAP = "INSERT OR IGNORE INTO gaps (start_ms, stream, duration_ms) VALUES (?, ?, ?)"
NOTICE = "INSERT INTO notices (time_ms, stream, kind, text) VALUES (?, ?, ?, ?)"


class Batch(NamedTuple):
    """Changes that belong together.

    stream : the run that they belong to, which a file that is new has to be told first; None if they belong to none
    beat : is noted, too, and readers need not see that yet; None if there is none
    """

    changes: tuple[Change, ...]
    stream: Change | None = None
    beat: Beat | None = None


class Recorder:
    """Follows a session; what has no date is passed over.

    Hops wait for each other, or for something that happens: many in a row cost a fraction of as often one.

    Parameters
    ----------
    info : describes the stream
    sync_s : seconds that hops may wait, and that are lost with the power; at least a hop

    Attributes
    ----------
    levels : takes the sound
    """

    def __init__(self, info: StreamInfo, sync_s: float) -> None:
        self._stream: Change | None = None  # the row of this run; None before its first moment
        self._info = info
        self._id = time.time_ns()  # of the run
        self._tags = tuple(tag.name for tag in info.tags)
        self._hops: list[Scores] = []  # that wait
        # When they wait no longer: if with another hop they had waited for too long.
        self._patience_s = sync_s - info.hop_s - SLACK_S
        self._followed_s = 0.0  # until when they were followed, in the stream
        self.levels = Levels()
        self._minute: Minute | None = None
        self._since_ms: int | None = None  # when we began to listen without a break
        self._until_ms = self._shown_ms = 0  # until when we have, and until when readers are shown that
        self._until_s = 0.0  # the former, in the stream

    def record(self, record: Record) -> Iterator[Batch]:
        """Return what changes with a record that is no sound."""
        if not isinstance(record, DATED) or not record.time:
            return
        if isinstance(record, Scores):
            self._hops.append(record)
            if record.end_s - self._followed_s >= self._patience_s:
                yield from self._follow()
                if self._until_ms - self._shown_ms >= SHOWN_MS:
                    yield from self._shown()
                elif beat := self._beat():
                    yield Batch((), self._stream, beat)
            return
        yield from self._follow()
        self._begin(record.time)
        if isinstance(record, Event):
            yield self._batch(*self._so_far(), self._event(record, record.time))
        elif isinstance(record, Gap):
            lost = Change(GAP, (unix_ms(record.time), self._id, milliseconds(record.length_s)))
            yield self._batch(*self._pause(), lost)
        else:
            ears = self._pause() if record.kind == "away" else ()
            said = Change(NOTICE, (unix_ms(record.time), self._id, record.kind, record.text))
            yield self._batch(*ears, said)

    def end(self) -> Iterator[Batch]:
        """Return what changes when the session ends."""
        yield from self._follow()
        yield from self._end_run()

    def _batch(self, *changes: Change) -> Batch:
        return Batch(changes, self._stream)

    def _shown(self) -> Iterator[Batch]:
        """Yield what readers have not been shown, if there is any."""
        if changes := self._so_far():
            yield self._batch(*changes)

    def _begin(self, first: datetime) -> None:
        """Note the first moment of a run."""
        if not self._stream:
            info, self._until_ms = self._info, unix_ms(first)
            tags = json.dumps(self._tags, ensure_ascii=False)
            self._stream = Change(STREAM, (self._id, self._until_ms, info.source, info.bundle, tags, info.hop_s))

    def _end_run(self) -> Iterator[Batch]:
        if self._stream:
            yield self._batch(*self._so_far(), Change(STREAM_ENDS, (self._until_ms, self._id)))
        self._stream = self._minute = self._since_ms = None

    def _follow(self) -> Iterator[Batch]:
        """Take the hops that wait."""
        for scores in self._hops:
            if scores.tags != self._tags:  # scores of a minute are kept in the order of its run's tags
                yield from self._end_run()
                self._tags, self._id = scores.tags, time.time_ns()
            assert scores.time is not None  # else it would not wait
            self._begin(scores.time)
            yield from self._hop(scores, unix_ms(scores.time))
            self._followed_s = scores.end_s
        self._hops.clear()

    def _hop(self, scores: Scores, end_ms: int) -> Iterator[Batch]:
        """Take a hop; one minute, or stretch of listening, is noted when another follows."""
        expected_ms = self._until_ms + milliseconds(self._info.hop_s)
        minute_ms = (end_ms - 1) // MINUTE_MS * MINUTE_MS
        if self._since_ms is not None and abs(end_ms - expected_ms) > JUMP_MS:
            yield from self._shown()
            self._since_ms = None
        if self._minute is None or self._minute.start_ms != minute_ms:
            yield from self._shown()
            self._minute = Minute(minute_ms, len(self._tags))
        if self._since_ms is None:
            self._shown_ms = 0  # a stretch is shown when it begins
            self._since_ms = self._until_ms = end_ms - milliseconds(scores.end_s - scores.start_s)
        self._minute.add(max(0, end_ms - self._until_ms), scores.array)
        self._until_ms, self._until_s = end_ms, scores.end_s

    def _beat(self) -> Beat | None:
        """Return until when we have listened, and the minute so far, if readers are not shown it yet."""
        if self._since_ms is None or self._minute is None or self._shown_ms == self._until_ms:
            return None
        self._minute.add_sound(self.levels.take(self._until_s))
        return Beat((self._since_ms, self._id, self._until_ms), self._minute.row(self._id))

    def _so_far(self) -> tuple[Change, ...]:
        """Return what readers have not been shown yet."""
        beat, self._shown_ms = self._beat(), self._until_ms
        return changes_of(beat) if beat else ()

    def _pause(self) -> tuple[Change, ...]:
        """Stop listening where sound is missing; return what readers have not been shown yet."""
        changes = self._so_far()
        self._since_ms = None
        self.levels.take()  # of the hop that it cut short
        return changes

    def _event(self, event: Event, moment: datetime) -> Change:
        if event.offset_s is None:
            began_ms = unix_ms(moment)
            row = (event.id, began_ms, utc_offset_s(moment), event.tag, event.peak, event.mean, self._id)
            return Change(BEGINS, row)
        duration_ms = milliseconds(event.offset_s - event.onset_s)
        level_dbfs = self.levels.mean_dbfs(event.onset_s, event.offset_s)
        return Change(ENDS, (duration_ms, event.peak, event.mean, level_dbfs, event.id))


def milliseconds(seconds: float) -> int:
    """Return seconds as milliseconds."""
    return round(seconds * 1000.0)


def utc_offset_s(moment: datetime) -> int:
    """Return what this machine's local time is ahead of UTC by, at a moment."""
    return time.localtime(moment.timestamp()).tm_gmtoff

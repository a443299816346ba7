"""What the dashboard looks back on: the newest of a session's records, in bounded memory."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np

from bowstream._types import Float32
from bowstream.audio.source import Notice
from bowstream.dashboard.view import TagRow, TimelineEntry, View
from bowstream.events import Event, EventTracker
from bowstream.health.counters import Health
from bowstream.health.report import FLOOR_DBFS
from bowstream.model.sliding import Sliding
from bowstream.records import Gap, Record, Sound, StreamInfo
from bowstream.scores import Scores

# Columns of the picture, seconds of scores, and timeline entries that are kept: no fewer than are ever shown.
COLUMNS = 600
SECONDS = 60
ENTRIES = 200
COLUMN_S = 0.1
# How long reasons stand: they cost more than the scores themselves.
REASONS_EVERY_S = 0.95
# Pieces of sound that wait to be looked at, at the most.
UNSEEN = 100
# How long the meter holds a peak and shows that there was clipping.
PEAK_HOLD_S = 2.0
# A tag's rank falls by half in this time after its sound, so that rows do not jump about.
HALF_LIFE_S = 4.0


class History:
    """Gathers a session's records, and makes a `View` of them.

    Parameters
    ----------
    info : describes the stream
    health : counts of the session, shown as they are
    tracker : knows which events are open or rising
    explain : returns how much each family of codes adds to each score
    """

    def __init__(
        self,
        info: StreamInfo,
        health: Health,
        tracker: EventTracker,
        explain: Callable[[Scores], Mapping[str, Float32]],
    ) -> None:
        self._health = health
        self._tracker = tracker
        self._explain = explain
        self._unseen: list[Sound] = []
        self._columns = Sliding(np.zeros((COLUMNS, info.n_mels), np.float32))
        self._picture = np.empty((0, info.n_mels), np.float32)
        self._peaks: deque[float] = deque(maxlen=round(PEAK_HOLD_S / COLUMN_S))
        self._clipped: deque[int] = deque(maxlen=round(PEAK_HOLD_S / COLUMN_S))  # samples in each column
        self._clipped_before = 0
        self._retag(info)
        self.timeline: deque[TimelineEntry] = deque(maxlen=ENTRIES)
        self._marks = 0
        self._position_s = 0.0
        self.away = False

    def write(self, record: Record) -> None:
        """Take one record."""
        if isinstance(record, Sound):
            self._see(record)
        elif isinstance(record, Scores):
            self._score(record)
        elif isinstance(record, Event):
            self._note(record)
        elif isinstance(record, StreamInfo):
            self._retag(record)
        elif isinstance(record, Gap):
            self._position_s = record.end_s
            self._add("gap", "sound lost", record.time, record.start_s, record.end_s)
        elif isinstance(record, Notice):
            self._add("notice", record.kind, record.time, record.at_s, record.at_s)
            self.away = record.kind == "away" or (self.away and record.kind != "back")

    def _retag(self, info: StreamInfo) -> None:
        """Begin with these tags."""
        self.info = info
        self._seconds = Sliding(np.zeros((SECONDS, len(info.tags)), np.float32))
        self._past = np.empty((0, len(info.tags)), np.float32)  # those that have been
        self._ranks = np.zeros(len(info.tags), np.float32)
        self._newest: Scores | None = None
        self._explained: Scores | None = None
        self._gains: Mapping[str, Float32] = {}

    def set_wrong(self, event: Event, wrong: bool) -> None:
        """Show whether the user marked an event as wrong."""
        for index, row in enumerate(self.timeline):
            if (row.kind, row.name, row.start_s) == ("event", event.tag, event.onset_s):
                self.timeline[index] = replace(row, wrong=wrong)

    @property
    def picture(self) -> Float32:
        """The newest sound, float32 [shape=(columns, M)], log-mel of 0 … 1, 100 ms per column."""
        self._look()
        return self._picture.copy()

    def mark(self) -> None:
        """Put a numbered mark at the present moment."""
        self._marks += 1
        self._add("mark", f"mark {self._marks}", None, self._position_s, self._position_s)

    def _add(self, kind: str, name: str, time: datetime | None, start_s: float, end_s: float | None) -> None:
        self.timeline.append(TimelineEntry(kind, name, self._clock(time, start_s), start_s, end_s))

    def view(self, top: int) -> View:
        """Return the present view, with at most `top` tags; its picture is as it is until the next record."""
        info, report = self.info, self._health.report()
        scores = self._newest.array if self._newest else np.zeros(len(info.tags), np.float32)
        leader = int(scores.argmax())
        self._look()
        peak = max(self._peaks, default=0.0)
        return View(
            source=info.source,
            clock=self._clock(None, self._position_s),
            position_s=self._position_s,
            duration_s=info.duration_s,
            hop_s=info.hop_s,
            level_dbfs=report.level_dbfs,
            peak_dbfs=max(FLOOR_DBFS, 20.0 * float(np.log10(max(peak, 1e-9)))),
            clipping=any(self._clipped),
            picture=self._picture,
            span_hz=info.span_hz,
            tags=self._rows(scores, top),
            leader=info.tags[leader].name if self._newest else "",
            families={family: float(gain[leader]) for family, gain in self._reasons().items()},
            timeline=self._entries(),
            health=report,
            away=self.away,
        )

    def _rows(self, scores: Float32, top: int) -> list[TagRow]:
        """Return the rows of the highest-ranking tags."""
        lasted_s = {event.tag: self._position_s - event.onset_s for event in self._tracker.open_events}
        held = {name: (hops, self._tracker.confirm_hops) for name, hops in self._tracker.rising.items()}
        highest = np.argsort(-self._ranks, kind="stable")[:top]
        thresholds = self._tracker.thresholds
        rows = []
        shown = (highest, scores[highest], self._past.T[highest])
        for index, score, history in zip(*(part.tolist() for part in shown)):
            tag = self.info.tags[index]
            on, off = thresholds.get(tag.name, (tag.on, tag.off))  # those of a tag that is just going
            rows.append(TagRow(tag.name, on, off, score, history, lasted_s.get(tag.name), held.get(tag.name)))
        return rows

    def _entries(self) -> tuple[TimelineEntry, ...]:
        """Return the timeline, newest first; open events with their peak so far."""
        peaks = {event.tag: event.peak for event in self._tracker.open_events}
        return tuple(
            row if row.kind != "event" or row.end_s is not None else replace(row, peak=peaks.get(row.name, row.peak))
            for row in reversed(self.timeline)
        )

    def _see(self, sound: Sound) -> None:
        """Take note of sound; it is looked at when a view of it is asked for."""
        self._position_s = sound.end_s
        self._clipped.append(self._health.clipped - self._clipped_before)
        self._clipped_before = self._health.clipped
        self._unseen.append(sound)
        if len(self._unseen) == UNSEEN:
            self._look()

    def _look(self) -> None:
        """Add the sound that has come since the last time to the picture, and to the peaks."""
        if not self._unseen:
            return
        log_mel = np.concatenate([sound.log_mel for sound in self._unseen])
        columns = log_mel.reshape(-1, round(self.info.frames_per_s * COLUMN_S), self.info.n_mels).mean(axis=1)
        low, high = self.info.log_mel_range
        shown = min(len(self._picture) + len(columns), COLUMNS)
        self._picture = self._columns.push((columns - low) / (high - low))[-shown:]
        self._peaks.extend(float(np.abs(sound.samples).max()) for sound in self._unseen)
        self._unseen.clear()

    def _reasons(self) -> Mapping[str, Float32]:
        """Return how much each family's codes add to each score; worked out once a second."""
        newest, explained = self._newest, self._explained
        if newest and not (explained and explained.end_s <= newest.end_s < explained.end_s + REASONS_EVERY_S):
            self._explained, self._gains = newest, self._explain(newest)
        return self._gains if newest else {}

    def _score(self, tags: Scores) -> None:
        """Keep the highest score of each second, and rank the tags."""
        self._ranks = np.maximum(self._ranks * 0.5 ** (self.info.hop_s / HALF_LIFE_S), tags.array)
        last = second_of(self._newest.end_s) if self._newest else second_of(tags.end_s) - 1
        passed = second_of(tags.end_s) - last
        if passed == 0 and len(self._past):
            np.maximum(self._past[-1], tags.array, out=self._past[-1])
        else:
            silent = min(max(passed - 1, 0), SECONDS)  # the seconds of a gap
            seconds = np.concatenate([np.zeros((silent, len(tags.array)), np.float32), tags.array[np.newaxis]])
            shown = min(len(self._past) + len(seconds), SECONDS)
            self._past = self._seconds.push(seconds)[-shown:]
        self._newest = tags

    def _note(self, event: Event) -> None:
        """Add an event that opened, or complete it when it closes."""
        for index, row in enumerate(self.timeline):
            if row.kind == "event" and row.name == event.tag and row.end_s is None:
                self.timeline[index] = replace(row, end_s=event.offset_s, peak=event.peak)
                return
        clock = self._clock(event.time, event.onset_s)
        self.timeline.append(TimelineEntry("event", event.tag, clock, event.onset_s, event.offset_s, event.peak))

    def _clock(self, moment: datetime | None, position_s: float) -> str:
        """Return the time of day of a moment to the second; without a date, as if the sound were played now."""
        unix_s = moment.timestamp() if moment else time.time() - self._position_s + position_s
        return time.strftime("%H:%M:%S", time.localtime(unix_s))


def second_of(end_s: float) -> int:
    """Return the number of the second that ends at this time, or in which it lies."""
    return math.ceil(round(end_s, 6)) - 1

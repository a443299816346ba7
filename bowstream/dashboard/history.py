"""What the dashboard looks back on: the newest of a session's records, in bounded memory."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

import numpy as np

from bowstream._types import Float32
from bowstream.audio.source import Notice
from bowstream.dashboard.view import Happening, TagRow, View
from bowstream.events import Event
from bowstream.health.counters import FLOOR_DBFS
from bowstream.session import Gap, Record, Session, Sound
from bowstream.tagger import Tags

# Columns of the picture, seconds of scores, and happenings that are kept: more than a wall is wide or high.
COLUMNS = 600
SECONDS = 120
HAPPENINGS = 200
# How long the meter holds a peak and says that there was clipping.
PEAK_HOLD_S = 2.0
# A tag's rank falls by half in so many seconds after its sound, so that rows do not jump about.
HALF_LIFE_S = 4.0
# What log-mel (natural log of power) spans where the bundle has no level to scale it by.
LOG_MEL_SPAN = (-16.0, 2.0)


class History:
    """Gathers a session's records, and makes a `View` of them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tags = session.bundle.tags
        front_end = session.bundle.front_end
        self._rate = front_end.sample_rate
        self._frames = front_end.frames_per_column
        self._hop_s = session.tagger.coder.hop_columns * front_end.column_s
        self._columns: deque[Float32] = deque(maxlen=COLUMNS)
        self._peaks: deque[float] = deque(maxlen=round(PEAK_HOLD_S / front_end.column_s))
        self._clips: deque[int] = deque([0], maxlen=round(PEAK_HOLD_S / front_end.column_s))
        self._seconds: deque[Float32] = deque(maxlen=SECONDS)
        self._ranks = np.zeros(len(self.tags), np.float32)
        self._newest: Tags | None = None
        self.happenings: deque[Happening] = deque(maxlen=HAPPENINGS)
        self._marks = 0
        self.away = False

    def write(self, record: Record) -> None:
        """Take one record."""
        if isinstance(record, Sound):
            self._see(record)
        elif isinstance(record, Tags):
            self._score(record)
        elif isinstance(record, Event):
            self._note(record)
        elif isinstance(record, Gap):
            start_s, length_s = record.start / self._rate, record.length / self._rate
            clock = self._clock(start_s - length_s)  # what was lost has passed, but is not in our position yet
            self.happenings.append(Happening("gap", "sound lost", clock, start_s, start_s + length_s))
        elif isinstance(record, Notice):
            self._add("notice", record.kind)
            self.away = record.kind == "away" or (self.away and record.kind != "back")

    def mark(self) -> None:
        """Put a numbered mark at the present moment."""
        self._marks += 1
        self._add("mark", f"mark {self._marks}")

    def _add(self, kind: str, name: str) -> None:
        here_s = self._position_s
        self.happenings.append(Happening(kind, name, self._clock(here_s), here_s, here_s))

    def view(self, top: int) -> View:
        """Return the present view, with so many tags."""
        session = self.session
        scores = self._newest.scores if self._newest else np.zeros(len(self.tags), np.float32)
        leader = int(scores.argmax())
        gains = session.tagger.explain(self._newest) if self._newest else {}
        peak = max(self._peaks, default=0.0)
        report = session.health.report()
        front_end = session.bundle.front_end
        return View(
            source=session.source.name,
            clock=self._clock(self._position_s),
            position_s=self._position_s,
            duration_s=session.source.duration_s,
            hop_s=self._hop_s,
            level_dbfs=report.level_dbfs,
            peak_dbfs=max(FLOOR_DBFS, 20.0 * float(np.log10(max(peak, 1e-9)))),
            clipping=self._clips[-1] > self._clips[0],
            picture=np.array(self._columns, np.float32).reshape(-1, front_end.n_mels),
            span_hz=(front_end.fmin_hz, front_end.fmax_hz),
            tags=self._rows(scores, top),
            leader=self.tags[leader].name if self._newest else "",
            families={family: float(gain[leader]) for family, gain in gains.items()},
            happenings=self._happenings(),
            health=report,
            away=self.away,
        )

    def _rows(self, scores: Float32, top: int) -> list[TagRow]:
        """Return the rows of the highest-ranking tags."""
        tracker = self.session.tracker
        lasted_s = {event.tag: self._position_s - event.onset / self._rate for event in tracker.open_events}
        held = {name: (hops, tracker.confirm_hops) for name, hops in tracker.rising.items()}
        past = np.array(self._seconds, np.float32).reshape(-1, len(self.tags))
        rows = []
        for index in np.argsort(-self._ranks, kind="stable")[:top].tolist():
            tag, score, history = self.tags[index], float(scores[index]), past[:, index].tolist()
            rows.append(TagRow(tag.name, tag.on, tag.off, score, history, lasted_s.get(tag.name), held.get(tag.name)))
        return rows

    def _happenings(self) -> tuple[Happening, ...]:
        """Return what happened, newest first; what is going on has its peak so far."""
        peaks = {event.tag: event.peak for event in self.session.tracker.open_events}
        return tuple(
            row if row.kind != "event" or row.end_s is not None else replace(row, peak=peaks.get(row.name, row.peak))
            for row in reversed(self.happenings)
        )

    def _see(self, sound: Sound) -> None:
        columns = sound.log_mel.reshape(-1, self._frames, sound.log_mel.shape[1]).mean(axis=1)
        if self.session.tagger.level is None:
            low, high = LOG_MEL_SPAN
            columns = (columns - low) / (high - low)
        self._columns.extend(columns)
        self._peaks.append(float(np.abs(sound.samples).max()))
        self._clips.append(self.session.health.clipped)

    def _score(self, tags: Tags) -> None:
        """Keep the highest score of each second, and rank the tags."""
        self._ranks = np.maximum(self._ranks * 0.5 ** (self._hop_s / HALF_LIFE_S), tags.scores)
        second = (tags.end - 1) // self._rate
        last = (self._newest.end - 1) // self._rate if self._newest else second - 1
        if second == last and self._seconds:
            self._seconds[-1] = np.maximum(self._seconds[-1], tags.scores)
        else:
            silence = np.zeros_like(tags.scores)
            self._seconds.extend([silence] * min(second - last - 1, SECONDS))  # a gap's seconds
            self._seconds.append(tags.scores)
        self._newest = tags

    def _note(self, event: Event) -> None:
        """Add an event that opened, or complete it when it closes."""
        start_s = event.onset / self._rate
        end_s = None if event.offset is None else event.offset / self._rate
        for index, row in enumerate(self.happenings):
            if row.kind == "event" and row.name == event.tag and row.end_s is None:
                self.happenings[index] = replace(row, end_s=end_s, peak=event.peak)
                return
        self.happenings.append(Happening("event", event.tag, self._clock(start_s), start_s, end_s, event.peak))

    @property
    def _position_s(self) -> float:
        return self.session.tagger.position / self._rate

    def _clock(self, position_s: float) -> str:
        """Return the time of day at which a position was heard, to the second."""
        return time.strftime("%H:%M:%S", time.localtime(time.time() - self._position_s + position_s))

"""What is heard in a recording, or in a part of it, as plain values that are sent between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.archive.parts import PER_MINUTE, Part, PartOfFile
from bowstream.audio.file import AudioFile
from bowstream.audio.source import Source
from bowstream.errors import AudioError
from bowstream.events import Event
from bowstream.history.levels import dbfs
from bowstream.model.onset import BANDS
from bowstream.records import Idle, Record, Sound, StreamInfo
from bowstream.scores import Scores
from bowstream.session import Session


@dataclass(frozen=True)
class Wanted:
    """What is kept of a recording beside its events: scores, a row per hop; loudness, a row per minute."""

    scores: bool = False
    loudness: bool = False


def no_numbers(*shape: int) -> Callable[[], NDArray[Any]]:
    """Return what makes an array without numbers."""
    return lambda: np.zeros(shape, np.float32)


@dataclass(frozen=True, eq=False)
class Heard:
    """What was heard in a part of a recording.

    Attributes
    ----------
    heard_s : the length of the recording; 0 if its end is not in this part
    end : the column where the stream ended, if that is in this part; None of a whole recording
    windows : how many were scored
    events : those that ended, of a whole recording
    ends : int64 [shape=(n,)], samples from the start up to the end of each window that is kept
    scores : float32 [shape=(n, C)]
    columns, levels : of a part, how many columns are new in each window, (n,), and their levels, (columns, 12)
    minutes : float64 [shape=(m, 4)]: start and length in seconds, mean level, and that of the loudest column, in dBFS
    sha256 : of the file
    error : why not all of it could be heard; None if all was
    notes : what is odd about it, though nothing was left out
    """

    heard_s: float = 0.0
    end: int | None = None
    windows: int = 0
    events: tuple[Event, ...] = ()
    ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: Float32 = field(default_factory=no_numbers(0, 0))
    columns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    levels: Float32 = field(default_factory=no_numbers(0, BANDS))
    minutes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    sha256: str = ""
    error: str | None = None
    notes: tuple[str, ...] = ()


class Gathering:
    """Gathers a session's records into what was heard of a part."""

    def __init__(self, info: StreamInfo, part: Part, wanted: Wanted) -> None:
        self._rate = info.sample_rate
        self._part, self._wanted = part, wanted
        self._start = part.start * round(info.sample_rate / 10)
        self._events: list[Event] = []
        # Of each window that is kept: its end, its scores, the levels of its columns. A day of `Scores` is large.
        self._ends: list[int] = []
        self._scores: list[Float32] = []
        self._levels: list[Float32] = []
        self._windows = 0
        self._energy: dict[int, list[float]] = {}  # of each minute: the sum of squares, the highest, columns

    def write(self, record: Record) -> None:
        """Take what belongs to the part."""
        if isinstance(record, Sound):
            if self._wanted.loudness:
                self._measure(record)
        elif isinstance(record, Scores):
            if (end := self._samples(record.end_s)) > self._start or not self._start:
                self._windows += 1
                if self._wanted.scores or not self._part.is_whole:
                    self._ends.append(end)
                    self._scores.append(record.array)
                if not self._part.is_whole:
                    self._levels.append(record.levels)
        elif isinstance(record, Event) and record.offset_s is not None and self._part.is_whole:
            self._events.append(record)

    def _samples(self, position_s: float) -> int:
        return round(position_s * self._rate)

    def _measure(self, sound: Sound) -> None:
        columns = sound.samples.reshape(-1, self._rate // 10)
        first = self._samples(sound.start_s) * 10 // self._rate
        for place, energy in enumerate(np.square(columns, dtype=np.float64).sum(axis=1).tolist(), first):
            if place >= self._part.start:
                minute = self._energy.setdefault(place // PER_MINUTE, [0.0, 0.0, 0.0])
                minute[:] = minute[0] + energy, max(minute[1], energy), minute[2] + 1

    def heard(self) -> Heard:
        """Return what was gathered."""
        length = self._rate // 10
        minutes = [
            (60.0 * minute, count / 10, dbfs(total / (count * length)), dbfs(highest / length))
            for minute, (total, highest, count) in self._energy.items()
        ]
        kept = Heard(
            windows=self._windows, events=tuple(self._events), minutes=np.array(minutes, np.float64).reshape(-1, 4)
        )
        if not self._scores:
            return kept
        kept = replace(kept, ends=np.array(self._ends, np.int64), scores=np.stack(self._scores))
        if self._part.is_whole:
            return kept
        columns = np.array(list(map(len, self._levels)), np.int64)
        return replace(kept, columns=columns, levels=np.concatenate(self._levels))


def hear(
    recording: AudioFile,
    part: Part,
    wanted: Wanted,
    session_of: Callable[[Source], Session],
    advance: Callable[[float], None] = lambda heard_s: None,
) -> Heard:
    """Hear a part of a recording, as far as it can be heard.

    Parameters
    ----------
    session_of : returns a session of a source
    advance : gets, again and again, how many seconds were decoded
    """
    session = session_of(recording)
    source: Source = recording
    if not part.is_whole:
        source = session.source = PartOfFile(recording, part, session)
    gathering, error = Gathering(session.info, part, wanted), None
    try:
        for record in session:
            gathering.write(record)
            if isinstance(record, (Sound, Idle)):
                advance(recording.heard_s)
            if isinstance(source, PartOfFile) and source.is_over:
                session.stop()
    except AudioError as problem:
        error = str(problem)
    heard = gathering.heard()
    if isinstance(source, PartOfFile) and source.is_over:
        return heard
    if isinstance(source, PartOfFile) and source.position < part.start:
        return Heard(error=error)  # the recording ended in an earlier part
    end = source.position if isinstance(source, PartOfFile) else None
    return replace(heard, heard_s=recording.heard_s, end=end, error=error, notes=tuple(recording.notes))

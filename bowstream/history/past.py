"""What the history answers: events, totals and losses of the past."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from bowstream._types import Float32

# What can be said of an event.
VERDICTS = ("right", "wrong")


@dataclass(frozen=True)
class PastEvent:
    """A sound that was heard.

    Attributes
    ----------
    id : its name for `judge`
    onset_ms : Unix milliseconds
    duration_ms : how long it lasted, or has so far
    is_open : whether its end is not known: it goes on, or its listener was killed
    utc_offset_s : what local time was ahead of UTC by
    tag, peak, mean : as in `Event`
    level_dbfs : mean level, of its last minute if it was longer; None if it is not known
    source, bundle : what heard it
    clip : file of its sound; it may have been deleted since; None if none was kept
    verdict : `right` or `wrong`; None if nobody has said
    """

    id: str
    onset_ms: int
    duration_ms: int
    is_open: bool
    utc_offset_s: int
    tag: str
    peak: float
    mean: float
    level_dbfs: float | None
    source: str
    bundle: str
    clip: Path | None
    verdict: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> PastEvent:
        """Return the event of a row of `EVENTS`."""
        values = dict(zip(cls.__match_args__, row))
        values |= {"is_open": bool(values["is_open"]), "clip": values["clip"] and Path(values["clip"])}
        return cls(**values)

    @property
    def onset(self) -> datetime:
        """When it began, in local time there and then."""
        zone = timezone(timedelta(seconds=self.utc_offset_s))
        return datetime.fromtimestamp(self.onset_ms / 1000.0, zone)

    @property
    def duration_s(self) -> float:
        """How long it lasted, or has so far."""
        return self.duration_ms / 1000.0


@dataclass(frozen=True)
class TagTotal:
    """How often and how long a tag was heard, its highest score, and when it began last (Unix ms)."""

    tag: str
    events: int
    total_s: float
    peak: float
    last_ms: int


@dataclass(frozen=True)
class DayTotal:
    """A local day: its events, how long they lasted in all, and how long the listener ran."""

    day: date
    events: int
    total_s: float
    listened_s: float


@dataclass(frozen=True)
class HeatMap:
    """Events per hour of local time.

    Attributes
    ----------
    days : in order
    counts : int [shape=(days, 24)]
    listened_s : float64 [shape=(days, 24)], seconds that the listener ran; 0 where it did not
    within : bool [shape=(days, 24)], whether it is asked about; an hour that is still to come is not
    """

    days: tuple[date, ...]
    counts: np.ndarray[Any, np.dtype[np.int64]]
    listened_s: np.ndarray[Any, np.dtype[np.float64]]
    within: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class TagHours:
    """Events per tag and hour of local time.

    Attributes
    ----------
    totals : of the tags, the most frequent first
    days : in order
    counts : int [shape=(tags, days, 24)]
    """

    totals: tuple[TagTotal, ...]
    days: tuple[date, ...]
    counts: np.ndarray[Any, np.dtype[np.int64]]

    def counts_of(self, tags: Collection[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the events of some tags, int [shape=(days, 24)]."""
        chosen = [index for index, total in enumerate(self.totals) if total.tag in tags]
        found: np.ndarray[Any, np.dtype[np.int64]] = self.counts[chosen].sum(axis=0)
        return found


@dataclass(frozen=True)
class Loss:
    """Sound that was lost while the listener ran."""

    start_ms: int
    duration_ms: int
    source: str


@dataclass(frozen=True)
class PastNotice:
    """Something that the listener said of itself, such as `away` and `back` of its microphone; see `Notice`."""

    time_ms: int
    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class Run:
    """A listener's run on a source; `ended_ms` is None if it goes on, or was killed."""

    started_ms: int
    ended_ms: int | None
    source: str
    bundle: str


@dataclass(frozen=True)
class Minutes:
    """Loudness and scores, minute by minute, of one source after another where there are several.

    Attributes
    ----------
    sources : the name of each one's
    start_ms : int64 [shape=(n,)], Unix milliseconds
    heard_s : float32 [shape=(n,)], seconds that were heard of each
    level_dbfs, peak_dbfs : float32 [shape=(n,)], mean, and of the loudest tenth of a second
    tags : of the scores
    scores : float32 [shape=(n, C)], the highest of each minute, to 1/255; NaN where the run did not know the tag
    """

    sources: tuple[str, ...]
    start_ms: np.ndarray[Any, np.dtype[np.int64]]
    heard_s: Float32
    level_dbfs: Float32
    peak_dbfs: Float32
    tags: tuple[str, ...]
    scores: Float32


@dataclass(frozen=True)
class Loudness:
    """The loudest of each of many short parts of a span: those of which there is sound.

    Attributes
    ----------
    start_ms : int64 [shape=(n,)], Unix milliseconds
    level_dbfs, peak_dbfs : float32 [shape=(n,)], mean of a minute, and the loudest tenth of a second
    """

    start_ms: np.ndarray[Any, np.dtype[np.int64]]
    level_dbfs: Float32
    peak_dbfs: Float32

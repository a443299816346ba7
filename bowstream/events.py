"""Events: when a tag's score says that a sound began and ended. No clock, no I/O; the same live and offline."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import numpy as np

from bowstream._given import NUMBER, WHOLE, Kind, check
from bowstream._types import Float32
from bowstream.config.settings import Settings
from bowstream.errors import UsageError
from bowstream.floor import Floor
from bowstream.model.onset import COLUMN_S, SEARCH_S, Levels
from bowstream.model.tags import Tag
from bowstream.scores import Scores, logits_of

HOLD_S = Settings.hold_s
TAGS: Kind = (
    "a sequence of Tags",
    lambda tags: isinstance(tags, Sequence) and all(isinstance(tag, Tag) for tag in tags),
)


@dataclass(frozen=True)
class Event:
    """A sound that began, and ended unless `offset_s` is None.

    A score is about a whole window, so the onset is where the sound rose in the last seconds before the end of the
    first window that reached the threshold, and the tag's scores after it (`model.onset`), or the beginning of that
    window's newest hop if nothing did; the offset is the beginning of the first window that no longer held it. An
    onset is never before the end of the tag's last event.

    Attributes
    ----------
    tag : name of the tag
    onset_s : beginning, in seconds from the start of the stream
    offset_s : end; None while the event is open
    peak, mean : of the scores at or above the tag's `off`, 0 … 1
    time : UTC, of the onset while it is open, else of the offset; None where the stream has no date
    id : the same from its beginning on, to find it again; ids sort by onset; None where the stream has no date
    source : name of what it was heard by; empty where only one is heard
    also : other sources that have heard it, where it is reported once; see `Merger`
    """

    tag: str
    onset_s: float
    offset_s: float | None
    peak: float
    mean: float
    time: datetime | None = None
    id: str | None = None
    source: str = ""
    also: tuple[str, ...] = ()


@dataclass
class _Candidate:
    """A tag that is rising, open or in a lull; `lull_s` is the beginning of the first window of the lull."""

    onset_s: float
    peak: float = 0.0
    total: float = 0.0
    windows: int = 0
    lull_s: float | None = None

    def hear(self, score: np.float32, off: np.float32, start_s: float) -> None:
        """Take the score of a window that begins at `start_s`; below `off` it is one of a lull."""
        if score >= off:
            self.peak = max(self.peak, float(score))
            self.total += float(score)
            self.windows += 1
            self.lull_s = None
        elif self.lull_s is None:
            self.lull_s = start_s


class EventTracker:
    """Turns scores into events, with one state machine per tag.

    ::

                score >= on             confirm_hops in a row
        idle ────────────────► rising ───────────────────────► open ◄─────────────┐
         ▲                       │                              │ score < off     │ score >= off
         ├────── score < on ─────┘                              ▼                 │
         └──────────────── below off for hold_s ────────────── lull ──────────────┘

    With `confirm_hops` of 1 a tag goes from idle to open at once. An event that is confirmed late still begins with
    the first score that reached `on`. A lull that ends in time belongs to the event, but its scores do not count
    in `mean` and `peak`. Where a tag's usual score is higher here, so are `on` and `off` (`floor`).

    Parameters
    ----------
    tags : names with their `on` and `off` thresholds, in the order of the scores
    hop_s : seconds between two scores
    hold_s : how long a lull may last; 0 closes at the first window below `off`
    confirm_hops : scores in a row that it takes to open an event

    Raises
    ------
    UsageError
        If an argument is not of its type, or `hop_s` is not above 0.
    """

    def __init__(self, tags: Sequence[Tag], hop_s: float = 1.0, hold_s: float = HOLD_S, confirm_hops: int = 1) -> None:
        check(TAGS, tags=tags)
        check(NUMBER, hop_s=hop_s, hold_s=hold_s)
        check(WHOLE, confirm_hops=confirm_hops)
        if not hop_s > 0.0:
            raise UsageError(f"hop_s must be above 0 (got {hop_s:g})")
        self._take(tags)
        self._hop_s = hop_s
        self._hold_s = _exact(hold_s)
        self.confirm_hops = confirm_hops
        self._rising: dict[int, _Candidate] = {}
        self._open: dict[int, _Candidate] = {}  # open, or in a lull
        self._levels = Levels()
        self._past: deque[Float32] = deque(maxlen=1 + math.ceil(SEARCH_S / hop_s))  # the last scores
        self._floor = Floor(tags, hop_s)
        self._adapt()
        self._free_s: dict[int, float] = {}  # the end of each tag's last event

    def __repr__(self) -> str:
        return f"EventTracker({len(self.tags)} tags, {len(self._open)} open)"

    def _take(self, tags: Sequence[Tag]) -> None:
        self.tags = tags
        # Both in float32, as the scores are: 0.7 is more than float32's 0.7.
        self._thresholds = np.array([[tag.on for tag in tags], [tag.off for tag in tags]], np.float32)

    def _adapt(self) -> None:
        """Raise the thresholds by what tags score here all the time."""
        self._here = self._floor.above(self._thresholds)

    def retag(self, tags: Sequence[Tag], end_s: float) -> list[Event]:
        """Go on with other tags, known by their names; return the events of those that are gone, closed here."""
        places = {tag.name: place for place, tag in enumerate(tags)}
        closed = [self._closed(index, end_s) for index in list(self._open) if self.tags[index].name not in places]
        moved = {index: places[tag.name] for index, tag in enumerate(self.tags) if tag.name in places}
        self._open = {moved[index]: candidate for index, candidate in self._open.items()}
        self._rising = {moved[index]: candidate for index, candidate in self._rising.items() if index in moved}
        self._free_s = {moved[index]: end_s for index, end_s in self._free_s.items() if index in moved}
        self._take(tags)
        self._floor.retag(tags)
        self._adapt()
        self._past.clear()
        return closed

    def reset(self) -> None:
        """Forget open events."""
        self._rising.clear()
        self._open.clear()
        self._levels.reset()
        self._past.clear()
        self._floor.reset()
        self._adapt()
        self._free_s.clear()

    def retune(self, place: int, on: float, off: float) -> None:
        """Begin and end the events of the tag at this place at other scores from now on; above 1 is never."""
        self._thresholds[:, place] = on, off
        self._adapt()

    @property
    def thresholds(self) -> dict[str, tuple[float, float]]:
        """The scores at which each tag's events begin and end, here and now."""
        return dict(zip((tag.name for tag in self.tags), zip(*self._here.tolist())))

    @property
    def open_events(self) -> list[Event]:
        """The events that are open now, oldest first."""
        return [self._event(index, None) for index in self._open]

    @property
    def rising(self) -> dict[str, int]:
        """Tags that wait for confirmation, with the number of scores in a row that have reached `on` so far."""
        return {self.tags[index].name: candidate.windows for index, candidate in self._rising.items()}

    def push(self, scores: Scores) -> list[Event]:
        """Return the events that these scores open (`offset_s` None) and close."""
        changed = []
        self._levels.push(scores.levels)
        self._past.append(scores.array)
        on, off = self._here
        for index, candidate in list(self._open.items()):
            candidate.hear(scores.array[index], off[index], scores.start_s)
            if candidate.lull_s is not None and _exact(scores.start_s - candidate.lull_s) >= self._hold_s:
                changed.append(self._closed(index, scores.end_s))
        loud = (scores.array >= on).nonzero()[0].tolist()
        if self._rising:
            self._rising = {index: candidate for index, candidate in self._rising.items() if index in loud}
        for index in loud:
            if index in self._open:
                continue
            if index not in self._rising:
                self._rising[index] = _Candidate(self._onset_s(index, scores))
            candidate = self._rising[index]
            candidate.hear(scores.array[index], off[index], scores.start_s)
            if candidate.windows >= self.confirm_hops:
                self._open[index] = self._rising.pop(index)
                changed.append(self._event(index, None))
        if self._floor.push(scores.array, self._open):
            self._adapt()
        return changed

    def close(self, end_s: float) -> list[Event]:
        """Close all open events because no sound follows this moment directly: the end, or a gap."""
        self._rising.clear()
        self._levels.reset()
        self._past.clear()
        return [self._closed(index, end_s) for index in list(self._open)]

    def _onset_s(self, index: int, scores: Scores) -> float:
        """Return when the sound began that these scores have raised a tag for."""
        window, hop = round((scores.end_s - scores.start_s) / COLUMN_S), round(self._hop_s / COLUMN_S)
        logits = logits_of(np.array([past[index] for past in self._past], np.float32))
        columns = self._levels.columns_since_onset(window, logits, hop)
        since_s = self._hop_s if columns is None else columns * COLUMN_S
        return max(_exact(scores.end_s - since_s), self._free_s.get(index, 0.0))

    def _closed(self, index: int, end_s: float) -> Event:
        candidate = self._open[index]
        offset_s = end_s if candidate.lull_s is None else candidate.lull_s
        end_s = max(offset_s, _exact(candidate.onset_s + self._hop_s))
        closed = self._event(index, end_s)
        self._free_s[index] = end_s
        del self._open[index]
        return closed

    def _event(self, index: int, offset_s: float | None) -> Event:
        candidate = self._open[index]
        mean = candidate.total / candidate.windows
        return Event(self.tags[index].name, candidate.onset_s, offset_s, candidate.peak, mean)


def by_onset(events: Iterable[Event]) -> list[Event]:
    """Return events in the order of their onsets."""
    return sorted(events, key=attrgetter("onset_s"))


def _exact(seconds: float) -> float:
    """Return a sum of times without the rounding error of the sum: samples are 60 microseconds apart, or so."""
    return round(seconds, 6) + 0.0  # -0.0, of an error below 0, becomes 0.0

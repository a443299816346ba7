"""Events: when a tag's score says that a sound began and ended. No clock, no I/O; the same live and offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bowstream.config.settings import Settings
from bowstream.model.log_mel import FrontEnd
from bowstream.model.tags import Tag
from bowstream.scores import Scores as Tags

HOLD_S = Settings.hold_s


@dataclass(frozen=True)
class Event:
    """A tag that was raised, and lowered again unless `offset` is None.

    Times are samples at the front end's rate. A score is about a whole window, so `onset` is the beginning
    of the newest hop in the first window that raised the tag, and `offset` the beginning of the first window
    that no longer held it up.
    """

    tag: str
    onset: int
    offset: int | None
    peak: float
    mean: float


@dataclass
class _Open:
    """An event in the making; `lull_end` is the end of the first window of the present lull."""

    onset: int
    peak: float = 0.0
    total: float = 0.0
    windows: int = 0
    lull_end: int | None = None


class EventTracker:
    """Hysteresis with a hold time, one state a tag.

    A score of `on` or more opens an event; it closes once the scores have stayed below `off` for `hold_s`.
    Shorter lulls belong to the event. `mean` and `peak` are over the windows at or above `off`. With
    `confirm_hops` above 1 an event is raised late, once so many scores in a row have reached `on`; it still
    begins with the first of them. `rising` says how many there are of each tag that is held back.

    Parameters
    ----------
    tags : names with their `on` and `off` thresholds, in the order of the scores
    hop_columns : columns between two scores
    hold_s : how long a lull may last, in seconds; 0 closes at the first window below `off`
    confirm_hops : scores in a row that it takes to open an event
    """

    def __init__(
        self,
        tags: Sequence[Tag],
        front_end: FrontEnd,
        hop_columns: int,
        hold_s: float = HOLD_S,
        confirm_hops: int = 1,
    ) -> None:
        self.tags = tags
        # Both in float32, as the scores are: 0.7 is more than float32's 0.7.
        self._on = np.array([tag.on for tag in tags], np.float32)
        self._off = np.array([tag.off for tag in tags], np.float32).tolist()
        self._hop = hop_columns * front_end.column_length
        self._window = front_end.window_length
        self._hold = round(hold_s * front_end.sample_rate)
        self.confirm_hops = confirm_hops
        self._rising: dict[int, _Open] = {}
        self._open: dict[int, _Open] = {}

    def reset(self) -> None:
        """Forget open events."""
        self._rising.clear()
        self._open.clear()

    @property
    def open_events(self) -> list[Event]:
        """The events that are open now, oldest first."""
        return [self._event(index, None) for index in self._open]

    @property
    def rising(self) -> dict[str, int]:
        """Tags that are held back, with the scores in a row that have reached their `on` so far."""
        return {self.tags[index].name: event.windows for index, event in self._rising.items()}

    def push(self, tags: Tags) -> list[Event]:
        """Return the events that these scores open (`offset` None) and close."""
        changed = []
        for index, event in list(self._open.items()):
            self._update(event, index, tags)
            if event.lull_end is not None and tags.end - event.lull_end >= self._hold:
                changed.append(self._closed(index, tags.end))
        loud = np.flatnonzero(tags.scores >= self._on).tolist()
        self._rising = {index: event for index, event in self._rising.items() if index in loud}
        for index in loud:
            if index in self._open:
                continue
            event = self._rising.setdefault(index, _Open(onset=tags.end - self._hop))
            self._update(event, index, tags)
            if event.windows >= self.confirm_hops:
                self._open[index] = self._rising.pop(index)
                changed.append(self._event(index, None))
        return changed

    def close(self, position: int) -> list[Event]:
        """Close all open events because nothing more is heard after this sample: the end, or a gap."""
        self._rising.clear()
        return [self._closed(index, position) for index in list(self._open)]

    def _update(self, event: _Open, index: int, tags: Tags) -> None:
        score = float(tags.scores[index])
        if score >= self._off[index]:
            event.peak = max(event.peak, score)
            event.total += score
            event.windows += 1
            event.lull_end = None
        elif event.lull_end is None:
            event.lull_end = tags.end

    def _closed(self, index: int, position: int) -> Event:
        event = self._open[index]
        offset = position if event.lull_end is None else event.lull_end - self._window
        closed = self._event(index, max(offset, event.onset + self._hop))
        del self._open[index]
        return closed

    def _event(self, index: int, offset: int | None) -> Event:
        event = self._open[index]
        return Event(self.tags[index].name, event.onset, offset, event.peak, event.total / event.windows)

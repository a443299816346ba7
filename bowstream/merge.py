"""The same sound at several sources, told once: by the one at which it is loudest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from bowstream.audio.clock import steady_s
from bowstream.events import Event
from bowstream.records import Record, Sound

# For how long it is known what was told: a stream from far away may be so late.
KNOWN_S = 60.0
# No event is held back for longer: the most that `merge_s` may be, and a hop.
HELD_S = 11.0
# For how long the loudness of each source is known.
LEVELS_S = 30.0


@dataclass
class _Same:
    """Events of one tag that are one sound: from the first that opened until none of them is open."""

    onset: datetime
    due_s: float
    opened: list[Event] = field(default_factory=list)
    ended: dict[str, Event] = field(default_factory=dict)  # by source
    told: Event | None = None


class Merger:
    """Holds events back until all sources have had time to hear the same, and passes on those of the loudest.

    Other records, and events without a date, pass at once. An event that joins one that was told already is not told.
    `also` of an event says which other sources have heard it so far.

    Parameters
    ----------
    merge_s : how far apart the onsets of the same sound may be
    hop_s : the longest of the sources: so much later one may notice a sound than another
    now_s : a clock that is never set
    """

    def __init__(self, merge_s: float, hop_s: float, now_s: Callable[[], float] = steady_s) -> None:
        self._merge_s = merge_s
        self._wait_s = merge_s + hop_s
        self._now_s = now_s
        self._known: dict[str, list[_Same]] = {}  # by tag
        self._sounds: dict[str, deque[tuple[float, float, float]]] = {}  # by source: start, end, energy

    def push(self, record: Record) -> Iterator[Record]:
        """Yield what is to be told now."""
        if isinstance(record, Event) and record.time:
            yield from self._follow(record, record.time)
        else:
            if isinstance(record, Sound):
                self._listen(record)
            yield record
        yield from self._due(self._now_s())

    def flush(self) -> Iterator[Record]:
        """Yield what is still held back."""
        yield from self._due(float("inf"))

    def _listen(self, sound: Sound) -> None:
        sounds = self._sounds.setdefault(sound.source, deque())
        sounds.extend((start, end, float(samples.dot(samples))) for start, end, samples in sound.columns())
        while sound.end_s - sounds[0][0] > LEVELS_S:
            sounds.popleft()

    def _follow(self, event: Event, moment: datetime) -> Iterator[Event]:
        """Take an event that opens or ends."""
        if event.offset_s is None:
            self._open(event, moment)
            return
        for same in self._known.get(event.tag, ()):
            if any(one.id == event.id for one in same.opened):
                same.ended[event.source] = event
                if same.told and same.told.source == event.source:
                    yield self._with_others(event, same)
                return
        yield event  # of before there was anything to merge with

    def _open(self, event: Event, onset: datetime) -> None:
        for same in self._known.setdefault(event.tag, []):
            apart_s = abs((onset - same.onset).total_seconds())
            if apart_s <= self._merge_s and all(one.source != event.source for one in same.opened):
                same.opened.append(event)
                return
        self._known[event.tag].append(_Same(onset, self._now_s() + self._wait_s, [event]))

    def _due(self, now_s: float) -> Iterator[Event]:
        """Yield what has been held back for long enough, and forget what is over."""
        for tag, known in self._known.items():
            for same in known:
                if same.told is None and now_s >= same.due_s:
                    same.told = max(same.opened, key=self._power)
                    yield self._with_others(same.told, same)
                    if same.told.source in same.ended:
                        yield self._with_others(same.ended[same.told.source], same)
            if any(self._is_over(same, now_s) for same in known):
                self._known[tag] = [same for same in known if not self._is_over(same, now_s)]

    def _is_over(self, same: _Same, now_s: float) -> bool:
        return same.told is not None and len(same.ended) == len(same.opened) and now_s > same.due_s + KNOWN_S

    def _power(self, event: Event) -> float:
        """Return how loud an event was so far: the mean square of its source's sound since its onset."""
        parts = [part for part in self._sounds.get(event.source, ()) if part[1] > event.onset_s]
        return sum(energy for _, _, energy in parts) / (sum(end - start for start, end, _ in parts) or 1.0)

    def _with_others(self, event: Event, same: _Same) -> Event:
        """Return an event with those who have heard it, too."""
        return replace(event, also=tuple(one.source for one in same.opened if one.source != event.source))

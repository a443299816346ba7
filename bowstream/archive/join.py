"""The events of a recording that was heard in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bowstream.archive.hear import Heard
from bowstream.events import Event, EventTracker
from bowstream.records import StreamInfo
from bowstream.scores import Scores


def joined(parts: Iterable[Heard], info: StreamInfo, tracker: EventTracker) -> Iterator[Event]:
    """Yield the events that a whole recording has, from its parts in order.

    Parameters
    ----------
    info : of the stream
    tracker : new; it finds the events
    """
    tags, rate = tuple(tag.name for tag in info.tags), info.sample_rate
    window, column = round(info.window_s * rate), round(rate / 10)
    codes, end = np.zeros((0, 0), np.intp), 0
    for part in parts:
        levels = np.split(part.levels, np.cumsum(part.columns)[:-1])
        for stop, scores, new in zip(part.ends.tolist(), part.scores, levels):
            windowed = Scores(tags, scores, (stop - window) / rate, stop / rate, codes, levels=new)
            yield from ended(tracker.push(windowed))
            end = max(end, stop // column)
        end = end if part.end is None else part.end
    yield from ended(tracker.close(end * column / rate))


def ended(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events that have ended."""
    return (event for event in events if event.offset_s is not None)

"""A session's records as they come: JSON lines, and plain lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TextIO

import numpy as np

from bowstream._text import printable
from bowstream._types import Float32
from bowstream.audio.clock import rfc3339
from bowstream.events import Event
from bowstream.health.counters import Health, level_dbfs
from bowstream.output.values import record_json
from bowstream.records import Gap, Record, Sound
from bowstream.scores import Scores

NO_HEALTHS: Mapping[str, Health] = {}


class Output(Protocol):
    """Something that a session's records are written to."""

    def write(self, record: Record) -> None:
        """Take one record."""


class JsonLines:
    """Writes one JSON object per hop, event, gap or notice.

    Parameters
    ----------
    healths : of live streams, by their records' source; written with each hop
    labels : fields that every object begins with, such as the file
    events_only : leave the hops out
    """

    def __init__(
        self,
        stream: TextIO,
        healths: Mapping[str, Health] = NO_HEALTHS,
        labels: Mapping[str, Any] | None = None,
        events_only: bool = False,
    ) -> None:
        self._stream = stream
        self._healths = healths
        self._labels = dict(labels or {})
        self._events_only = events_only

    def write(self, record: Record) -> None:
        """Write a hop, event, gap or notice and flush it, so that the reader of a pipe has it now."""
        if isinstance(record, Sound) or (self._events_only and isinstance(record, Scores)):
            return
        health = self._healths.get(record.source) if isinstance(record, Scores) else None
        if text := record_json(record, health, self._labels):
            self._stream.write(text + "\n")
            self._stream.flush()


class PlainLines:
    """Writes one line per event and gap, and one per hop with the highest scores: for logs and pipes.

    Where several sources are heard, each line names its.

    Parameters
    ----------
    top : scores per hop
    events_only : leave the hops out, and begin each line with the date, as suits a log that is kept
    """

    def __init__(self, stream: TextIO, top: int = 3, events_only: bool = False) -> None:
        self._stream = stream
        self._top = top
        self._events_only = events_only
        self._hops: dict[str, list[Float32]] = {}  # sound since the last hop, by source

    def write(self, record: Record) -> None:
        """Write a hop, event or gap; pass over the rest."""
        if isinstance(record, Event | Gap):
            date = f"{rfc3339(record.time)} " if self._events_only and record.time else ""
            self._stream.write(date + event_line(record))
            self._stream.flush()
        elif isinstance(record, Sound) and not self._events_only:
            self._hops.setdefault(record.source, []).append(record.samples)
        elif isinstance(record, Scores) and not self._events_only:
            level = level_dbfs(np.concatenate(self._hops.pop(record.source, [np.zeros(0, np.float32)])))
            text = f"{level:6.1f} dBFS   {in_words(record.top(self._top))}"
            self._stream.write(line(record.end_s, text, record.source))
            self._stream.flush()


def event_line(record: Event | Gap) -> str:
    """Return an event or a gap as a line."""
    if isinstance(record, Gap):
        return line(record.start_s, f"!!! {record.length_s:.3f} s of sound lost", record.source)
    if record.offset_s is None:
        return line(record.onset_s, f">>> {record.tag} begins", record.source)
    length_s = record.offset_s - record.onset_s
    text = f"<<< {record.tag} ends after {length_s:.1f} s, peak {record.peak:.2f}"
    return line(record.offset_s, text, record.source)


def line(position_s: float, text: str, source: str = "") -> str:
    """Return one line that begins with a time of the stream, also if a tag's name has line breaks."""
    return f"{position_s:10.1f} s  {printable(f'{source}: ' * bool(source) + text)}\n"


def in_words(best: Sequence[tuple[str, float]]) -> str:
    """Return tags and their scores as `dog 0.91, cat 0.12`."""
    return ", ".join(f"{tag} {score:.2f}" for tag, score in best)

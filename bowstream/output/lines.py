"""What a session says as it goes: JSON lines, and plain lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol, TextIO

import numpy as np

from bowstream._types import Float32
from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.health.counters import level_dbfs
from bowstream.session import Gap, Record, Session, Sound
from bowstream.tagger import Tags


class Output(Protocol):
    """Something that a session's records are written to."""

    def write(self, record: Record) -> None:
        """Take one record."""


class Times:
    """Turns a session's sample counts into seconds."""

    def __init__(self, session: Session) -> None:
        front_end = session.bundle.front_end
        self.sample_rate = front_end.sample_rate
        self.window = front_end.window_length

    def seconds(self, position: int) -> float:
        """Return a position in seconds, to the millisecond."""
        return round(position / self.sample_rate, 3)


def named(scores: Float32, session: Session) -> dict[str, float]:
    """Return scores by tag, in the bundle's order."""
    rounded = np.round(scores.astype(np.float64), 4).tolist()
    return {tag.name: score for tag, score in zip(session.bundle.tags, rounded)}


def event_fields(event: Event, times: Times) -> dict[str, Any]:
    """Return an event's fields, in seconds; `offset_s` is None while it is open."""
    return {
        "onset_s": times.seconds(event.onset),
        "offset_s": None if event.offset is None else times.seconds(event.offset),
        "tag": event.tag,
        "peak": round(event.peak, 4),
        "mean": round(event.mean, 4),
    }


class Objects:
    """Records as objects of plain values: what JSON lines and the sinks say."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._times = Times(session)

    def of(self, record: Record) -> dict[str, Any]:
        """Return a hop's, event's, gap's or notice's object, `type` first; an empty one for the rest."""
        times = self._times
        if isinstance(record, Tags):
            return {
                "type": "hop",
                "start_s": times.seconds(record.end - times.window),
                "end_s": times.seconds(record.end),
                "scores": named(record.scores, self._session),
                # Health belongs to what is heard live; a file's scores are the same whenever they are worked out.
                **({"health": self.health()} if self._session.source.live else {}),
            }
        if isinstance(record, Event):
            return {"type": "event", "state": "on" if record.offset is None else "off", **event_fields(record, times)}
        if isinstance(record, Gap):
            return {"type": "gap", "start_s": times.seconds(record.start), "length_s": times.seconds(record.length)}
        if isinstance(record, Notice):
            position = self._session.tagger.position
            return {"type": "notice", "at_s": times.seconds(position), "kind": record.kind, "text": record.text}
        return {}

    def health(self) -> dict[str, float | str]:
        """Return the session's health, as far as it is known."""
        report = asdict(self._session.health.report())
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in report.items()
            if value is not None
        }


class JsonLines:
    """One object a hop, event, gap or notice.

    Parameters
    ----------
    labels : fields that every object begins with, such as the file
    """

    def __init__(self, stream: TextIO, session: Session, labels: Mapping[str, Any] | None = None) -> None:
        self._stream = stream
        self._objects = Objects(session)
        self._labels = dict(labels or {})

    def write(self, record: Record) -> None:
        """Write a hop, event, gap or notice; pass over the rest."""
        if fields := self._objects.of(record):
            self.put(fields.pop("type"), **fields)

    def put(self, kind: str, /, **fields: Any) -> None:
        """Write one object and flush it, so that a reader at the other end of a pipe has it now."""
        self._stream.write(json.dumps({"type": kind, **self._labels, **fields}) + "\n")
        self._stream.flush()


class PlainLines:
    """A line an event and gap, and one a hop that names the loudest tags: for logs and pipes."""

    def __init__(self, stream: TextIO, session: Session, top: int = 3) -> None:
        self._stream = stream
        self._session = session
        self._times = Times(session)
        self._top = top
        self._hop: list[Float32] = []

    def write(self, record: Record) -> None:
        """Write a hop, event or gap; pass over the rest."""
        if isinstance(record, Sound):
            self._hop.append(record.samples)
        elif isinstance(record, Tags):
            level = level_dbfs(np.concatenate(self._hop or [np.zeros(0, np.float32)]))
            self._hop.clear()
            scores = {tag.name: float(score) for tag, score in zip(self._session.bundle.tags, record.scores)}
            self._say(record.end, f"{level:6.1f} dBFS   {loudest(scores, self._top)}")
        elif isinstance(record, Event) and record.offset is None:
            self._say(record.onset, f">>> {record.tag} begins")
        elif isinstance(record, Event) and record.offset is not None:
            length_s = self._times.seconds(record.offset - record.onset)
            self._say(record.offset, f"<<< {record.tag} ends after {length_s:.1f} s, peak {record.peak:.2f}")
        elif isinstance(record, Gap):
            self._say(record.start, f"!!! {self._times.seconds(record.length):.3f} s of sound lost")

    def _say(self, position: int, text: str) -> None:
        self._stream.write(f"{self._times.seconds(position):10.1f} s  {text}\n")
        self._stream.flush()


class EventsOnly:
    """Hands on everything but the hops and their sound: for a log that is kept."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, record: Record) -> None:
        """Write all but a hop and its sound."""
        if not isinstance(record, Tags | Sound):
            self._output.write(record)


def loudest(scores: Mapping[str, float], top: int) -> str:
    """Return the tags with the highest scores, highest first, in words."""
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {score:.2f}" for name, score in ranked[:top])

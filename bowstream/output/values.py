"""Records as plain values, as JSON and the sinks write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.audio.clock import rfc3339
from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.health.report import MEASURED, METRICS, OPTIONAL, HealthReport
from bowstream.records import Gap, Record
from bowstream.scores import Scores

Fields = dict[str, Any]
Bytes = NDArray[np.uint8]

# Scores are given to four digits, in steps of a ten-thousandth.
STEPS = 10_000
# Of a health report, in the order of `METRICS`; its numbers are given to so many digits.
VALUES, NUMBERS, REST = attrgetter(*METRICS), attrgetter(*MEASURED), attrgetter(*OPTIONAL)
DIGITS = 4
NUMBERS_JSON = ", ".join(
    f'"{name}": %d' if isinstance(getattr(HealthReport, name), int) else f'"{name}": %.{DIGITS}f' for name in MEASURED
)
UNKNOWN = (None,) * len(OPTIONAL)


def record_fields(record: Record, health: Health | None = None) -> Fields:
    """Return a hop, event, gap or notice as plain values, `type` first; an empty dict for the rest.

    Seconds count from the start of the stream, to the millisecond. `time` is UTC (RFC 3339), where the stream has a
    date: of a hop's end, an event's onset or offset, a gap's start. An event has an `id` where it has a time.
    `source` says which one it is about, where several are heard.

    Parameters
    ----------
    health : of a live stream; it is written with each hop
    """
    if isinstance(record, Scores):
        report = {"health": health_fields(health)} if health else {}
        return {"type": "hop", **hop_fields(record), "scores": named(record.array, record.tags), **report}
    if isinstance(record, Event):
        state = "on" if record.offset_s is None else "off"
        identity = {"id": record.id} if record.id else {}
        return {
            "type": "event",
            "state": state,
            **source_field(record.source),
            **time_field(record.time),
            **identity,
            **event_fields(record),
            **({"also": list(record.also)} if record.also else {}),
        }
    if isinstance(record, Gap):
        place = {"start_s": seconds(record.start_s), "length_s": seconds(record.length_s)}
        return {"type": "gap", **source_field(record.source), **time_field(record.time), **place}
    if isinstance(record, Notice):
        place = {"at_s": seconds(record.at_s)}
        said = {**time_field(record.time), **place, "kind": record.kind, "text": record.text}
        return {"type": "notice", **source_field(record.source), **said}
    return {}


def record_json(record: Record, health: Health | None = None, labels: Mapping[str, Any] | None = None) -> str:
    """Return `record_fields` as a JSON object, its `type` followed by labels; empty for the records without fields.

    Most are hops. They are put together here, in a tenth of the time that the encoder takes.
    """
    if not isinstance(record, Scores):
        fields = record_fields(record)
        return json.dumps({"type": fields.pop("type"), **(labels or {}), **fields}) if fields else ""
    named = {**(labels or {}), **source_field(record.source)}
    where = f", {json.dumps(named)[1:-1]}" if named else ""
    when = f', "time": "{rfc3339(record.time)}"' if record.time else ""
    place = f'"start_s": {seconds(record.start_s)!r}, "end_s": {seconds(record.end_s)!r}'
    report = f', "health": {health_json(health)}' if health else ""
    return f'{{"type": "hop"{where}{when}, {place}, "scores": {scores_json(record.array, record.tags)}{report}}}'


def hop_fields(scores: Scores) -> Fields:
    """Return where and when a hop was."""
    place = {"start_s": seconds(scores.start_s), "end_s": seconds(scores.end_s)}
    return {**source_field(scores.source), **time_field(scores.time), **place}


def event_fields(event: Event) -> Fields:
    """Return an event's fields; `offset_s` is None while it is open."""
    return {
        "onset_s": seconds(event.onset_s),
        "offset_s": None if event.offset_s is None else seconds(event.offset_s),
        "tag": event.tag,
        "peak": round(event.peak, 4),
        "mean": round(event.mean, 4),
    }


def health_fields(health: Health) -> Fields:
    """Return the health so far, without what this machine does not know."""
    return rounded(METRICS, VALUES(health.refresh()))


def health_json(health: Health) -> str:
    """Return `health_fields` as JSON, each number with as many digits."""
    numbers = NUMBERS_JSON % NUMBERS(health.refresh())
    values = REST(health)
    rest = f", {json.dumps(rounded(OPTIONAL, values))[1:-1]}" if values != UNKNOWN else ""
    return f"{{{numbers}{rest}}}"


def rounded(names: Iterable[str], values: Iterable[Any]) -> Fields:
    """Return the values that are known, by name."""
    known = ((name, value) for name, value in zip(names, values) if value is not None)
    return {name: round(value, DIGITS) if type(value) is float else value for name, value in known}


def named(scores: Float32, tags: Sequence[str]) -> dict[str, float]:
    """Return scores by the name of their tag, in the order of the tags."""
    return dict(zip(tags, (np.rint(scores.astype(np.float64) * STEPS) / STEPS).tolist()))


def scores_json(scores: Float32, tags: tuple[str, ...]) -> str:
    """Return `named` scores as JSON, each with four digits."""
    text, places = template(tags)
    steps = np.multiply(scores, STEPS, dtype=np.float64)
    filled = text.copy()
    filled[places] = steps_json().take(np.rint(steps, out=steps).astype(np.intp), axis=0)
    return filled.tobytes().decode("ascii")


@lru_cache(maxsize=16)
def template(tags: tuple[str, ...]) -> tuple[Bytes, NDArray[np.intp]]:
    """Return `{"dog": 0.0000, "cat": 0.0000}` as ASCII, and where the scores are in it, (tags, 6)."""
    score = steps_json()[0].tobytes().decode("ascii")
    names = [f"{', ' if place else '{'}{json.dumps(tag)}: " for place, tag in enumerate(tags)]
    text = "".join(name + score for name in names) + ("}" if tags else "{}")
    ends = np.cumsum([len(name) + len(score) for name in names], dtype=np.intp)
    places = ends[:, np.newaxis] + np.arange(-len(score), 0)
    return np.frombuffer(text.encode("ascii"), np.uint8), places


@cache
def steps_json() -> Bytes:
    """Return each score of so many steps as ASCII, `0.0000` to `1.0000`: uint8 [shape=(STEPS + 1, 6)]."""
    steps = np.arange(STEPS + 1)
    digits = steps[:, np.newaxis] // [STEPS, 1000, 100, 10, 1] % 10
    return np.insert(digits + ord("0"), 1, ord("."), axis=1).astype(np.uint8)


def source_field(source: str) -> Fields:
    """Return a record's `source`, if it has one."""
    return {"source": source} if source else {}


def time_field(time: datetime | None) -> Fields:
    """Return a record's `time`, if it has one."""
    return {"time": rfc3339(time)} if time else {}


def seconds(position_s: float) -> float:
    """Return a time to the millisecond."""
    return round(position_s, 3)

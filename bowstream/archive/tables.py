"""What was heard, as tables of Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._ids import event_id
from bowstream.archive.files import pyarrow_modules
from bowstream.archive.hear import Heard
from bowstream.archive.plan import Recording, readable
from bowstream.audio.clock import FixedClock
from bowstream.events import Event
from bowstream.history.spans import unix_ms


def events_table(rows: Iterable[tuple[Recording, Event]]) -> Any:
    """Return events: where and when, the tag and its scores; `id` as `replay --json` has it."""
    pyarrow, _ = pyarrow_modules()
    kinds = {
        "file": pyarrow.string(),
        "time": pyarrow.timestamp("ms", tz="UTC"),
        "utc_offset_s": pyarrow.int32(),
        "onset_s": pyarrow.float64(),
        "offset_s": pyarrow.float64(),
        "tag": pyarrow.string(),
        "peak": pyarrow.float32(),
        "mean": pyarrow.float32(),
        "id": pyarrow.string(),
    }
    return table([event_row(*each) for each in rows], kinds)


def event_row(recording: Recording, event: Event) -> dict[str, Any]:
    """Return an event as a row."""
    onset = moment(recording.started_at, event.onset_s)
    return {
        "file": readable(recording.path),
        "time": onset,
        "utc_offset_s": offset_s(recording.started_at),
        "onset_s": event.onset_s,
        "offset_s": event.offset_s,
        "tag": event.tag,
        "peak": event.peak,
        "mean": event.mean,
        "id": event_id(onset, recording.path, event.tag) if onset else None,
    }


def recordings_table(rows: Iterable[tuple[Recording, Heard, int]]) -> Any:
    """Return recordings, each with how much of it was heard, its number of events, and what went wrong."""
    pyarrow, _ = pyarrow_modules()
    kinds = {
        "file": pyarrow.string(),
        "time": pyarrow.timestamp("ms", tz="UTC"),
        "utc_offset_s": pyarrow.int32(),
        "heard_s": pyarrow.float64(),
        "windows": pyarrow.int64(),
        "events": pyarrow.int64(),
        "size": pyarrow.int64(),
        "sha256": pyarrow.string(),
        "error": pyarrow.string(),
        "notes": pyarrow.list_(pyarrow.string()),
    }
    found = [
        {
            "file": readable(recording.path),
            "time": moment(recording.started_at, 0.0),
            "utc_offset_s": offset_s(recording.started_at),
            "heard_s": heard.heard_s,
            "windows": heard.windows,
            "events": events,
            "size": recording.size,
            "sha256": heard.sha256 or None,
            "error": readable(heard.error) if heard.error else None,
            "notes": list(map(readable, heard.notes)),
        }
        for recording, heard, events in rows
    ]
    return table(found, kinds)


def scores_table(rows: Sequence[tuple[Recording, Heard]], tags: Sequence[str], rate: int, window_s: float) -> Any:
    """Return scores: a row per window, with a column per tag."""
    pyarrow, _ = pyarrow_modules()
    ends_s = [heard.ends / rate for _, heard in rows]
    columns = stretches(rows, ends_s)
    end_s = np.concatenate([np.zeros(0), *ends_s])
    columns |= {"start_s": pyarrow.array(end_s - window_s), "end_s": pyarrow.array(end_s)}
    scores = [heard.scores for _, heard in rows if len(heard.scores)]
    every = np.concatenate(scores) if scores else np.zeros((0, len(tags)), np.float32)
    return pyarrow.table(columns | {tag: pyarrow.array(every[:, place]) for place, tag in enumerate(tags)})


def loudness_table(rows: Sequence[tuple[Recording, Heard]]) -> Any:
    """Return loudness: a row per minute of a recording, its mean level and that of its loudest tenth of a second."""
    pyarrow, _ = pyarrow_modules()
    columns = stretches(rows, [heard.minutes[:, 0] for _, heard in rows])
    minutes = np.concatenate([np.zeros((0, 4)), *(heard.minutes for _, heard in rows)])
    names = ("start_s", "heard_s", "level_dbfs", "peak_dbfs")
    return pyarrow.table(columns | {name: pyarrow.array(minutes[:, place]) for place, name in enumerate(names)})


def stretches(rows: Sequence[tuple[Recording, Heard]], places_s: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Return the columns `file` and `time` of rows that lie at these places of their recordings."""
    pyarrow, _ = pyarrow_modules()
    counts = list(map(len, places_s))
    numbers = np.repeat(np.arange(len(rows), dtype=np.int32), counts)
    names = pyarrow.array([readable(recording.path) for recording, _ in rows], pyarrow.string())
    starts = [unix_ms(recording.started_at) if recording.started_at else 0 for recording, _ in rows]
    is_dated = np.array([recording.started_at is not None for recording, _ in rows], np.bool_)
    places_ms = np.rint(1000.0 * np.concatenate([np.zeros(0), *places_s])).astype(np.int64)
    times_ms = np.array(starts, np.int64)[numbers] + places_ms
    kind = pyarrow.timestamp("ms", tz="UTC")
    return {
        "file": pyarrow.DictionaryArray.from_arrays(pyarrow.array(numbers), names),
        "time": pyarrow.array(times_ms, pyarrow.int64(), mask=~is_dated[numbers]).cast(kind),
    }


def table(rows: Sequence[dict[str, Any]], kinds: dict[str, Any]) -> Any:
    """Return rows as a table with columns of these types."""
    pyarrow, _ = pyarrow_modules()
    return pyarrow.table({name: pyarrow.array([row[name] for row in rows], kind) for name, kind in kinds.items()})


def moment(started_at: datetime | None, position_s: float) -> datetime | None:
    """Return when a moment of a recording was, in UTC; None if it has no date."""
    return FixedClock(started_at).time(position_s) if started_at else None


def offset_s(started_at: datetime | None) -> int | None:
    """Return what local time was ahead of UTC by, there and then."""
    offset = started_at.utcoffset() if started_at else None
    return round(offset.total_seconds()) if offset is not None else None

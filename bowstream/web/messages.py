"""Records as server-sent events: small, since there may be twenty a second for each open page."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections import OrderedDict
from datetime import datetime
from typing import Any

import numpy as np

from bowstream._types import Float32
from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.health.counters import Health, dbfs
from bowstream.output.values import health_fields
from bowstream.records import Gap, Record, Sound, StreamInfo
from bowstream.scores import Scores

HEALTH_EVERY_S = 2.0
# Levels of a mel that are the ends of the picture's colours.
DARKEST_DBFS, BRIGHTEST_DBFS = -95.0, -25.0
# Events that a page is shown when it opens.
RECENT = 30

Fields = dict[str, Any]


def message(kind: str, fields: Fields) -> bytes:
    """Return a server-sent event."""
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"event: {kind}\ndata: {text}\n\n".encode()


class Narrator:
    """Tells pages of a session's records; keeps the newest events for a page that opens.

    Parameters
    ----------
    info : describes the stream
    health : told every two seconds
    """

    def __init__(self, info: StreamInfo, health: Health) -> None:
        self._info = info
        self._health = health
        self._events: OrderedDict[str, Fields] = OrderedDict()
        self._position_s = 0.0
        self._health_due_s = 0.0
        self.away = ""

    def follow(self, record: Record) -> None:
        """Keep what a page is shown when it opens; next to nothing for scores."""
        if isinstance(record, StreamInfo):
            self._info = record
        elif isinstance(record, Scores):
            self._position_s = record.end_s
        elif isinstance(record, Event):
            fields = self._event(record)
            self._events.pop(fields["id"], None)
            self._events[fields["id"]] = fields
            if len(self._events) > RECENT:
                self._drop_oldest()
        elif isinstance(record, Notice):
            self.away = record.text if record.kind == "away" else "" if record.kind == "back" else self.away

    def tell(self, record: Record) -> bytes:
        """Return what is sent for a record that was followed; empty for nothing."""
        if isinstance(record, Sound):
            return self._message("sound", self._sound(record))
        if isinstance(record, Scores):
            sent = self._message("hop", {"t": self._unix_ms(record.time, record.end_s), "s": packed(record.array)})
            return sent + self._tell_health()
        if isinstance(record, Event):
            return self._message("event", self._event(record))
        if isinstance(record, Gap):
            t = self._unix_ms(record.time, record.start_s)
            return self._message("gap", {"t": t, "length_s": record.length_s})
        if isinstance(record, Notice):
            t = self._unix_ms(record.time, record.at_s)
            return self._message("notice", {"t": t, "kind": record.kind, "text": record.text})
        return b""

    def _message(self, kind: str, fields: Fields) -> bytes:
        return message(kind, {"source": self._info.source, **fields})

    @property
    def introduction(self) -> Fields:
        """What a page gets about the source when it opens: the names of its tags are in the order of its scores."""
        tags = [tag.name for tag in self._info.tags]
        return {"name": self._info.source, "hop_s": self._info.hop_s, "tags": tags, "away": self.away}

    @property
    def recent(self) -> list[Fields]:
        """The newest events, those that are open among them."""
        return list(self._events.copy().values())

    def _drop_oldest(self) -> None:
        """Drop the oldest event that has ended, or the oldest."""
        ended = (name for name, fields in self._events.items() if fields["duration_ms"] is not None)
        self._events.pop(next(ended, next(iter(self._events))))

    def _tell_health(self) -> bytes:
        if time.monotonic() < self._health_due_s:
            return b""
        self._health_due_s = time.monotonic() + HEALTH_EVERY_S
        return self._message("health", health_fields(self._health))

    def _sound(self, sound: Sound) -> Fields:
        """Return a column of the picture per 100 ms, a byte per mel, and the level."""
        frames = self._info.frames_per_s // 10
        columns = sound.log_mel.reshape(-1, frames, self._info.n_mels).mean(axis=1) * self._info.log_mel_db
        level_dbfs = dbfs(sound.power)
        # Log-mel may be relative to the loudest recent sound: in a picture, what is quiet looks quiet.
        columns += level_dbfs - 10.0 * np.log10(np.power(10.0, columns / 10.0).sum(axis=1, keepdims=True))
        return {"m": packed((columns - DARKEST_DBFS) / (BRIGHTEST_DBFS - DARKEST_DBFS)), "l": round(level_dbfs, 1)}

    def _event(self, event: Event) -> Fields:
        length_s = None if event.offset_s is None else event.offset_s - event.onset_s
        at_s = event.onset_s if event.offset_s is None else event.offset_s
        onset_ms = self._unix_ms(event.time, at_s) - round((length_s or 0.0) * 1000.0)
        return {
            "id": event.id or f"{event.tag}@{event.onset_s:.3f}",
            "is_kept": event.id is not None,
            "source": self._info.source,
            "tag": event.tag,
            "onset_ms": onset_ms,
            "duration_ms": None if length_s is None else round(length_s * 1000.0),
            "peak": round(event.peak, 3),
        }

    def _unix_ms(self, moment: datetime | None, position_s: float) -> int:
        """Return when a moment was; without a date, as if the sound were heard now."""
        unix_s = moment.timestamp() if moment else time.time() - self._position_s + position_s
        return round(unix_s * 1000.0)


def packed(values: Float32) -> str:
    """Return values of 0 … 1 as a byte each, in base64."""
    return b64encode(np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8).tobytes()).decode()

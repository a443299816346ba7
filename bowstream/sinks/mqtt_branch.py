"""What is published of one source: a branch of topics, and a device in Home Assistant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bowstream.audio.source import Notice
from bowstream.config.sinks import MqttSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.values import health_fields, record_fields, source_field, time_field
from bowstream.records import Gap, Record, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks import home_assistant
from bowstream.sinks.names import slug, slugs


@dataclass(frozen=True)
class Message:
    """What is published: to which topic, and whether the broker keeps it for those who come later."""

    topic: str
    payload: str
    retain: bool = False


class Branch:
    """Makes the messages of a source from its records.

    Parameters
    ----------
    settings : of the sink
    info, health : of the source's stream
    name : of the branch below the sink's root; empty if it is the root itself, as it is where only one source is heard

    Attributes
    ----------
    root : of the branch's topics
    newest : id of its newest event
    """

    def __init__(self, settings: MqttSettings, info: StreamInfo, health: Health, name: str) -> None:
        self.root = f"{settings.root}/{name}" if name else settings.root
        self.newest = ""
        self._settings = settings
        self._health = health
        self._known = health.report()  # what this machine knows of its health
        self._slugs = slugs(tag.name for tag in info.tags)
        self._gone: set[str] = set()  # slugs of tags that were there once, and are muted or renamed
        self._raised: set[str] = set()
        self._counts = dict.fromkeys(self._slugs.values(), 0)
        self._health_due_s = 0.0
        self._away = False

    @property
    def discovery_topic(self) -> str:
        """Topic of the discovery message; empty for no discovery."""
        prefix = self._settings.discovery.strip("/")
        return f"{prefix}/device/{slug(self.root)}/config" if prefix else ""

    @property
    def watched(self) -> list[str]:
        """Topics to which others publish, or that the broker keeps."""
        topics = [self.topic("verdict"), self.topic("tag/+"), self.discovery_topic]
        return [topic for topic in topics if topic]

    def topic(self, place: str) -> str:
        """Return a topic of the branch."""
        return f"{self.root}/{place}"

    def convert(self, record: Record) -> Iterator[Message]:
        """Return the messages of an event, gap or notice, and from time to time one on health."""
        if isinstance(record, Event):
            yield from self._event(record)
        elif isinstance(record, Gap):
            yield self._message("gap", json.dumps(record_fields(record)))
        elif isinstance(record, Notice):
            yield self._message("notice", json.dumps(record_fields(record)))
            if record.kind in ("away", "back"):
                self._away = record.kind == "away"
                yield self._microphone()
        elif isinstance(record, StreamInfo):
            yield from self._retag(record)
        elif isinstance(record, Scores) and record.end_s >= self._health_due_s:
            self._health_due_s = record.end_s + self._settings.health_s
            fields = {**source_field(record.source), **time_field(record.time), **health_fields(self._health)}
            yield self._message("health", json.dumps(fields), retain=True)

    def clip(self, event: Event, file: Path) -> Message:
        """Return the message that an event has a clip."""
        fields = {"id": event.id, "tag": event.tag, "peak": round(event.peak, 4), "file": file.name, "path": str(file)}
        return self._message("clip", json.dumps({"type": "clip", **source_field(event.source), **fields}))

    def present(self) -> Iterator[Message]:
        """Return the present state, for a broker that knows nothing of it."""
        yield from self.discovery()
        yield from map(self._state, self._slugs)
        yield self._microphone()
        yield self._count()

    def discovery(self) -> Iterator[Message]:
        """Return Home Assistant's discovery of the source, if it is wanted."""
        if self.discovery_topic:
            status = f"{self._settings.root}/status"
            device = home_assistant.device(
                self.root, self._slugs, self._settings.only, self._known, self._gone, status=status
            )
            yield Message(self.discovery_topic, json.dumps(device), retain=True)

    def take_away(self, slugs: set[str]) -> Iterator[Message]:
        """Return what clears what the broker and Home Assistant keep of tags that are muted, renamed or unknown now."""
        gone = slugs - set(self._slugs.values()) - self._gone
        self._gone |= gone
        yield from (self._message(f"tag/{each}", "", retain=True) for each in gone)
        if gone:
            yield from self.discovery()

    def _retag(self, info: StreamInfo) -> Iterator[Message]:
        """Make new tags known, and take away those that are gone."""
        before, self._slugs = self._slugs, slugs(tag.name for tag in info.tags)
        if before == self._slugs:
            return
        now = set(self._slugs.values())
        self._gone -= now
        self._counts = {each: self._counts.get(each, 0) for each in self._slugs.values()}
        self._raised &= self._slugs.keys()
        yield from self.take_away(set(before.values()) - now)
        yield from self.discovery()
        yield from (self._state(tag) for tag in self._slugs if tag not in before)
        yield self._count()

    def _event(self, event: Event) -> Iterator[Message]:
        fields = json.dumps({**record_fields(event), "event_type": event.tag})
        self.newest = max(event.id or "", self.newest)
        if event.offset_s is None:
            self._raised.add(event.tag)
            self._counts[self._slugs[event.tag]] += 1
            yield self._message("event/on", fields)
            yield self._count()
        else:
            self._raised.discard(event.tag)
            yield self._message("event/off", fields)
        yield self._state(event.tag)

    def _message(self, place: str, payload: str, retain: bool = False) -> Message:
        return Message(self.topic(place), payload, retain)

    def _count(self) -> Message:
        return self._message("count", json.dumps(self._counts), retain=True)

    def _state(self, tag: str) -> Message:
        return self._message(f"tag/{self._slugs[tag]}", "ON" if tag in self._raised else "OFF", retain=True)

    def _microphone(self) -> Message:
        return self._message("microphone", "away" if self._away else "there", retain=True)

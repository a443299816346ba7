"""MQTT: events and health as JSON, with a last will and Home Assistant's discovery."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowstream.audio.source import Notice
from bowstream.config.sinks import MqttSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.history.past import VERDICTS
from bowstream.output.values import health_fields, record_fields, time_field
from bowstream.records import Gap, Record, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks import home_assistant
from bowstream.sinks.mqtt_client import Identity, Survivor, new_client
from bowstream.sinks.names import slug, slugs
from bowstream.sinks.worker import RetryableError, Sink

KEEPALIVE_S = 30
ACKNOWLEDGE_S = 5.0


@dataclass(frozen=True)
class Message:
    """What is published: below which topic, and whether the broker keeps it for those who come later."""

    topic: str
    payload: str
    retain: bool = False


class Mqtt(Sink[Message]):
    """Publishes at least once (QoS 1), in order; paho keeps the connection, in its own thread.

    Below the root: `status` (online, offline; kept), `event/on` and `event/off` (JSON), `tag/NAME` (ON, OFF; kept),
    `count` (JSON: events of each tag since the start; kept), `clip` (JSON: an event's id and tag, and its clip's file),
    `health` (JSON; kept), `gap` and `notice` (JSON), `microphone` (away, there; kept), `listener` (JSON: who
    publishes here; kept). To `verdict` others may publish `{"id": …, "verdict": "wrong"}`, or `right`, or null; the
    id `last` is that of the newest event.

    Attributes
    ----------
    on_verdict : told an event's id and the verdict on it, in the connection's thread
    """

    def __init__(self, settings: MqttSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("mqtt")
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._health = health
        self._known = health.report()  # what this machine knows of its health
        self._slugs = slugs(tag.name for tag in info.tags)
        self._gone: set[str] = set()  # slugs of tags that were there once, and are muted or renamed
        self._raised: set[str] = set()
        self._counts = dict.fromkeys(self._slugs.values(), 0)
        self._newest = ""  # id of the newest event
        self._health_due_s = 0.0
        self._sent: Any = None  # the message that is on its way, until the broker has acknowledged it
        self._away = False
        self._refusal = "no connection"
        self._identity = Identity(settings.root)
        self.on_verdict: Callable[[str, str | None], None] = lambda name, verdict: None
        self._others: set[str] = set()  # ids of listeners that publish to our topics, too
        self._client = self._new_client()

    def _new_client(self) -> Any:
        client = new_client(self._settings, self._identity.client_id)
        client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        self._loop = client.loop_forever = Survivor(client.loop_forever, self._connect, self.warn)
        return client

    def _connect(self) -> None:
        """Ask for a connection; paho's thread makes it."""
        self._client.connect_async(self._settings.host, self._settings.port, KEEPALIVE_S)

    def __enter__(self) -> Mqtt:
        self._connect()
        self._client.loop_start()
        super().__enter__()
        return self

    def convert(self, record: Record) -> Iterator[Message]:
        """Return the messages of an event, gap or notice, and from time to time one on health."""
        if isinstance(record, Event):
            yield from self._event(record)
        elif isinstance(record, Gap):
            yield Message("gap", json.dumps(record_fields(record)))
        elif isinstance(record, Notice):
            yield Message("notice", json.dumps(record_fields(record)))
            if record.kind in ("away", "back"):
                self._away = record.kind == "away"
                yield self._microphone()
        elif isinstance(record, StreamInfo):
            yield from self._retag(record)
        elif isinstance(record, Scores) and record.end_s >= self._health_due_s:
            self._health_due_s = record.end_s + self._settings.health_s
            fields = {**time_field(record.time), **health_fields(self._health)}
            yield Message("health", json.dumps(fields), retain=True)

    def _retag(self, info: StreamInfo) -> Iterator[Message]:
        """Make new tags known, and take away those that are gone."""
        before, self._slugs = self._slugs, slugs(tag.name for tag in info.tags)
        if before == self._slugs:
            return
        now = set(self._slugs.values())
        self._gone -= now
        self._counts = {each: self._counts.get(each, 0) for each in self._slugs.values()}
        self._raised &= self._slugs.keys()
        self._take_away(set(before.values()) - now)
        self._publish_discovery()
        yield from (self._state(tag) for tag in self._slugs if tag not in before)
        yield self._count()

    def _event(self, event: Event) -> Iterator[Message]:
        fields = json.dumps({**record_fields(event), "event_type": event.tag})
        self._newest = max(event.id or "", self._newest)
        if event.offset_s is None:
            self._raised.add(event.tag)
            self._counts[self._slugs[event.tag]] += 1
            yield Message("event/on", fields)
            yield self._count()
        else:
            self._raised.discard(event.tag)
            yield Message("event/off", fields)
        yield self._state(event.tag)

    def clip_kept(self, event: Event, file: Path) -> None:
        """Say that an event has a clip; called by another sink's thread."""
        fields = {"id": event.id, "tag": event.tag, "peak": round(event.peak, 4), "file": file.name, "path": str(file)}
        self.enqueue(Message("clip", json.dumps({"type": "clip", **fields})))

    def _count(self) -> Message:
        return Message("count", json.dumps(self._counts), retain=True)

    def _state(self, tag: str) -> Message:
        return Message(f"tag/{self._slugs[tag]}", "ON" if tag in self._raised else "OFF", retain=True)

    def _microphone(self) -> Message:
        return Message("microphone", "away" if self._away else "there", retain=True)

    def deliver(self, item: Message) -> None:
        """Publish a message and wait until the broker has acknowledged it."""
        if self._sent is None:
            if not self._client.is_connected():
                raise RetryableError(f"{self._where}: {self._refusal}")
            self._sent = self._publish(item)
        try:
            self._sent.wait_for_publish(ACKNOWLEDGE_S)
        except (ValueError, RuntimeError) as error:
            self._sent = None
            raise RetryableError(f"{self._where}: {error}") from error
        if not self._sent.is_published():
            raise RetryableError(f"{self._where}: no answer")
        self._sent = None

    def close(self) -> None:
        """Say goodbye, so that the broker need not send the last will."""
        if self._client.is_connected():
            self._publish(Message("status", "offline", retain=True)).wait_for_publish(1.0)
            self._client.disconnect()
        self._loop.end()
        self._client.loop_stop()
        self._identity.close()

    def _topic(self, place: str) -> str:
        return f"{self._settings.root}/{place}"

    def _publish(self, message: Message) -> Any:
        return self._client.publish(self._topic(message.topic), message.payload, qos=1, retain=message.retain)

    @property
    def _discovery_topic(self) -> str:
        """Topic of the discovery message; empty for no discovery."""
        prefix = self._settings.discovery.strip("/")
        return f"{prefix}/device/{slug(self._settings.root)}/config" if prefix else ""

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Publish the present state; called by paho's thread, at each connection."""
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            return
        self._refusal = "connection lost"
        # First, so that what the broker keeps from before comes in: it shows which tags have gone.
        topics = [self._topic("listener"), self._topic("verdict"), self._topic("tag/+"), self._discovery_topic]
        client.subscribe([(topic, 1) for topic in topics if topic])
        self._publish_discovery()
        for tag in self._slugs:
            self._publish(self._state(tag))
        self._publish(self._microphone())
        self._publish(self._count())
        self._introduce()
        self._publish(Message("status", "online", retain=True))

    def _publish_discovery(self) -> None:
        if self._discovery_topic:
            settings = self._settings
            device = home_assistant.device(settings.root, self._slugs, settings.only, self._known, self._gone)
            self._client.publish(self._discovery_topic, json.dumps(device), qos=1, retain=True)

    def _introduce(self) -> None:
        me = {"id": self._identity.client_id, "host": socket.gethostname()}
        self._publish(Message("listener", json.dumps(me), retain=True))

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        """Handle what the broker keeps below our topics, or another listener publishes; called by paho's thread."""
        if message.topic == self._topic("listener"):
            self._meet(message.payload, message.retain)
        elif message.topic == self._topic("verdict"):
            if not message.retain:  # one that is kept was said before now, maybe long ago
                self._take_verdict(message.payload)
        elif message.retain and message.topic == self._discovery_topic:
            self._take_away(home_assistant.tags_in(message.payload))
        elif message.retain and message.payload:
            self._take_away({message.topic.rpartition("/")[2]})

    def _take_verdict(self, payload: bytes) -> None:
        """Pass on that an event was right or wrong, or that nothing is said of it any more."""
        said = home_assistant.parsed(payload)
        name, verdict = said.get("id"), said.get("verdict")
        if isinstance(name, str) and verdict in (*VERDICTS, None):
            self.on_verdict(self._newest if name == "last" else name, verdict)
        else:
            self.warn(f"a verdict must be an object with id and verdict, right, wrong or null (got {payload[:100]!r})")

    def _meet(self, payload: bytes, is_kept: bool) -> None:
        """Warn of another listener; a message that was kept may be of one that ended long ago."""
        other = home_assistant.parsed(payload)
        name = str(other.get("id", ""))
        if is_kept or not name or name == self._identity.client_id or name in self._others:
            return
        self._others.add(name)
        self._introduce()  # so that it warns as well
        self.warn(
            f"another listener, on {str(other.get('host'))[:100]}, publishes to {self._settings.root}, too: their "
            "states get mixed up; give one of them another topic in [sinks.mqtt]"
        )

    def _take_away(self, slugs: set[str]) -> None:
        """Clear what the broker and Home Assistant keep of tags that are muted, renamed or unknown by now."""
        gone = slugs - set(self._slugs.values()) - self._gone
        if not gone:
            return
        self._gone |= gone
        for each in gone:
            self._publish(Message(f"tag/{each}", "", retain=True))
        self._publish_discovery()

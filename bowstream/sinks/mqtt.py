"""MQTT: events and health as JSON, with a last will, and Home Assistant finds it all by itself."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bowstream.audio.source import Notice
from bowstream.config.sinks import MqttSettings
from bowstream.errors import UsageError
from bowstream.events import Event
from bowstream.session import Gap, Record
from bowstream.sinks import home_assistant
from bowstream.sinks.dated import Dated
from bowstream.sinks.names import slug, slugs
from bowstream.sinks.worker import Sink, Undelivered
from bowstream.tagger import Tags

KEEPALIVE_S = 30
ACKNOWLEDGE_S = 5.0


@dataclass(frozen=True)
class Message:
    """What is published: below which topic, and whether the broker keeps it for whoever comes later."""

    topic: str
    payload: str
    retain: bool = False


def load_paho() -> Any:
    """Import paho-mqtt.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        return importlib.import_module("paho.mqtt.client")
    except ModuleNotFoundError as error:
        raise UsageError("[sinks.mqtt] needs paho-mqtt: pip install paho-mqtt") from error


class Mqtt(Sink[Message]):
    """Publishes at least once (QoS 1), in order; paho keeps the connection, in a thread of its own.

    Below the root: `status` (online, offline; kept), `event/on` and `event/off` (JSON), `tag/NAME` (ON, OFF; kept),
    `health` (JSON; kept), `gap` and `notice` (JSON), `microphone` (away, there; kept).
    """

    def __init__(self, settings: MqttSettings, dated: Dated) -> None:
        super().__init__("mqtt")
        self._settings = settings
        self._dated = dated
        self._slugs = slugs(tag.name for tag in dated.session.bundle.tags)
        self._raised: set[str] = set()
        self._next_health = 0
        self._sent: Any = None  # the message that is on its way, until the broker has acknowledged it
        root, known = settings.root, dated.health()
        self._discovery = json.dumps(home_assistant.device(root, self._slugs, settings.only, known))
        self._away = False
        self._client = self._new_client()
        self._refusal = "no connection"

    def _new_client(self) -> Any:
        paho, settings = load_paho(), self._settings
        name = slug(settings.root)
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        client.will_set(f"{settings.root}/status", "offline", qos=1, retain=True)
        if settings.username:
            client.username_pw_set(settings.username, settings.password or None)
        if settings.tls:
            client.tls_set()
        client.reconnect_delay_set(1, 30)
        client.on_connect = self._on_connect
        return client

    def __enter__(self) -> Mqtt:
        self._client.connect_async(self._settings.host, self._settings.port, KEEPALIVE_S)
        self._client.loop_start()
        super().__enter__()
        return self

    def take(self, record: Record) -> Iterator[Message]:
        """Return an event's or gap's messages, and from time to time one on health."""
        if isinstance(record, Event):
            raised = record.offset is None
            (self._raised.add if raised else self._raised.discard)(record.tag)
            fields = {**self._dated.of(record), "event_type": record.tag}
            yield Message("event/on" if raised else "event/off", json.dumps(fields))
            yield self._state(record.tag)
        elif isinstance(record, Gap):
            yield Message("gap", json.dumps(self._dated.of(record)))
        elif isinstance(record, Notice):
            yield Message("notice", json.dumps(self._dated.of(record)))
            if record.kind in ("away", "back"):
                self._away = record.kind == "away"
                yield self._microphone()
        elif isinstance(record, Tags) and record.end >= self._next_health:
            rate = self._dated.session.bundle.front_end.sample_rate
            self._next_health = record.end + round(self._settings.health_s * rate)
            yield Message("health", json.dumps(self._dated.health()), retain=True)

    def _state(self, tag: str) -> Message:
        return Message(f"tag/{self._slugs[tag]}", "ON" if tag in self._raised else "OFF", retain=True)

    def _microphone(self) -> Message:
        return Message("microphone", "away" if self._away else "there", retain=True)

    def deliver(self, item: Message) -> None:
        """Publish a message and wait until the broker has acknowledged it."""
        where = f"{self._settings.host}:{self._settings.port}"
        if self._sent is None:
            if not self._client.is_connected():
                raise Undelivered(f"{where}: {self._refusal}")
            self._sent = self._publish(item)
        try:
            self._sent.wait_for_publish(ACKNOWLEDGE_S)
        except (ValueError, RuntimeError) as error:
            self._sent = None
            raise Undelivered(f"{where}: {error}") from error
        if not self._sent.is_published():
            raise Undelivered(f"{where}: no answer")
        self._sent = None

    def shut(self) -> None:
        """Say goodbye, so that the will need not."""
        if self._client.is_connected():
            self._publish(Message("status", "offline", retain=True)).wait_for_publish(1.0)
            self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, message: Message) -> Any:
        topic = f"{self._settings.root}/{message.topic}"
        return self._client.publish(topic, message.payload, qos=1, retain=message.retain)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Introduce ourselves; called by paho's thread, at each connection."""
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            return
        self._refusal = "connection lost"
        settings = self._settings
        if settings.discovery:
            topic = f"{settings.discovery}/device/{slug(settings.root)}/config"
            client.publish(topic, self._discovery, qos=1, retain=True)
        for tag in self._slugs:
            self._publish(self._state(tag))
        self._publish(self._microphone())
        self._publish(Message("status", "online", retain=True))

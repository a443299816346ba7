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
from bowstream.health.counters import Health
from bowstream.output.records import health_fields, record_fields, time_field
from bowstream.scores import Scores
from bowstream.session import Gap, Record, StreamInfo
from bowstream.sinks import home_assistant
from bowstream.sinks.names import slug, slugs
from bowstream.sinks.worker import RetryableError, Sink

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

    def __init__(self, settings: MqttSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("mqtt")
        self._settings = settings
        self._health = health
        self._slugs = slugs(tag.name for tag in info.tags)
        self._raised: set[str] = set()
        self._health_due_s = 0.0
        self._sent: Any = None  # the message that is on its way, until the broker has acknowledged it
        device = home_assistant.device(settings.root, self._slugs, settings.only, health.report())
        self._discovery = json.dumps(device)
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
        elif isinstance(record, Scores) and record.end_s >= self._health_due_s:
            self._health_due_s = record.end_s + self._settings.health_s
            fields = {**time_field(record.time), **health_fields(self._health)}
            yield Message("health", json.dumps(fields), retain=True)

    def _event(self, event: Event) -> Iterator[Message]:
        fields = json.dumps({**record_fields(event), "event_type": event.tag})
        if event.offset_s is None:
            self._raised.add(event.tag)
            yield Message("event/on", fields)
        else:
            self._raised.discard(event.tag)
            yield Message("event/off", fields)
        yield self._state(event.tag)

    def _state(self, tag: str) -> Message:
        return Message(f"tag/{self._slugs[tag]}", "ON" if tag in self._raised else "OFF", retain=True)

    def _microphone(self) -> Message:
        return Message("microphone", "away" if self._away else "there", retain=True)

    def deliver(self, item: Message) -> None:
        """Publish a message and wait until the broker has acknowledged it."""
        where = f"{self._settings.host}:{self._settings.port}"
        if self._sent is None:
            if not self._client.is_connected():
                raise RetryableError(f"{where}: {self._refusal}")
            self._sent = self._publish(item)
        try:
            self._sent.wait_for_publish(ACKNOWLEDGE_S)
        except (ValueError, RuntimeError) as error:
            self._sent = None
            raise RetryableError(f"{where}: {error}") from error
        if not self._sent.is_published():
            raise RetryableError(f"{where}: no answer")
        self._sent = None

    def close(self) -> None:
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

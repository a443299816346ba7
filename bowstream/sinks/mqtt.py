"""MQTT: events and health as JSON, with a last will and Home Assistant's discovery."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bowstream.config.sinks import MqttSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.history.past import VERDICTS
from bowstream.records import Idle, Record, StreamInfo, source_of
from bowstream.sinks import home_assistant
from bowstream.sinks.mqtt_branch import Branch, Message
from bowstream.sinks.mqtt_client import Identity, Survivor, new_client
from bowstream.sinks.names import slugs
from bowstream.sinks.worker import RetryableError, Sink

KEEPALIVE_S = 30
ACKNOWLEDGE_S = 5.0


class Mqtt(Sink[Message]):
    """Publishes at least once (QoS 1), in order; paho keeps the connection, in its own thread.

    Below the root: `status` (online, offline; kept), `event/on` and `event/off` (JSON), `tag/NAME` (ON, OFF; kept),
    `count` (JSON: events of each tag since the start; kept), `clip` (JSON: an event's id and tag, and its clip's file),
    `health` (JSON; kept), `gap` and `notice` (JSON), `microphone` (away, there; kept), `listener` (JSON: who
    publishes here; kept). To `verdict` others may publish `{"id": …, "verdict": "wrong"}`, or `right`, or null; the
    id `last` is that of the newest event. Where several sources are heard, each has its own root below that one, by its
    name, and its own device in Home Assistant; `status` and `listener` are of all.

    Attributes
    ----------
    on_verdict : told an event's id and the verdict on it, in the connection's thread
    """

    def __init__(self, settings: MqttSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("mqtt")
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._branches: dict[str, Branch] = {}  # by source
        self.add(info, health)
        self._sent: Any = None  # the message that is on its way, until the broker has acknowledged it
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

    def add(self, info: StreamInfo, health: Health) -> None:
        """Publish what another source hears, too; called before it is entered."""
        names = slugs([*self._branches, info.key])
        self._branches[info.key] = Branch(self._settings, info, health, names[info.key] if info.is_named else "")

    def convert(self, record: Record) -> Iterable[Message]:
        """Return the messages of an event, gap or notice, and from time to time one on health."""
        return () if isinstance(record, Idle) else self._branches[source_of(record)].convert(record)

    def clip_kept(self, event: Event, file: Path) -> None:
        """Say that an event has a clip; called by another sink's thread."""
        self.enqueue(self._branches[event.source].clip(event, file))

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
            self._publish(Message(self._topic("status"), "offline", retain=True)).wait_for_publish(1.0)
            self._client.disconnect()
        self._loop.end()
        self._client.loop_stop()
        self._identity.close()

    def _topic(self, place: str) -> str:
        return f"{self._settings.root}/{place}"

    def _publish(self, message: Message) -> Any:
        return self._client.publish(message.topic, message.payload, qos=1, retain=message.retain)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        """Publish the present state; called by paho's thread, at each connection."""
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            return
        self._refusal = "connection lost"
        # First, so that what the broker keeps from before comes in: it shows which tags have gone.
        topics = [self._topic("listener"), *(topic for branch in self._branches.values() for topic in branch.watched)]
        client.subscribe([(topic, 1) for topic in topics])
        for branch in self._branches.values():
            self._publish_all(branch.present())
        self._introduce()
        self._publish(Message(self._topic("status"), "online", retain=True))

    def _publish_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._publish(message)

    def _introduce(self) -> None:
        me = {"id": self._identity.client_id, "host": socket.gethostname()}
        self._publish(Message(self._topic("listener"), json.dumps(me), retain=True))

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        """Handle what the broker keeps below our topics, or another listener publishes; called by paho's thread."""
        if message.topic == self._topic("listener"):
            self._meet(message.payload, message.retain)
            return
        for branch in self._branches.values():
            if message.topic == branch.topic("verdict"):
                if not message.retain:  # one that is kept was said before now, maybe long ago
                    self._take_verdict(message.payload, branch.newest)
            elif message.retain and message.topic == branch.discovery_topic:
                self._publish_all(branch.take_away(home_assistant.tags_in(message.payload)))
            elif message.retain and message.payload and message.topic.startswith(branch.topic("tag/")):
                self._publish_all(branch.take_away({message.topic.rpartition("/")[2]}))

    def _take_verdict(self, payload: bytes, newest: str) -> None:
        """Pass on that an event was right or wrong, or nothing any more; `newest` is the event that has the id last."""
        said = home_assistant.parsed(payload)
        name, verdict = said.get("id"), said.get("verdict")
        if isinstance(name, str) and verdict in (*VERDICTS, None):
            self.on_verdict(newest if name == "last" else name, verdict)
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

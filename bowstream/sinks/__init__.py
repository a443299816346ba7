"""Sinks: where a live session's events, scores and health are delivered, beside the screen.

Each is a table `[sinks.NAME]` of the configuration, its settings are in `bowstream.config.sinks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bowstream.config.fields import meaning, settings_of
from bowstream.config.sinks import (
    ClipsSettings,
    CommandSettings,
    HistorySettings,
    JsonlSettings,
    MqttSettings,
    PrometheusSettings,
    SinkSettings,
    WebhookSettings,
)
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.model.tags import Tag, named
from bowstream.records import Record, Sound, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks import clips, command, history, jsonl, mqtt, mqtt_client, prometheus, webhook
from bowstream.sinks.worker import FLUSH_S, Sink, SinkReport

SINKS: Mapping[type[SinkSettings], Any] = {
    JsonlSettings: jsonl.JsonFile,
    ClipsSettings: clips.Clips,
    HistorySettings: history.HistorySink,
    CommandSettings: command.Command,
    WebhookSettings: webhook.Webhook,
    MqttSettings: mqtt.Mqtt,
    PrometheusSettings: prometheus.Prometheus,
}
# Import the package that a sink needs, or raise an error that tells how to install it.
LOADERS: Mapping[str, Callable[[], Any]] = {"mqtt": mqtt_client.load_paho, "prometheus": prometheus.load_client}


def with_tags(settings: SinkSettings, tags: Sequence[Tag]) -> SinkSettings:
    """Return a sink's settings with each group that they name replaced by its tags; `never` wins over a group."""
    fields = [name for name, one in settings_of(settings).items() if meaning(one).of_tags]
    found = {name: named(getattr(settings, name), tags) for name in fields}
    if "never" in found:
        found["only"] = tuple(tag for tag in found["only"] if tag not in found["never"]) or found["only"]
    return replace(settings, **found)


# How often the sinks are asked how they are doing, in seconds of sound.
ASK_EVERY_S = 4.95


class Sinks:
    """All sinks of a session: an `Output` that hands each record to each sink, and never waits.

    Leaving it gives all sinks together five seconds for what is still to be delivered.

    Parameters
    ----------
    info, health : of the stream, or of the first of several; health counts what the sinks lost
    settings : of each sink, by its name
    warn : takes one line when a sink cannot deliver, and when it can again
    others : description and health of each further source
    """

    def __init__(
        self,
        info: StreamInfo,
        health: Health,
        settings: Mapping[str, SinkSettings],
        warn: Callable[[str], None],
        others: Sequence[tuple[StreamInfo, Health]] = (),
    ) -> None:
        self._health = health
        self._warn = warn
        tags = tuple(dict.fromkeys(tag for stream in (info, *(each for each, _ in others)) for tag in stream.tags))
        self._sinks: list[Sink[Any]] = [
            SINKS[type(each)](with_tags(each, tags), info, health) for each in settings.values()
        ]
        for sink in self._sinks:
            for stream in others:
                sink.add(*stream)
            if isinstance(sink, clips.Clips):
                sink.on_kept = self._kept
            elif isinstance(sink, mqtt.Mqtt):
                sink.on_verdict = self.judge
        self._hearing = [sink for sink in self._sinks if sink.takes_sound]
        self._open: list[Sink[Any]] = []
        self._troubles: dict[str, str] = {}
        self._ask_at_s = 0.0  # of the stream

    def add(self, sink: Sink[Any]) -> None:
        """Have another one, which is no table of the configuration; before all are entered."""
        self._sinks.append(sink)
        self._hearing += [sink] if sink.takes_sound else []

    def __enter__(self) -> Sinks:
        try:
            for sink in self._sinks:
                self._open.append(sink.__enter__())
        except BaseException:
            self._close(0.0)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._close(FLUSH_S)

    def write(self, record: Record) -> None:
        """Hand a record to every sink that takes it."""
        if isinstance(record, Sound):
            for sink in self._hearing:
                sink.write(record)
            return
        for sink in self._sinks:
            sink.write(record)
        if isinstance(record, Scores):  # so many come that to ask after each would cost more than to write
            if record.end_s < self._ask_at_s:
                return
            self._ask_at_s = record.end_s + ASK_EVERY_S
        self._look_after()

    def _look_after(self) -> None:
        """Count what was lost, and say what has changed."""
        reports = self.reports()
        self._health.undelivered = sum(report.lost for report in reports)
        for sink in self._sinks:
            for warning in sink.warnings():
                self._warn(f"{sink.name}: {warning}")
        for report in reports:
            if report.trouble != self._troubles.get(report.name, ""):
                self._troubles[report.name] = report.trouble
                self._warn(str(report) if report.trouble else f"{report}; delivers again")

    def reports(self) -> list[SinkReport]:
        """Return how each sink is doing."""
        return [sink.report() for sink in self._sinks]

    def _kept(self, event: Event, file: Path) -> None:
        """Tell all sinks that an event has a clip."""
        for sink in self._sinks:
            sink.clip_kept(event, file)

    def judge(self, event: str, verdict: str | None) -> None:
        """Tell all sinks what was said of the event with this id; for any thread."""
        for sink in self._sinks:
            sink.judged(event, verdict)

    def _close(self, flush_s: float) -> None:
        deadline = time.monotonic() + flush_s
        for sink in self._open:
            if isinstance(sink, clips.Clips):  # its last clips are told to the others, which must not have ended
                sink.join(flush_s / 2.0)
        for sink in self._open:
            sink.stop(deadline)
        for sink in self._open:
            sink.join()

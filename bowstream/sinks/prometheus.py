"""Metrics for Prometheus, served over HTTP."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bowstream.config.sinks import PrometheusSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.health.report import metrics
from bowstream.records import Record, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks.worker import Sink

if TYPE_CHECKING:
    from bowstream.sinks.server import Answer, Server

LATENCIES_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def load_client() -> Any:
    """Import prometheus-client.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        importlib.import_module("prometheus_client.core")
        return importlib.import_module("prometheus_client")
    except ModuleNotFoundError as error:
        raise UsageError("[sinks.prometheus] needs prometheus-client: pip install 'bowstream[prometheus]'") from error


class Prometheus(Sink[None]):
    """Counts in memory and answers requests; nothing waits in a queue."""

    def __init__(self, settings: PrometheusSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("prometheus")
        self._settings = settings
        self._labels = ["source"] if info.is_named else []
        self._healths = {info.key: health}
        self._reports = {info.key: health.report()}
        self._client = load_client()
        self._registry = self._client.CollectorRegistry()
        self._hops = self._client.Counter("bowstream_hops", "Windows scored", self._labels, registry=self._registry)
        self._events = self._client.Counter(
            "bowstream_events", "Events begun", [*self._labels, "tag"], registry=self._registry
        )
        self._latency = self._client.Histogram(
            "bowstream_hop_latency_seconds",
            "Time from a hop's last sample to its scores",
            self._labels,
            buckets=LATENCIES_S,
            registry=self._registry,
        )
        self._registry.register(self)
        self._exposition = importlib.import_module("prometheus_client.exposition")
        self._server: Server | None = None

    def add(self, info: StreamInfo, health: Health) -> None:
        """Count another source's records, too, by its label."""
        self._healths[info.key], self._reports[info.key] = health, health.report()

    def __enter__(self) -> Prometheus:
        from bowstream.sinks.server import Server  # large, and most listeners have no such sink

        settings = self._settings
        try:
            self._server = Server(settings.address, settings.port, settings.hosts, self._answer)
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BowstreamError(
                f"[sinks.prometheus] cannot listen on {settings.address}:{settings.port}: {reason}; choose another port"
            ) from error
        self._server.start()
        super().__enter__()
        return self

    def _answer(self, path: str, accept: str) -> Answer | None:
        """Return the metrics, in the format that is asked for; called by the server's threads."""
        from bowstream.sinks.server import Answer

        if path not in ("/", "/metrics"):
            return None
        encode, content_type = self._exposition.choose_encoder(accept)
        return Answer(encode(self._registry), content_type)

    def convert(self, record: Record) -> tuple[()]:
        """Count a hop or an event."""
        if isinstance(record, Scores):
            health, labels = self._healths[record.source], self._label(record.source)
            self._reports[record.source] = health.report()
            of_source(self._hops, labels).inc()
            of_source(self._latency, labels).observe(health.newest_latency_s)
        elif isinstance(record, Event) and record.offset_s is None:
            self._events.labels(*self._label(record.source), record.tag).inc()
        return ()

    def deliver(self, item: None) -> None:
        """Do nothing: metrics are fetched."""

    def collect(self) -> Iterator[Any]:
        """Yield the health as metrics; called by the server's thread. An answer is what this sink delivers."""
        with self._changed:
            self._delivered += 1
        core = self._client.core
        families: dict[str, Any] = {}
        for source, report in self._reports.items():
            for name, metric, value in metrics(report):
                if metric.exported:
                    kind = core.CounterMetricFamily if metric.counts else core.GaugeMetricFamily
                    if name not in families:
                        families[name] = kind(f"bowstream_{metric.exported}", metric.meaning, labels=self._labels)
                    families[name].add_metric(self._label(source), value)
        yield from families.values()

    def _label(self, source: str) -> list[str]:
        """Return the values of the labels that all metrics have."""
        return [source] if self._labels else []

    def close(self) -> None:
        """Close the port."""
        if self._server:
            self._server.stop()


def of_source(metric: Any, labels: list[str]) -> Any:
    """Return a metric's part with these labels, which is the whole if it has none."""
    return metric.labels(*labels) if labels else metric

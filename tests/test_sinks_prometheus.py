"""Prometheus metrics over HTTP, and extras that are not installed."""

import sys
import time
import urllib.request

import pytest
from broker import free_port
from stage import Stage

from bowstream.config.sinks import MqttSettings, PrometheusSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.sinks.mqtt import Mqtt
from bowstream.sinks.prometheus import Prometheus


@pytest.fixture
def stage():
    return Stage("dog", "siren", "clock tick")


@pytest.mark.parametrize(
    ("kind", "module", "settings", "package"),
    [
        (Mqtt, "paho.mqtt.client", MqttSettings(), "paho-mqtt"),
        (Prometheus, "prometheus_client", PrometheusSettings(), "prometheus-client"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(stage, monkeypatch, kind, module, settings, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"pip install {package}$"):
        kind(settings, *stage.stream)


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_prometheus_metrics(stage):
    port = free_port()
    with Prometheus(PrometheusSettings(port=port, address="127.0.0.1"), *stage.stream) as sink:
        stage.health.heard(next(stage.sound(1)).samples, lost=800)
        stage.health.worked(0.004)
        stage.health.scored(0.004)
        stage.health.undelivered = 3
        stage.play(sink, stage.sound(2), stage.begin("clock tick", 1.0), stage.end("clock tick", 1.0, 2.0))
        metrics = scrape(port)
    assert metrics["bowstream_hops_total"] == "2.0"
    assert metrics['bowstream_events_total{tag="clock tick"}'] == "1.0"
    assert metrics["bowstream_lost_seconds_total"] == "0.05"
    assert metrics["bowstream_undelivered_total"] == "3.0"
    assert metrics['bowstream_hop_latency_seconds_bucket{le="0.005"}'] == "2.0"
    assert metrics['bowstream_hop_latency_seconds_bucket{le="0.002"}'] == "0.0"
    assert float(metrics["bowstream_real_time_factor"]) == pytest.approx(0.04)
    assert -120.0 <= float(metrics["bowstream_level_dbfs"]) <= 0.0


def test_prometheus_port_that_is_taken(stage):
    settings = PrometheusSettings(port=free_port(), address="127.0.0.1")
    with Prometheus(settings, *stage.stream), pytest.raises(BowstreamError, match="choose another port"):
        Prometheus(settings, *stage.stream).__enter__()


def test_prometheus_lets_go_of_its_port(stage):
    port = free_port()
    for _ in range(2):
        with Prometheus(PrometheusSettings(port=port, address="127.0.0.1"), *stage.stream):
            started = time.monotonic()
            assert scrape(port)["bowstream_hops_total"] == "0.0"
        assert time.monotonic() - started < 3.0

"""Prometheus metrics over HTTP, and extras that are not installed."""

import socket
import sys
import threading
import time
import urllib.request
from itertools import cycle
from pathlib import Path

import pytest
from broker import free_port
from stage import Stage, until

from bowstream.config.sinks import MqttSettings, PrometheusSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.sinks import server
from bowstream.sinks.mqtt import Mqtt
from bowstream.sinks.prometheus import Prometheus


@pytest.fixture
def stage():
    return Stage("dog", "siren", "clock tick")


@pytest.mark.parametrize(
    ("kind", "module", "settings", "extra"),
    [
        (Mqtt, "paho.mqtt.client", MqttSettings(), "mqtt"),
        (Prometheus, "prometheus_client", PrometheusSettings(), "prometheus"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(stage, monkeypatch, kind, module, settings, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"pip install 'bowstream\[{extra}\]'$"):
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


def ask(port, request, wait_s=5.0):
    """Send a request as it is, and return the answer's first line and all of it."""
    with socket.create_connection(("127.0.0.1", port), wait_s) as link:
        link.sendall(request)
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    return answer.split(b"\r\n")[0].decode(), answer.decode()


@pytest.fixture
def served(stage):
    """The port of metrics that may also be asked for as metrics.lan."""
    settings = PrometheusSettings(port=free_port(), hosts=("Metrics.lan",))
    with Prometheus(settings, *stage.stream):
        yield settings.port


def test_only_this_machine_is_answered_by_default(served):
    assert PrometheusSettings().address == "127.0.0.1"
    assert scrape(served)["bowstream_hops_total"] == "0.0"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert f"0100007F:{served:04X}" in listening and f"00000000:{served:04X}" not in listening


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Host: 127.0.0.1:9464", 200),
        ("Host: [::1]:9464", 200),
        ("Host: 192.168.1.7", 200),
        ("Host: localhost", 200),
        (f"Host: {socket.gethostname()}:9464", 200),
        ("Host: metrics.LAN.", 200),
        ("Host: rebound.example", 403),
        ("Host: rebound.example:9464", 403),
        ("Host: 127.0.0.1.rebound.example", 403),
        ("Host: localhost\r\nHost: rebound.example", 400),
        ("X: no host", 400),
    ],
)
def test_a_page_that_has_its_name_point_here_learns_nothing(served, head, status):
    line, answer = ask(served, f"GET /metrics HTTP/1.1\r\n{head}\r\n\r\n".encode())
    assert line.split()[1] == str(status)
    assert ("bowstream_hops_total" in answer) == (status == 200)


def test_what_is_no_metric_is_not_found(served):
    assert " 404 " in ask(served, b"GET /etc/passwd HTTP/1.0\r\n\r\n")[0]
    assert " 200 " in ask(served, b"GET /metrics?name[]=x HTTP/1.0\r\n\r\n")[0]
    assert " 501 " in ask(served, b"POST /metrics HTTP/1.0\r\n\r\n")[0]


def test_a_thousand_idle_connections_cost_few_threads_and_end(stage, monkeypatch):
    monkeypatch.setattr(server, "CONNECTION_S", 1.0)
    port = free_port()
    with Prometheus(PrometheusSettings(port=port), *stage.stream):
        threads = threading.active_count()
        links = [socket.create_connection(("127.0.0.1", port), 5.0) for _ in range(200)]
        until(lambda: closed(links) >= 200 - server.CONNECTIONS)
        assert threading.active_count() - threads <= 2 * server.CONNECTIONS
        until(lambda: closed(links) == 200)
        for link in links:
            link.close()
        until(lambda: threading.active_count() == threads)
        assert scrape(port)["bowstream_hops_total"] == "0.0"


def closed(links):
    """How many connections the other side has closed."""
    number = 0
    for link in links:
        link.setblocking(False)
        try:
            number += link.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionResetError:
            number += 1
    return number


def test_a_request_that_drips_is_cut_off(stage, monkeypatch):
    monkeypatch.setattr(server, "CONNECTION_S", 0.5)
    port = free_port()
    with Prometheus(PrometheusSettings(port=port), *stage.stream):
        started = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), 5.0) as link, pytest.raises(OSError, match=r"pipe|reset"):
            for letter in cycle(b"X"):
                link.sendall(bytes([letter]))
                time.sleep(0.05)
        assert time.monotonic() - started < 3.0

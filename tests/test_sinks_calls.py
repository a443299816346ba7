"""The sinks that call others: command and webhook, with real processes and a real server on the loopback."""

import json
import socket
import sys
import time
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread

import pytest
from broker import free_port
from stage import Stage, quick, until

from bowstream.config.sinks import CommandSettings, WebhookSettings
from bowstream.sinks.command import Command
from bowstream.sinks.webhook import Webhook


@pytest.fixture
def stage():
    return Stage("dog", "siren", "clock tick")


def python(code, **fields):
    return CommandSettings(argv=(sys.executable, "-c", code), **fields)


def test_command_gets_the_event_on_stdin_and_in_its_environment(stage, tmp_path):
    code = (
        "import json, os, sys; event = json.load(sys.stdin);"
        f"open({str(tmp_path / 'out')!r}, 'a').write(' '.join([event['tag'], event['time'],"
        "os.environ['BOWSTREAM_TAG'], os.environ['BOWSTREAM_STATE'], os.environ['BOWSTREAM_PEAK']]) + '\\n')"
    )
    with Command(python(code, states=("on", "off"), only=("dog",)), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.0), stage.begin("siren", 1.0), stage.end("dog", 1.0, 2.0))
    assert (tmp_path / "out").read_text().splitlines() == [
        "dog 2027-01-15T08:00:01.000Z dog on 0.8",
        "dog 2027-01-15T08:00:02.000Z dog off 0.9",
    ]


def test_command_that_fails_is_told_with_its_last_words_and_not_run_again(stage, tmp_path):
    code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); import sys; sys.exit('no such light')"
    with Command(python(code), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
    report = sink.report()
    assert (report.lost, report.trouble) == (1, f"{sys.executable} failed with status 1: no such light")
    assert (tmp_path / "runs").read_text() == "x"


def test_a_command_that_says_much_costs_little_memory(stage):
    code = "import sys\nfor _ in range(300): sys.stderr.write('x' * 99_999 + '\\n')\nsys.exit('the end')"
    tracemalloc.start()
    with Command(python(code, timeout_s=60.0), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().lost == 1, 60.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sink.report().trouble.endswith(" failed with status 1: the end")
    assert peak < 5e6  # of thirty megabytes


def test_a_command_need_not_read_its_input(stage):
    with Command(python("import os; os.close(0)"), *stage.stream) as sink:
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(3)))
        until(lambda: sink.report().delivered == 3)


def test_command_that_hangs_is_killed_with_its_children(stage, tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess; child = subprocess.Popen(['sleep', '60']);"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); child.wait()"
    )
    with Command(python(code, timeout_s=1.0), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().lost == 1)
    assert sink.report().trouble == f"{sys.executable} was killed: not done after 1 s"
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    until(lambda: not status.exists() or ") Z " in status.read_text())


def gone(pid_file):
    status = Path(f"/proc/{pid_file.read_text()}/stat")
    return not status.exists() or ") Z " in status.read_text()


DAEMON = "import subprocess; child = subprocess.Popen(['sleep', '60'], start_new_session=True);"


def test_what_a_command_started_in_a_session_of_its_own_is_killed_with_it(stage, tmp_path):
    pid_file = tmp_path / "pid"
    code = f"{DAEMON} open({str(pid_file)!r}, 'w').write(str(child.pid)); child.wait()"
    with Command(python(code, timeout_s=1.0), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: sink.report().lost == 1)
    until(lambda: gone(pid_file))


def test_a_command_does_not_outlive_the_session(stage, tmp_path):
    pid_file = tmp_path / "pid"
    code = f"{DAEMON} open({str(pid_file)!r}, 'w').write(str(child.pid)); child.wait()"
    sink = Command(python(code, timeout_s=60.0), *stage.stream)
    with sink:
        stage.play(sink, stage.begin("dog", 1.0), stage.begin("dog", 2.0))
        until(lambda: pid_file.exists() and pid_file.read_text())
        sink.join(flush_s=0.1)
    assert not sink._thread.is_alive()
    assert (sink.report().lost, sink.report().waiting) == (2, 0)  # the second was not begun
    until(lambda: gone(pid_file))


def test_events_that_wait_for_a_slow_command_are_said(stage):
    with Command(python("import time; time.sleep(0.3)"), *stage.stream) as sink:
        sink.late_s = 0.2
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(3)))
        until(lambda: sink.report().trouble.startswith("slow: "))
        until(lambda: sink.report().delivered == 3)
        assert sink.report().trouble == ""


class Drip:
    """A server that answers with one byte per tenth of a second, for ever: from the start, or after an answer."""

    def __init__(self, first):
        self._first = first
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.asked = 0
        Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                link, _ = self._socket.accept()
                self.asked += 1
                Thread(target=self._drip, args=(link,), daemon=True).start()

    def _drip(self, link):
        with link, suppress(OSError):
            link.sendall(self._first)
            for letter in cycle(b"X-Slow: yes\r\n"):
                link.sendall(bytes([letter]))
                time.sleep(0.1)

    def stop(self):
        self._socket.close()


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 404 Not"], ids=["all", "headers", "status"])
def test_a_server_that_drips_hangs_no_webhook(stage, first):
    server = Drip(first)
    started = time.monotonic()
    with quick(Webhook(WebhookSettings(url=server.url, timeout_s=0.5), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 0.0))
        until(lambda: sink.report().trouble.endswith(": no answer within 0.5 s"))
        assert time.monotonic() - started < 2.0
        until(lambda: server.asked >= 2)
        sink.join(flush_s=0.1)
    server.stop()
    assert sink.report().delivered == 0


def test_a_request_that_goes_on_at_the_end_is_cut_off(stage):
    server = Drip(b"")
    with Webhook(WebhookSettings(url=server.url, timeout_s=60.0), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 0.0))
        until(lambda: server.asked)
        sink.join(flush_s=0.1)
        assert not sink._thread.is_alive()
    server.stop()


class Server(ThreadingHTTPServer):
    """Keeps the bodies that it accepts; answers with the statuses of `answers` first, then 204.

    A status of 3xx points to `elsewhere`; any GET is answered with 200.
    """

    daemon_threads = True

    def __init__(self, port=0, answers=()):
        super().__init__(("127.0.0.1", port), Handler)
        self.answers, self.headers, self.bodies, self.gets = list(answers), [], [], []
        self.url = self.elsewhere = f"http://127.0.0.1:{self.server_port}/sounds"
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 204
        if status == 204:
            self.server.bodies.append(body)
            self.server.headers.append(dict(self.headers))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.elsewhere)
        self.end_headers()

    def do_GET(self):
        self.server.gets.append(dict(self.headers))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_webhook_posts_the_event(stage):
    server = Server()
    with Webhook(WebhookSettings(url=server.url, authorization="Bearer s3cret"), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.0), stage.end("dog", 1.0, 2.0))
    server.stop()
    (body,) = server.bodies
    assert (body["tag"], body["state"], body["time"]) == ("dog", "on", "2027-01-15T08:00:01.000Z")
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.headers[0]["Authorization"] == "Bearer s3cret"


def test_webhook_keeps_what_the_server_cannot_take_now(stage):
    server = Server(answers=[503, 429, 500])
    with quick(Webhook(WebhookSettings(url=server.url), *stage.stream)) as sink:
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(5)))
    server.stop()
    assert [body["onset_s"] for body in server.bodies] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert sink.report().lost == 0


def test_webhook_gives_up_what_the_server_refuses(stage):
    server = Server(answers=[404])
    with quick(Webhook(WebhookSettings(url=server.url), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 0.0))
        until(lambda: sink.report().lost == 1)
        assert sink.report().trouble.endswith("answered 404 Not Found")
        stage.play(sink, stage.begin("dog", 1.0))
    server.stop()
    assert [body["onset_s"] for body in server.bodies] == [1.0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_webhook_follows_no_redirect(stage, status):
    """What is posted would arrive as a GET without the event, and the key at a stranger's."""
    server, stranger = Server(answers=[status]), Server()
    server.elsewhere = stranger.url
    with quick(Webhook(WebhookSettings(url=server.url, authorization="Bearer s3cret"), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 0.0))
        until(lambda: sink.report().delivered + sink.report().lost == 1)
    server.stop()
    stranger.stop()
    assert (sink.report().lost, stranger.gets, stranger.bodies) == (1, [], [])
    assert f" answered {status} " in sink.report().trouble
    assert sink.report().trouble.endswith(f": moved to '{stranger.url.removesuffix('sounds')}***': use that one in url")


def test_webhook_server_that_is_away_and_comes_back(stage):
    port = free_port()
    with quick(Webhook(WebhookSettings(url=f"http://127.0.0.1:{port}/"), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 0.0), stage.begin("dog", 1.0))
        until(lambda: "Connection refused" in sink.report().trouble)
        server = Server(port)
        until(lambda: sink.report().delivered == 2)
    server.stop()
    assert [body["onset_s"] for body in server.bodies] == [0.0, 1.0]

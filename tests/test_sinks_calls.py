"""The sinks that call others: command and webhook, with real processes and a real server on the loopback."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    assert sink.report().trouble.endswith(f": moved to {stranger.url!r}: name that one in url")


def test_webhook_server_that_is_away_and_comes_back(stage):
    port = free_port()
    with quick(Webhook(WebhookSettings(url=f"http://127.0.0.1:{port}/"), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 0.0), stage.begin("dog", 1.0))
        until(lambda: "Connection refused" in sink.report().trouble)
        server = Server(port)
        until(lambda: sink.report().delivered == 2)
    server.stop()
    assert [body["onset_s"] for body in server.bodies] == [0.0, 1.0]

"""The page of a stage: served for real, with a history and clips that sinks have written."""

import contextlib
import http.client
import json
import socket
import time
from pathlib import Path

from broker import free_port
from stage import Stage, until

from bowstream.config.sinks import ClipsSettings, HistorySettings
from bowstream.config.web import WebSettings
from bowstream.events import EventTracker
from bowstream.sinks import Sinks
from bowstream.web.archive import Archive
from bowstream.web.page import WebPage
from bowstream.web.tuning import Tuning

DAY = "2027-01-15"
JSON = {"content-type": "application/json"}


class Served:
    """A page, and a browser of few words."""

    def __init__(self, folder, *names, hop_s=1.0, groups=None, has_history=True, **settings):
        self.folder = Path(folder)
        self.stage = Stage(*names, hop_s=hop_s, groups=groups or {})
        self.port = free_port()
        self.tracker = EventTracker(self.stage.info.tags, hop_s)
        self.tuning = Tuning(self.stage.info.tags, self.tracker.retune, self.folder / "tags.toml")
        self.clips = self.folder / "clips"
        self.archive = Archive(self.folder / "history.db", self.clips)
        self.warnings = []
        settings = WebSettings(port=self.port, **settings)
        past = self.archive if has_history else None
        self.page = WebPage(settings, *self.stage.stream, self.tuning, past, self.warnings.append)

    def __enter__(self):
        self.page.__enter__()
        until(lambda: self.page._server and self.page._server.started)
        return self

    def __exit__(self, *exc):
        self.page.__exit__(*exc)

    def live_through(self, *parts):
        """Let the sinks and the page have records, and the sinks time to write them."""
        sinks = {
            "history": HistorySettings(path=str(self.archive.path)),
            "clips": ClipsSettings(folder=str(self.clips), before_s=1.0, after_s=1.0),
        }
        with Sinks(self.stage.info, self.stage.health, sinks, self.warnings.append) as kept:
            self.stage.play(kept, *parts)

    def ask(self, method, path, body=None, host=None, **headers):
        """Send a request; return status, headers and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10.0)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Host": host or f"127.0.0.1:{self.port}", **named}
        content = json.dumps(body) if isinstance(body, dict) else body
        try:
            link.request(method, path, content, {**(JSON if isinstance(body, dict) else {}), **named})
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            link.close()

    def get(self, path, **headers):
        """Return the object that is answered."""
        status, _, body = self.ask("GET", path, **headers)
        assert status == 200, body
        return json.loads(body)

    @contextlib.contextmanager
    def live(self, **headers):
        """An open page: yields a function that returns the next message of a kind, and when it came."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10.0)
        link.request("GET", "/api/live", headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = link.getresponse()
        assert answer.status == 200

        def wait_for(kind):
            while line := answer.readline():
                if line == f"event: {kind}\n".encode():
                    return json.loads(answer.readline().removeprefix(b"data: ")), time.monotonic()
            raise AssertionError("the page was closed")

        try:
            yield wait_for
        finally:
            link.sock and link.sock.shutdown(socket.SHUT_RDWR)
            link.close()

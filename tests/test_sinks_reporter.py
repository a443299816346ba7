"""Reports that a running listener sends: when they are due, once, each way for itself."""

import json
import subprocess
import time
from datetime import datetime, timedelta

import pytest
from conftest import start
from stage import Stage, quick, until
from years import make_up

from bowstream.config.file import load
from bowstream.config.report import ReportSettings
from bowstream.errors import BowstreamError
from bowstream.history.schedule import last_due
from bowstream.sinks.reporter import Reporter

LONG_AGO = "2020-01-06T07:00:00+00:00"
CONFIG = """\
[report]
to = ["me@example.org"]
host = "127.0.0.1"
port = {}
security = "none"
webhook = "http://127.0.0.1:{}/{}"
every = "{}"
"""


@pytest.fixture
def reporter(written, servers, tmp_path):
    """Return a reporter of a history of eight days up to now, that sends to both servers."""
    path = tmp_path / "history.db"
    make_up(path, time.time_ns() // 1_000_000, days=8, per_day=20)

    def make(hook="hook", every="week"):
        config = written(CONFIG.format(*(each.server_address[1] for each in servers), hook, every))
        return quick(Reporter(load(config).settings.report, config, path))

    return make


def heard(reporter):
    """Let a reporter work until nothing is waiting."""
    with reporter:
        Stage().play(reporter, Stage().sound(1))
        until(lambda: not reporter.report().waiting)
    return reporter.report()


def test_what_is_due_is_sent_once_each_way(reporter, servers, tmp_path):
    mail, web = servers
    (tmp_path / "reports.json").write_text(json.dumps({"mail": LONG_AGO, "webhook": LONG_AGO}))
    assert heard(reporter()).delivered == 2
    (got,), (html,) = mail.got, web.got
    due = last_due(ReportSettings(to=("a@b",)), datetime.now().astimezone())
    first, last = due.date() - timedelta(days=7), due.date() - timedelta(days=1)
    assert got["Subject"] == f"What was heard, {first:%d %B} – {last:%d %B %Y}"
    text, attached = got.iter_parts()
    assert "events; listened for" in text.get_content() and attached.get_content() == html
    assert heard(reporter()).delivered == 0
    assert len(mail.got) == len(web.got) == 1


def test_a_first_listener_only_notes_what_was_due_before(reporter, servers, tmp_path):
    heard(reporter(every="day"))
    noted = json.loads((tmp_path / "reports.json").read_text())
    assert noted["mail"] == last_due(ReportSettings(to=("a@b",), every="day"), datetime.now().astimezone()).isoformat()
    assert not any(each.got for each in servers)


def test_a_way_that_fails_is_tried_again_and_the_other_is_not(reporter, servers, tmp_path):
    mail, web = servers
    (tmp_path / "reports.json").write_text(json.dumps({"mail": LONG_AGO, "webhook": LONG_AGO}))
    assert heard(reporter("fail-once")).delivered == 2
    assert (len(mail.got), len(web.got)) == (1, 2)


def test_what_cannot_be_sent_is_due_after_a_restart(reporter, servers, tmp_path):
    mail, _ = servers
    (tmp_path / "reports.json").write_text(json.dumps({"mail": LONG_AGO, "webhook": LONG_AGO}))
    failing = reporter("fail")
    with failing:
        Stage().play(failing, Stage().sound(1))
        until(lambda: "answered 500" in failing.report().trouble)
        failing.stop(time.monotonic())
    assert failing.report().lost == 1
    assert heard(reporter()).delivered == 1
    assert len(mail.got) == 1


def test_it_is_not_made_twice_by_looking_twice(reporter, tmp_path):
    (tmp_path / "reports.json").write_text(json.dumps({"mail": LONG_AGO, "webhook": LONG_AGO}))
    looking = reporter()
    assert [due.way for due in looking.convert(Stage().scores())] == ["mail", "webhook"]
    looking._look_at_s = 0.0
    assert list(looking.convert(Stage().scores())) == []


def test_a_file_of_what_was_sent_that_is_damaged_is_named(reporter, tmp_path):
    (tmp_path / "reports.json").write_text("[")
    with pytest.raises(BowstreamError, match=r"reports\.json cannot be read: .*; delete it"):
        reporter()


@pytest.mark.parametrize(
    ("settings", "now", "due"),
    [
        ({}, "2026-11-28T12:00", "2026-11-23T07:00"),  # a Saturday; the Monday before
        ({}, "2026-11-23T06:59", "2026-11-16T07:00"),
        ({}, "2026-11-23T07:00", "2026-11-23T07:00"),
        ({"weekday": "sunday", "at": "20:30"}, "2026-11-28T12:00", "2026-11-22T20:30"),
        ({"every": "day"}, "2026-11-28T12:00", "2026-11-28T07:00"),
        ({"every": "day", "at": "23:59"}, "2026-11-28T12:00", "2026-11-27T23:59"),
        ({"every": "day"}, "2026-10-25T12:00", "2026-10-25T07:00"),  # the clock was put back at night
        ({"every": "never"}, "2026-11-28T12:00", None),
    ],
)
def test_when_it_is_due(monkeypatch, settings, now, due):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        found = last_due(ReportSettings(to=("a@b",), **settings), datetime.fromisoformat(now).astimezone())
        assert found == (due and datetime.fromisoformat(due).astimezone())
    finally:
        monkeypatch.undo()
        time.tzset()


# The head of a WAV of unknown length: 16 kHz, mono, 16 bits.
HEAD = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\xff\xff\xff\xff"


def test_a_listener_sends_it(written, servers, tmp_path):
    """The whole way: `listen` on a stream, with a configuration that names a mail server."""
    (tmp_path / "reports.json").write_text(json.dumps({"mail": LONG_AGO}))
    config = written(
        f'[sinks.history]\npath = "{tmp_path / "history.db"}"\n[report]\nto = ["me@example.org"]\n'
        f'host = "127.0.0.1"\nport = {servers[0].server_address[1]}\nsecurity = "none"\n'
    )
    listener = start("listen", "--events", "--device", "-", "--config", config, stdin=subprocess.PIPE)
    listener.stdin.write(HEAD + bytes(64_000))
    listener.stdin.flush()
    until(lambda: servers[0].got or listener.poll() is not None)
    _, err = listener.communicate()
    assert listener.returncode == 0 and servers[0].got, err.decode()
    assert servers[0].got[0]["Subject"].startswith("What was heard, ")

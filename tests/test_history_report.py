"""The report: one file, whole and safe, that says what the history says."""

import base64
import re
import struct
import time
import zlib
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser

import numpy as np
import pytest
from signals import tone

from bowstream.cli.main import main
from bowstream.history import totals
from bowstream.history.html import compared, page
from bowstream.history.listening import listened_s
from bowstream.history.picture import spectrogram_png
from bowstream.history.report import PER_TAG, TOP_EVENTS, gather
from bowstream.history.spans import Span
from bowstream.history.store import open_history
from bowstream.sinks.clips import Clip, encoded

DAY = date(2026, 9, 18)
NASTY = "dog <script>alert('woof')</script> & \"cat\""


@pytest.fixture(autouse=True)
def utc(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def path(two_weeks, tmp_path):
    """Two weeks, one tag with a nasty name, and a clip for each of its events of the day."""
    (tmp_path / "clip.flac").write_bytes(encoded(Clip("", tone(2.0, 1000.0), "{}"), 16_000))
    with open_history(two_weeks, writable=True) as history, history:
        day = Span.day(DAY)
        history.execute("UPDATE events SET tag = ? WHERE tag = 'dog'", (NASTY,))
        history.execute(
            "UPDATE events SET clip = ? WHERE tag = ? AND onset_ms BETWEEN ? AND ?",
            (str(tmp_path / "clip.flac"), NASTY, day.start_ms, day.end_ms),
        )
    return two_weeks


class Reader(HTMLParser):
    """Gathers a page's elements, addresses and text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.addresses, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data):
        self.words.append(data)


def read(path, **options):
    with open_history(path) as history:
        return Reader(page(gather(history, options.pop("first", DAY), options.pop("days", 1)), 20e6))


def test_it_stands_alone_and_says_what_the_history_says(path):
    found = read(path)
    assert {"script", "link", "iframe"}.isdisjoint(found.elements)
    assert found.addresses and all(address.startswith("data:") for address in found.addresses)
    assert found.elements.count("audio") == found.elements.count("img") == PER_TAG
    with open_history(path) as history:
        heard = totals.top_tags(history, Span.day(DAY))
    text = "".join(found.words)
    assert "Friday, 18 September 2026" in text
    assert str(sum(total.events for total in heard)) in found.words
    for total in heard:
        assert total.tag in found.words  # unescaped, as a browser shows it
    assert "not listening Fri 07:50 – 08:00 (10 min)" in text


def test_what_is_still_to_come_is_left_out(path, monkeypatch):
    """At half past eight nobody can say of nine that it is not listening."""

    class Then(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 9, 18, 8, 30, tzinfo=timezone.utc)

    monkeypatch.setattr("bowstream.history.report.datetime", Then)
    with open_history(path) as history:
        report = gather(history, DAY, 1)
    assert report.map.within[0].tolist() == [True] * 9 + [False] * 15
    html = page(report, 0.0)
    assert "Friday, 18 September 2026, up to 08:30" in html
    same_hours = [Span.parse(f"2026-09-{day}T00:00", f"2026-09-{day}T08:30") for day in range(11, 18)]
    with open_history(path) as history:
        earlier = [totals.top_tags(history, each, [NASTY])[0].events for each in same_hours]
        heard_s = [listened_s(history, each) for each in same_hours]
    assert report.usual[NASTY] == pytest.approx(sum(earlier) / (sum(heard_s) / 86_400.0))
    empty = {int(hour) for hour in re.findall(r"(\d+):00: (?:0|not listening)<", html)}
    assert empty and max(empty) <= 8


def test_its_sound_is_the_clip_as_long_as_there_is_room(path, tmp_path):
    with open_history(path) as history:
        report = gather(history, DAY, 1)
    sound = base64.b64encode((tmp_path / "clip.flac").read_bytes()).decode()
    assert page(report, 20e6).count(sound) == PER_TAG
    assert page(report, len(sound) + 10).count(sound) == 1
    assert "too large for this report" in page(report, 0.0)
    (tmp_path / "clip.flac").unlink()
    assert "<audio" not in page(report, 20e6)


def test_a_damaged_clip_costs_its_picture_only(path, tmp_path):
    (tmp_path / "clip.flac").write_bytes(b"fLaC, but nothing else")
    with open_history(path) as history:
        assert page(gather(history, DAY, 1), 20e6).count("its clip is damaged") == PER_TAG


def test_a_week_has_a_map_of_days_and_is_compared_with_the_one_before(path):
    with open_history(path) as history:
        report = gather(history, DAY - timedelta(days=6), 7)
        before = totals.top_tags(history, Span.parse("2026-09-07", "2026-09-11"))
    assert report.map.counts.shape == (7, 24)
    text = page(report, 0.0)
    assert "Day by day" in text
    assert "compared with the week before" in text
    assert len(report.best) <= TOP_EVENTS
    # The history begins within the week before: what counts are the hours that somebody listened.
    dog = next(total for total in before if total.tag == NASTY)
    assert report.usual[NASTY] == pytest.approx(dog.events / 5.0, rel=0.3)


def test_a_day_without_ears_has_a_report(path):
    text = "".join(read(path, first=date(2026, 1, 1)).words)
    assert "Nothing was heard." in text
    assert "not listening" in text


@pytest.mark.parametrize(
    ("events", "usual", "said"),
    [
        (2, 1.0, "too few to tell"),
        (10, 0.0, "new"),
        (10, 9.0, "as usual (9)"),
        (30, 10.0, "▲ 3.0 times as many (10)"),
        (1, 10.0, "▼ 10 % of the usual 10"),
    ],
)
def test_comparisons(events, usual, said):
    assert said in compared(events, usual)


def test_a_spectrogram_shows_a_tone_where_it_is(tmp_path):
    file = tmp_path / "tone.flac"
    file.write_bytes(encoded(Clip("", tone(2.0, 1000.0), "{}"), 16_000))
    rows = pixels(spectrogram_png(file))
    assert rows.shape == (96, 200)
    loudest = 95 - rows[:, 100].argmax()
    assert 30 <= loudest <= 36  # 1000 Hz is the mel of 1000 of 2840, in 96 bands
    assert rows[:, 100].max() > 240
    assert np.median(rows[:, 100]) < 100


def pixels(png):
    """Decode a PNG of a palette without filters, and check its sums."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        name, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + content),)
        parts[name] = content
        at += 12 + length
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    assert len(parts[b"PLTE"]) == 768
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def test_the_verb_writes_it(path, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", "--day", str(DAY), "--out", str(out), "--file", str(path)]) == 0
    assert re.fullmatch(rf"{re.escape(str(out))} written: \d+ events\n", capsys.readouterr().out)
    assert out.read_text("utf-8").startswith("<!doctype html>")
    assert main(["report", "--day", "someday", "--file", str(path)]) == 2


def test_it_is_mailed_and_posted(path, servers, written, capsys):
    mail, web = servers
    ports = mail.server_address[1], web.server_address[1]
    config = written(
        "[report]\nto = ['me@example.org', 'you@example.org']\nhost = '127.0.0.1'\nsecurity = 'none'\n"
        f"port = {ports[0]}\nwebhook = 'http://127.0.0.1:{ports[1]}/secret'\n"
    )
    week = ["report", "--days", "7", "--day", str(DAY), "--file", str(path), "--config", str(config)]
    assert main([*week, "--send"]) == 0
    assert capsys.readouterr().out.startswith("sent to me@example.org, you@example.org, http://127.0.0.1:")
    (got,) = mail.got
    assert (got["To"], got["From"]) == ("me@example.org, you@example.org", "me@example.org")
    assert got["Subject"] == "What was heard, 12 September – 18 September 2026"
    text, attached = got.iter_parts()
    assert "280 events; listened for 6 d 20 h." in text.get_content()
    html = attached.get_content()
    assert html == web.got[0] and html.startswith("<!doctype html>")
    written(config.read_text().replace("secret", "fail"))
    assert main([*week, "--send"]) == 1
    assert "answered 500" in capsys.readouterr().err
    mail.shutdown()
    mail.server_close()
    assert main([*week, "--send"]) == 1
    assert "bowstream: the report cannot be mailed by 127.0.0.1:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "must be an address, unless there is a webhook (got none)"),
        ("to = ['me']", "to must be an address (got 'me')"),
        ("to = ['a@b']\nsender = 'a b@c'", "sender must be an address (got 'a b@c')"),
        ("to = ['a@b']\nsecurity = 'ssl'", "security must be one of starttls, tls, none"),
        ("to = ['a@b']\nsecurity = 'none'\npassword = 'hush'", "security must be starttls or tls"),
        ("webhook = 'ftp://x'", "webhook must begin with http"),
        ("to = ['a@b']\nhots = 'x'", "[report] has no setting 'hots'; did you mean 'host'?"),
    ],
)
def test_who_gets_it_is_checked(table, message, path, written, capsys):
    config = written(f"[report]\n{table}\n")
    assert main(["report", "--send", "--file", str(path), "--config", str(config)]) == 2
    err = capsys.readouterr().err
    assert message in err and "hush" not in err


def test_a_password_that_every_user_can_read_is_said(path, written, capsys):
    config = written("[report]\nto = ['a@b']\nhost = '127.0.0.1'\nport = 1\npassword = 'hush'\n")
    config.chmod(0o644)
    assert main(["report", "--send", "--file", str(path), "--config", str(config)]) == 1
    err = capsys.readouterr().err
    assert f"bowstream: every user can read [report] password in {config}: " in err and "hush" not in err
    config.chmod(0o600)
    main(["report", "--send", "--file", str(path), "--config", str(config)])
    assert "every user" not in capsys.readouterr().err


def test_without_a_table_nobody_gets_it(path, written, capsys):
    assert main(["report", "--send", "--file", str(path), "--config", str(written(""))]) == 2
    assert "--send needs a table [report] in " in capsys.readouterr().err

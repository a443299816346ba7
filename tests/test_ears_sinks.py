"""Sinks that get the records of several sources: what they deliver says of which one it is, and mixes nothing up."""

import csv
import io
import json
import sqlite3
import urllib.request
from contextlib import closing
from datetime import date

import numpy as np
import pytest
import soundfile
from broker import free_port
from stage import Stage, until
from test_dashboard import printed

from bowstream.cli.main import main
from bowstream.config.settings import TagSettings
from bowstream.config.sinks import ClipsSettings, CommandSettings, HistorySettings, JsonlSettings, PrometheusSettings
from bowstream.config.web import WebSettings
from bowstream.events import EventTracker
from bowstream.history.queries import events
from bowstream.history.spans import DAY_MS, Span
from bowstream.history.store import AGES, open_history
from bowstream.history.view import events_table
from bowstream.sinks import Sinks
from bowstream.web.page import WebPage
from bowstream.web.tuning import Tuning


@pytest.fixture
def attic():
    return Stage("dog", "rain", source="attic")


@pytest.fixture
def hall():
    return Stage("rain", source="hall")


def deliver(sinks, attic, hall):
    """Let both live through three seconds by turns, with a dog in the attic and rain in the hall."""
    said = []
    with Sinks(*attic.stream, sinks, said.append, [hall.stream]) as kept:
        for second in range(4):
            attic.play(kept, attic.sound(1))
            hall.play(kept, hall.sound(1))
            if second == 1:
                attic.play(kept, attic.begin("dog", 1.0))
                hall.play(kept, hall.begin("rain", 0.5))
            if second == 2:
                attic.play(kept, attic.end("dog", 1.0, 2.0))
                hall.play(kept, hall.end("rain", 0.5, 2.5))
        yield kept
        assert not said


def delivered(sinks, attic, hall):
    for _ in deliver(sinks, attic, hall):
        pass


def test_clips_are_of_the_sound_of_their_source(attic, hall, tmp_path):
    delivered({"clips": ClipsSettings(folder=str(tmp_path), before_s=0.5, after_s=0.5)}, attic, hall)
    files = {file.name: soundfile.read(file, dtype="float32")[0] for file in tmp_path.iterdir()}
    assert set(files) == {"20270115T080000.500Z_attic_dog.flac", "20270115T080000.000Z_hall_rain.flac"}
    for (name, samples), first_s in zip(sorted(files.items(), reverse=True), (0.5, 0.0)):
        counted = np.arange(round(first_s * 16_000), round(first_s * 16_000) + len(samples)) % 30_000
        assert np.array_equal(np.rint(samples * 32768), counted), name
    with soundfile.SoundFile(next(tmp_path.glob("*attic*"))) as file:
        assert json.loads(file.comment)["source"] == "attic"


def test_the_history_has_a_run_for_each(attic, hall, tmp_path):
    path = tmp_path / "history.db"
    delivered({"history": HistorySettings(path=str(path), days=36_500.0)}, attic, hall)
    with open_history(path) as history, closing(history.cursor()) as cursor:
        runs = dict(cursor.execute("SELECT source, id FROM streams"))
        assert set(runs) == {"attic", "hall"} and len(set(runs.values())) == 2
        heard = cursor.execute(
            "SELECT source, tag, duration_ms FROM events JOIN streams ON streams.id = stream ORDER BY source"
        )
        assert list(heard) == [("attic", "dog", 1000), ("hall", "rain", 2000)]
        listened = cursor.execute("SELECT stream, end_ms - start_ms FROM listening")
        assert dict(listened) == dict.fromkeys(runs.values(), 4000)
        scores = dict(cursor.execute("SELECT stream, length(scores) FROM minutes"))
        assert scores == {runs["attic"]: 2, runs["hall"]: 1}


def test_lines_and_commands_have_its_name(attic, hall, tmp_path):
    sinks = {
        "jsonl": JsonlSettings(path=str(tmp_path / "events.jsonl"), hops=True),
        "command": CommandSettings(argv=("sh", "-c", f"echo $BOWSTREAM_SOURCE $BOWSTREAM_TAG >> {tmp_path}/ran")),
    }
    hall.health.clipped = 7
    delivered(sinks, attic, hall)
    told = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    begun = {(one["source"], one["tag"]) for one in told if one["type"] == "event"}
    assert begun == {
        ("attic", "dog"),
        ("hall", "rain"),
    }
    clipped = {one["source"]: one["health"]["clipped"] for one in told if one["type"] == "hop"}
    assert clipped == {"attic": 0, "hall": 7}
    assert (tmp_path / "ran").read_text().splitlines() == ["attic dog", "hall rain"]


def test_metrics_have_a_label(attic, hall):
    port = free_port()
    hall.health.clipped = 7
    for _ in deliver({"prometheus": PrometheusSettings(port=port)}, attic, hall):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['bowstream_hops_total{source="attic"}'] == values['bowstream_hops_total{source="hall"}'] == "4.0"
    assert values['bowstream_events_total{source="hall",tag="rain"}'] == "1.0"
    assert values['bowstream_clipped_samples_total{source="hall"}'] == "7.0"
    assert values['bowstream_clipped_samples_total{source="attic"}'] == "0.0"
    assert sum(line.startswith("# TYPE bowstream_clipped_samples_total ") for line in lines) == 1


def test_a_threshold_of_the_page_is_for_each_that_has_the_tag(attic, hall):
    retuned = []
    tuning = Tuning(attic.info.tags, lambda *what: retuned.append(("attic", *what)), None, "attic")
    tuning.add(hall.info.tags, lambda *what: retuned.append(("hall", *what)), "hall")
    assert {tag.name for tag in tuning.tags} == {"dog", "rain"}
    tuning.set("rain", TagSettings(on=0.9))
    tuning.set("dog", TagSettings(muted=True))
    tuning.apply()
    assert retuned == [("attic", 1, 0.9, 0.4), ("hall", 0, 0.9, 0.4), ("attic", 0, 2.0, 2.0)]


def test_the_page_is_told_of_which(attic, hall, tmp_path):
    tuning = Tuning(attic.info.tags, EventTracker(attic.info.tags).retune, None, "attic")
    warnings = []
    page = WebPage(WebSettings(port=free_port()), *attic.stream, tuning, None, warnings.append, lambda *_: None)
    page.add(*hall.stream)
    with page:
        until(lambda: page._server and page._server.started)
        with urllib.request.urlopen(f"{page.address}api/live") as stream:
            kinds = {}
            hello = message(stream)[1]
            hall.play(page, hall.sound(1), hall.begin("rain", 0.5), hall.notice("silent", "too quiet"))
            while len(kinds) < 5:
                kind, fields = message(stream)
                kinds[kind] = fields["source"]
    assert [(one["name"], one["tags"]) for one in hello["sources"]] == [("attic", ["dog", "rain"]), ("hall", ["rain"])]
    assert kinds == dict.fromkeys(("sound", "hop", "health", "event", "notice"), "hall")
    assert warnings == []


def message(stream):
    """Return the kind and the fields of the next message of a page's line."""
    while not (line := stream.readline()).startswith(b"event: "):
        assert line
    return line.decode().split()[1], json.loads(stream.readline().removeprefix(b"data: "))


def test_the_table_of_the_past_names_sources_where_there_are_several(attic, hall, tmp_path):
    path = tmp_path / "history.db"
    delivered({"history": HistorySettings(path=str(path), days=36_500.0)}, attic, hall)
    with open_history(path) as history:
        found = events(history, Span.day(date(2027, 1, 15)))
    shown = {len(chosen): printed(events_table(chosen, with_day=False), 120, 24) for chosen in (found, found[:1])}
    assert "source" in shown[2] and "attic" in shown[2] and "hall" in shown[2]
    assert "source" not in shown[1]


def a_year_ago(path):
    """Questions end now, and what was played is yet to come."""
    with closing(sqlite3.connect(path)) as history, history:
        for table, column in AGES.items():
            history.execute(f"UPDATE {table} SET {column} = {column} - 365 * {DAY_MS}")
        history.execute(f"UPDATE listening SET start_ms = start_ms - 365 * {DAY_MS}")


def test_what_one_of_them_heard_can_be_looked_at_alone(attic, hall, tmp_path, capsys):
    path = tmp_path / "history.db"
    delivered({"history": HistorySettings(path=str(path), days=36_500.0)}, attic, hall)
    a_year_ago(path)
    asked = ("--since", "2026-01-14", "--until", "2026-01-16", "--file", str(path))

    def rows(verb, *arguments):
        assert main([verb, *arguments]) == 0
        return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    for by, column in (("event", "tag"), ("tag", "tag")):
        both = [row[column] for row in rows("history", *asked, "--csv", "--by", by)]
        one = [row[column] for row in rows("history", *asked, "--csv", "--by", by, "--source", "hall")]
        assert (sorted(both), one) == (["dog", "rain"], ["rain"])
    assert {row["source"] for row in rows("history", *asked, "--csv", "--by", "minute")} == {"attic", "hall"}
    (minute,) = rows("history", *asked, "--csv", "--by", "minute", "--source", "attic")
    assert minute["source"] == "attic"
    assert [row["tag"] for row in rows("export", *asked, "--to", "csv", "--source", "attic")] == ["dog"]
    report = ("report", "--day", "2026-01-15", "--out", "-", "--file", str(path))
    assert main([*report, "--source", "hall"]) == 0
    page = capsys.readouterr().out
    assert "15 January 2026, by hall</h1>" in page and "rain" in page and "dog" not in page
    assert main([*report]) == 0 and "dog" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["history", "export", "report"])
def test_a_source_that_heard_nothing_is_answered_with_those_that_did(verb, attic, hall, tmp_path, capsys):
    path = tmp_path / "history.db"
    delivered({"history": HistorySettings(path=str(path), days=36_500.0)}, attic, hall)
    more = ("--to", "csv") if verb == "export" else ()
    for name, hint in (("atic", "did you mean 'attic'?"), ("x'; DROP TABLE events --", "there are attic, hall")):
        assert main([verb, *more, "--source", name, "--file", str(path)]) == 2
        assert capsys.readouterr().err == f"bowstream: nothing was heard by {name!r}; {hint}\n"

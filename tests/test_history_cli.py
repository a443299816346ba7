"""`history`, `export`, `wrong` and `right` as a user types them."""

import csv
import io
import json
import re
import time

import pytest
from recordings import encoded
from signals import noise

from bowstream.cli.main import main
from bowstream.cli.service import command
from bowstream.history import queries, view
from bowstream.history.spans import Span
from bowstream.history.store import open_history

WEEK = ("--since", "2026-09-14", "--until", "2026-09-20")


@pytest.fixture(autouse=True)
def an_hour_ahead(monkeypatch, tmp_path):
    """Nor is there a configuration or history of our own."""
    monkeypatch.setenv("TZ", "Africa/Algiers")
    monkeypatch.setenv("COLUMNS", "120")
    for folder in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(folder, str(tmp_path / "home"))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def path(two_weeks):
    return two_weeks


@pytest.fixture
def said(path, capsys):
    """Run a verb on the history: `said(*arguments)` returns what it prints."""

    def run(*arguments, status=0):
        capsys.readouterr()
        assert main([*arguments, "--file", str(path)]) == status, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def events(path, *tags):
    with open_history(path) as connection:
        return queries.events(connection, Span.parse(*WEEK[1::2]), tags)


def test_minutes_are_for_other_programs(said):
    rows = list(csv.DictReader(io.StringIO(said("history", *WEEK, "--by", "minute", "--csv", "--tag", "dog"))))
    assert len(rows) == 7 * 1440 and list(rows[0]) == ["time", "source", "heard_s", "level_dbfs", "peak_dbfs", "dog"]
    assert (rows[0]["time"], rows[0]["level_dbfs"]) == ("2026-09-13T23:00:00.000Z", "-55.0")
    assert all(0.0 <= float(row["dog"]) <= 0.16 for row in rows)
    first, *_ = said("history", *WEEK, "--by", "minute", "--json", "--tag", "kettle").splitlines()
    assert json.loads(first) == {
        "type": "minute",
        "time": "2026-09-13T23:00:00.000Z",
        "source": "mic",
        "heard_s": 60.0,
        "level_dbfs": -55.0,
        "peak_dbfs": -40.0,
        "kettle": None,
    }
    said("history", "--by", "minute", status=2)


def test_a_dash_is_standard_output(said, path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    csv_text = said("export", *WEEK, "--to", "csv")
    assert said("export", *WEEK, "--to", "csv", "--out", "-") == csv_text and csv_text.startswith("time,")
    html = said("report", "--day", "2026-09-18", "--out", "-")
    assert html.startswith("<!doctype html>") and html.endswith("</html>\n")
    said("export", *WEEK, "--to", "parquet", "--out", "-", status=2)
    assert not (tmp_path / "-").exists()


def test_todays_events_by_default(said, path, monkeypatch):
    monkeypatch.setattr(view, "LONG_MS", 1)  # a minute after midnight there is no long absence yet
    text = said("history")
    assert re.search(r" 0 events, listened for 0\.0 s \(0 %\)\n", text)
    assert "longest silences: none" in text
    assert "not listening: " in text


def test_events_are_shown_with_their_ids_the_newest_last(said, path):
    heard = events(path, "dog")
    text = said("history", *WEEK, "--tag", "dog", "--limit", "3")
    assert f" {len(heard)} events, listened for " in text
    shown = [line.split()[-1] for line in text.splitlines() if " dog " in line]
    assert shown == [each.id for each in heard[-3:]]
    assert f"… and {len(heard) - 3} earlier ones" in text
    assert heard[-1].onset.strftime("%Y-%m-%d %H:%M:%S") in text


def test_the_week_as_a_map_of_hours(said, path):
    lines = said("history", *WEEK, "--by", "hour").splitlines()
    assert lines[2].split() == [str(hour) for hour in range(0, 24, 2)]
    monday = lines[3]
    assert monday.startswith("Mon 09-14   ")
    heard = [each.onset.hour for each in events(path) if str(each.onset.date()) == "2026-09-14"]
    assert monday.split()[-1] == str(len(heard))
    cells = [monday[11 + 2 * hour : 13 + 2 * hour] for hour in range(24)]
    assert [hour for hour in range(24) if cells[hour][0] in "░▒▓█"] == sorted(set(heard))
    assert cells[heard[0]] in ("░░", "▒▒", "▓▓", "██")


def test_rows_for_programs(said, path):
    heard = events(path)
    objects = [json.loads(line) for line in said("history", *WEEK, "--json").splitlines()]
    assert [each["id"] for each in objects if each["type"] == "event"] == [each.id for each in heard]
    assert {"type": "state", "kind": "listening", "time": "2026-09-13T23:00:00.000Z", "duration_s": 3000.0} in objects
    table = list(csv.DictReader(io.StringIO(said("history", *WEEK, "--csv"))))
    assert [row["id"] for row in table] == [each.id for each in heard]
    assert table[0]["local"].endswith("+01:00")
    by_tag = [json.loads(line) for line in said("history", *WEEK, "--by", "tag", "--json").splitlines()]
    assert sum(each["events"] for each in by_tag) == len(heard)
    by_day = list(csv.DictReader(io.StringIO(said("history", *WEEK, "--by", "day", "--csv"))))
    assert sum(int(row["events"]) for row in by_day) == len(heard)
    by_hour = list(csv.DictReader(io.StringIO(said("history", *WEEK, "--by", "hour", "--csv"))))
    assert sum(int(row["events"]) for row in by_hour) == len(heard)
    assert sum(float(row["listened_s"]) for row in by_hour) == pytest.approx(7 * 86_400 - 20 * 600 - 600, abs=1200)


def test_a_group_stands_for_its_tags_as_they_are_called_here(said, tmp_path, path):
    """Those of the bundle in force, by their aliases."""
    with open_history(path, writable=True) as history, history:
        history.execute("UPDATE events SET tag = 'our dog' WHERE tag = 'dog'")
    (tmp_path / "bowstream.toml").write_text("[tags.dog]\nalias = 'our dog'\n")
    chosen = *WEEK, "--csv", "--by", "tag", "--config", str(tmp_path / "bowstream.toml")
    rows = list(csv.DictReader(io.StringIO(said("history", *chosen, "--group", "animals", "--group", "alarms"))))
    assert {row["tag"] for row in rows} == {"our dog", "siren"}
    rows = list(csv.DictReader(io.StringIO(said("history", *chosen, "--group", "alarms", "--tag", "rain"))))
    assert {row["tag"] for row in rows} == {"rain", "siren"}
    assert len(said("export", *chosen[:4], "--to", "csv", "--group", "alarms").splitlines()) - 1 == len(
        events(path, "siren")
    )


def test_a_group_that_is_none(path, capsys):
    assert main(["history", "--file", str(path), "--group", "beasts"]) == 2
    assert "--group must be one of alarms, animals, " in capsys.readouterr().err


def test_a_tag_that_was_never_heard_is_said(path, capsys):
    assert main(["history", "--file", str(path), "--tag", "dgo"]) == 0
    assert "bowstream: 'dgo' was never heard; did you mean 'dog'?\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["history", "--since", "noon"], 2, "a time must be one of 30m, 24h, 7d"),
        (["history", "--since", "today", "--until", "yesterday"], 2, "the end must be after the beginning"),
        (["history", "--file", "/absent.db"], 1, "there is no history yet at /absent.db: 'bowstream listen --history'"),
        (["history"], 1, "there is no history yet at "),
        (["history", "--file", "/proc/version"], 1, "/proc/version"),
        (["wrong", "x"], 1, "there is no history yet at "),
        (["export", "--to", "parquet"], 2, "Parquet is no text: name a file with --out"),
        (["replay", "--labels", "raven", "-"], 2, "--labels writes a file beside each recording"),
        (["listen", "--demo", "--history"], 2, "it leaves no history"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments, status, message, capsys):
    assert main(arguments) == status
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_verdict_and_back(said, path):
    last = events(path)[-1]
    when = last.onset.strftime("%Y-%m-%d %H:%M:%S")
    assert said("wrong", last.id) == f"{last.id}  {when}  {last.tag}: wrong\n"
    assert "✗" in said("history", *WEEK, "--limit", "1000")
    assert said("right", last.id).endswith(": right\n")
    assert json.loads(said("history", *WEEK, "--json").splitlines()[len(events(path)) - 1])["verdict"] == "right"
    assert said("wrong", "last", "--undo").endswith(": no longer judged\n")


def test_of_several_a_bad_id_leaves_all_unjudged(said, path):
    last = events(path)[-1]
    said("wrong", last.id, "nonsense", status=2)
    assert events(path)[-1].verdict is None


def test_labels_for_audacity_and_raven(said, path):
    heard = events(path, "dog")
    start_ms = Span.parse(*WEEK[1::2]).start_ms
    track = [line.split("\t") for line in said("export", "--to", "audacity", *WEEK, "--tag", "dog").splitlines()]
    assert len(track) == len(heard)
    assert float(track[0][0]) == (heard[0].onset_ms - start_ms) / 1000
    assert float(track[0][1]) - float(track[0][0]) == pytest.approx(heard[0].duration_s)
    assert track[0][2] == f"dog {heard[0].peak:.2f}"
    head, *rows = (line.split("\t") for line in said("export", "--to", "raven", *WEEK, "--tag", "dog").splitlines())
    assert head[:5] == ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(heard) + 1)]
    assert rows[0][head.index("Tag")] == "dog"


def test_a_calendar(said, path, tmp_path):
    file = tmp_path / "heard.ics"
    said("export", "--to", "ical", *WEEK, "--out", str(file))
    lines = file.read_bytes().split(b"\r\n")
    assert (lines[0], lines[-2], lines[-1]) == (b"BEGIN:VCALENDAR", b"END:VCALENDAR", b"")
    assert max(map(len, lines)) <= 75
    first = events(path)[0]
    assert lines.count(b"BEGIN:VEVENT") == len(events(path))
    assert f"UID:{first.id}@bowstream".encode() in lines
    assert time.strftime("DTSTART:%Y%m%dT%H%M%SZ", time.gmtime(first.onset_ms // 1000)).encode() in lines


def test_parquet(said, path, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "heard.parquet"
    said("export", "--to", "parquet", *WEEK, "--out", str(file))
    table, heard = parquet.read_table(file), events(path)
    assert table.column("id").to_pylist() == [each.id for each in heard]
    assert table.column("time").to_pylist()[0].timestamp() * 1000 == pytest.approx(heard[0].onset_ms)
    assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"


def test_replay_writes_labels_beside_the_recordings(tmp_path, bundle, monkeypatch, capsys):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(encoded(noise(3.0)))
    config = tmp_path / "all.toml"
    config.write_text("on = 0.0\noff = 0.0\n")
    for to, suffix in (("audacity", "txt"), ("raven", "selections.txt")):
        assert main(["replay", "--config", str(config), "--csv", "--labels", to, str(tmp_path)]) == 0
        table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        for name in ("a.wav", "b.wav"):
            lines = (tmp_path / f"{name}.bowstream.{suffix}").read_text().splitlines()
            labels = lines if to == "audacity" else lines[1:]
            mine = [row for row in table if row["file"].endswith(name)]
            assert len(labels) == len(mine) == len(bundle.tags)
            column = 0 if to == "audacity" else 3
            assert [float(line.split("\t")[column]) for line in labels] == [float(row["onset_s"]) for row in mine]


def test_the_service_keeps_a_history_unless_told_not_to():
    assert "--history" in command([])
    assert command(["--no-history"])[-2:] == ["--history", "--no-history"]  # the last one counts

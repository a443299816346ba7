"""The history sink: what it writes, what a kill leaves, how it is held to a size."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm
from stage import STARTED, Stage, at, quick, until
from years import make_up

from bowstream._ids import event_id
from bowstream.config.sinks import ClipsSettings, HistorySettings
from bowstream.history import listening, queries
from bowstream.history.place import found_at, kept_at
from bowstream.history.pulse import HALF, Beat, Pulse, left_by
from bowstream.history.recorder import Recorder
from bowstream.history.spans import DAY_MS, Span, unix_ms
from bowstream.history.store import Store, open_history
from bowstream.sinks import Sinks
from bowstream.sinks.history import HistorySink

BEGAN_MS = unix_ms(STARTED)
ALWAYS = Span(0, 1 << 45)


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "history.db"


@pytest.fixture
def history(stage, path):
    """Play records to a history sink and return the history."""
    opened = []

    def play(*parts):
        with HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream) as sink:
            stage.play(sink, *parts)
        assert sink.report().lost == 0, sink.report()
        opened.append(open_history(path).thing)
        return opened[-1]

    yield play
    for connection in opened:
        connection.close()


def test_an_event_is_kept_with_all_that_is_known_of_it(stage, history):
    found = history(stage.sound(2), stage.begin("dog", 1.5), stage.sound(1), stage.end("dog", 1.5, 2.5), stage.sound(1))
    (dog,) = queries.events(found, ALWAYS)
    assert (dog.id, dog.tag) == (event_id(at(1.5), "stage", "dog"), "dog")
    assert (dog.onset_ms, dog.duration_ms, dog.is_open) == (BEGAN_MS + 1500, 1000, False)
    assert (dog.peak, dog.mean, dog.source, dog.bundle) == (0.9, 0.7, "stage", "stage")
    assert dog.level_dbfs == pytest.approx(stage.level_dbfs(1.5, 2.5), abs=0.06)
    assert dog.onset == at(1.5)
    assert (dog.clip, dog.verdict) == (None, None)
    assert queries.event(found, "last") == queries.event(found, dog.id) == dog


def test_an_open_event_lasts_for_as_long_as_was_listened(stage, path):
    with HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.5), stage.sound(11))
        until(lambda: sink.report().waiting == 0)
        with open_history(path) as found:
            (dog,) = queries.events(found, ALWAYS)
    assert (dog.is_open, dog.duration_ms) == (True, 500)  # readers were shown when it began: again after 30 s
    with open_history(path) as found:
        (dog,) = queries.events(found, ALWAYS)
    assert (dog.is_open, dog.duration_ms) == (True, 11_500)  # when it has ended


def test_nothing_heard_and_nobody_listening_are_told_apart(stage, history):
    """A gap, a microphone that goes away, and a stop: none of them is listened to."""

    def away(seconds):
        yield stage.notice("away", "the microphone has gone")
        stage.position_s += seconds
        yield stage.notice("back", "the microphone is back")

    found = history(stage.sound(10), stage.gap(5.0), stage.sound(20), away(60.0), stage.sound(10))
    ears = [(one.start_ms - BEGAN_MS, one.end_ms - BEGAN_MS) for one in listening.listened(found, ALWAYS)]
    assert ears == [(0, 10_000), (15_000, 35_000), (95_000, 105_000)]
    assert listening.listened_s(found, Span(BEGAN_MS + 5000, BEGAN_MS + 20_000)) == 10.0
    assert [(gap.start_ms - BEGAN_MS, gap.duration_ms) for gap in queries.gaps(found, ALWAYS)] == [(10_000, 5000)]
    assert [(each.kind, each.time_ms - BEGAN_MS) for each in queries.notices(found, ALWAYS)] == [
        ("away", 35_000),
        ("back", 95_000),
    ]
    (run,) = queries.runs(found, ALWAYS)
    assert (run.started_ms - BEGAN_MS, run.ended_ms - BEGAN_MS, run.source) == (1000, 105_000, "stage")


def test_minutes_have_their_loudness_and_highest_scores(stage, history):
    def minute(**scores):
        for second in range(60):
            yield from (stage.piece() for _ in range(10))
            yield stage.scores(**(scores if second == 30 else {}))

    found = history(minute(dog=0.8), minute(rain=0.4, dog=1.0))
    kept = queries.minutes(found, ALWAYS, ["rain", "dog", "cat"])
    assert kept.start_ms.tolist() == [BEGAN_MS, BEGAN_MS + 60_000]
    assert kept.heard_s.tolist() == [60.0, 60.0]
    assert kept.scores[:, 0] == pytest.approx([0.0, 0.4], abs=0.002)
    assert kept.scores[:, 1] == pytest.approx([0.8, 1.0], abs=0.002)
    assert not (kept.scores[:, 2] == kept.scores[:, 2]).any()  # NaN: a tag that the run did not know
    assert kept.level_dbfs[0] == pytest.approx(stage.level_dbfs(0.0, 60.0), abs=0.06)
    assert kept.peak_dbfs[0] > kept.level_dbfs[0]
    assert queries.minutes(found, ALWAYS).tags == ("dog", "laughing", "rain")


def test_a_clock_that_is_set_breaks_what_was_listened(stage, history):
    def late():
        stage.position_s += 3600.0
        yield from ()

    found = history(stage.sound(5), late(), stage.sound(5))
    assert [one.length_ms for one in listening.listened(found, ALWAYS)] == [5000, 5000]


def test_other_tags_begin_another_run(stage, history):
    def learned():
        stage.info = Stage("dog", "laughing", "rain", "kettle").info
        yield from ()

    found = history(stage.sound(5), learned(), stage.sound(5))
    assert len(queries.runs(found, ALWAYS)) == 2
    assert listening.listened_s(found, ALWAYS) == 10.0
    kept = queries.minutes(found, ALWAYS)
    assert kept.tags == ("dog", "laughing", "rain", "kettle")
    assert kept.scores[0, 3] != kept.scores[0, 3]
    assert kept.scores[1].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_a_clip_is_noted_with_its_event(stage, tmp_path):
    path = tmp_path / "history.db"
    settings = {
        "clips": ClipsSettings(folder=str(tmp_path / "clips"), before_s=1.0, after_s=1.0),
        "history": HistorySettings(path=str(path), days=36_500.0),
    }
    with Sinks(stage.info, stage.health, settings, print) as sinks:
        stage.play(
            sinks, stage.sound(2), stage.begin("dog", 1.5), stage.sound(1), stage.end("dog", 1.5, 2.0), stage.sound(3)
        )
        until(lambda: sinks.reports()[0].delivered == 1)
    with open_history(path) as found:
        clip = queries.event(found, "last").clip
    assert clip.is_absolute()
    assert [clip] == list((tmp_path / "clips").iterdir())


def test_a_private_file_in_a_private_folder(history, stage, path):
    before = os.umask(0o022)
    try:
        history(stage.sound(1))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]


def test_a_file_that_is_deleted_is_begun_again(stage, path):
    with HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(12))
        until(lambda: sink.report().delivered)
        for file in path.parent.iterdir():
            file.unlink()
        stage.play(sink, stage.begin("dog", 1.5), stage.sound(2))
    with open_history(path) as found:
        assert queries.event(found, "last").source == "stage"


def test_a_damaged_file_is_put_aside(stage, path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, for sure" * 1000)
    with quick(HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream)) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.5))
        until(lambda: sink.report().waiting == 0)
        assert "was damaged" in sink.warnings()[0]
    assert sink.report().lost == 0
    with open_history(path) as found:
        assert queries.event(found, "last").tag == "dog"
    (aside,) = path.parent.glob("history.db.damaged-*")
    assert aside.read_bytes().startswith(b"not a database")


def test_a_database_of_another_program_is_left_alone(stage, path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE contacts (name)")
    with HistorySink(HistorySettings(path=str(path)), *stage.stream) as sink:
        stage.play(sink, stage.sound(12))
        until(lambda: sink.report().lost)
        assert "another program" in sink.report().trouble


def test_a_locked_file_is_waited_for(stage, path, monkeypatch):
    monkeypatch.setattr("bowstream.history.store.BUSY_S", 0.01)
    Store(*prepared(path)).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with quick(HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream)) as sink:
        stage.play(sink, stage.sound(30), stage.begin("dog", 1.5), stage.sound(30))
        until(lambda: "locked" in sink.report().trouble)
        other.execute("ROLLBACK")
        other.close()
        until(lambda: sink.report().waiting == 0)
    with open_history(path) as found:
        assert listening.listened_s(found, ALWAYS) == 60.0
        assert queries.event(found, "last").tag == "dog"


def prepared(path):
    path.parent.mkdir(exist_ok=True)
    return (path,)


def test_what_is_old_goes_then_what_is_too_much(tmp_path):
    path = tmp_path / "history.db"
    make_up(path, BEGAN_MS, days=20, per_day=100)
    store = Store(path)
    full = store.used_bytes
    store.tidy(BEGAN_MS, 10.0, 1e9)
    with open_history(path) as found:
        assert queries.events(found, ALWAYS)[0].onset_ms >= BEGAN_MS - 10 * DAY_MS
        assert len(queries.events(found, ALWAYS)) == 1000
        newest = queries.event(found, "last")
    assert store.used_bytes < 0.6 * full
    store.tidy(BEGAN_MS, 10.0, 0.2 * full)
    assert store.used_bytes <= 0.2 * full
    with open_history(path) as found:
        assert queries.event(found, "last") == newest
        assert 200 < len(queries.events(found, ALWAYS)) < 500
    store.close()
    assert path.stat().st_size <= 0.25 * full


LISTENER = """
import sys, time
from stage import Stage
from bowstream.config.sinks import HistorySettings
from bowstream.sinks.history import HistorySink
stage = Stage()
stage.position_s = float(sys.argv[2])
with HistorySink(HistorySettings(path=sys.argv[1], days=36_500.0), *stage.stream) as sink:
    number = 0
    while True:
        begun = stage.position_s
        stage.play(sink, stage.sound(1))
        if begun % 3 == 0:
            stage.play(sink, stage.begin("dog", begun), stage.end("dog", begun, begun + 0.5))
            number += 1
        while sink.report().waiting:
            time.sleep(0.0005)
        print(number, stage.position_s, flush=True)
"""


def killed(path, after_s, start_s):
    """Kill a listener that says how many events it has delivered; return the number, and until when it listened."""
    command = [sys.executable, "-c", LISTENER, str(path), str(start_s)]
    listener = warm.Popen(command, stdout=subprocess.PIPE, text=True)
    first = listener.stdout.readline()
    time.sleep(after_s)
    listener.send_signal(signal.SIGKILL)
    rest, _ = listener.communicate()
    *whole, _torn = (first + rest).split("\n")
    number, position_s = whole[-1].split()
    return int(number), float(position_s)


@pytest.mark.parametrize("times", [int(os.environ.get("BOWSTREAM_KILLS", 3))])
def test_killed_at_any_moment_it_opens_and_has_all_but_the_last_second(tmp_path, times):
    """`BOWSTREAM_KILLS=100` tries it harder."""
    path, delivered, start_s = tmp_path / "history.db", 0, 0.0
    for kill in range(times):
        number, position_s = killed(path, 0.05 + 0.013 * (kill % 17), start_s)
        delivered += number
        with open_history(path) as found:
            assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert len(queries.events(found, ALWAYS)) >= delivered
            assert listening.listened(found, ALWAYS)[-1].end_ms >= BEGAN_MS + round(position_s * 1000.0)
            delivered = len(queries.events(found, ALWAYS))
        start_s = position_s + 100.0


def left(path, stage):
    """Have a listener leave what one that is killed does: a history of a second, and a beat four seconds later."""
    with HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(5))
        until(lambda: sink.report().waiting == 0)
        copies = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    for name, content in copies.items():
        (path.parent / name).write_bytes(content)
    return path.with_name("history.db-beat")


def heard_until(path):
    with open_history(path) as found:
        return listening.listened(found, ALWAYS)[-1].end_ms - BEGAN_MS


def test_a_half_that_a_power_cut_has_torn_costs_a_second(stage, path):
    pulse = left(path, stage)
    content = bytearray(pulse.read_bytes())
    content[HALF * (4 % 2) + 20] ^= 1  # the fourth beat, which is the newest: the first second was written
    pulse.write_bytes(content)
    assert heard_until(path) == 4000
    assert not pulse.exists()
    pulse.write_bytes(bytes(2 * HALF))
    assert heard_until(path) == 4000


def test_a_beat_of_each_stream_is_kept_but_none_of_runs_long_over(tmp_path):
    path = tmp_path / "history.db-beat"
    pulse = Pulse(path, 0o600)
    beats = [
        Beat((0, stream, end_ms), (0, stream, 1, -50.0, -40.5, bytes([stream, 255])))
        for stream, end_ms in ((1, 1000), (2, 200_000), (3, 201_000))
    ]
    for beat in beats:
        pulse.keep(beat)
    assert left_by(path) == []  # it goes on
    pulse.close()
    assert left_by(path) == beats[1:]


def test_who_starts_next_takes_over_what_is_left(stage, path):
    left(path, stage)
    Store(path).close()
    assert heard_until(path) == 5000


def test_what_another_history_has_left_is_no_part_of_a_new_one(stage, path):
    left(path, stage)
    path.unlink()
    Store(path).close()
    with open_history(path) as found:
        assert listening.listened(found, ALWAYS) == []


def test_two_listeners_keep_one_history(stage, path):
    other = Stage(source="yard")
    with (
        HistorySink(HistorySettings(path=str(path), days=36_500.0), *stage.stream) as one,
        HistorySink(HistorySettings(path=str(path), days=36_500.0), *other.stream) as two,
    ):
        stage.play(one, stage.sound(3))
        until(lambda: one.report().waiting == 0)
        other.play(two, other.sound(6))
        until(lambda: two.report().waiting == 0)
        assert heard_until(path) == 6000  # written, since the file for beats is the other's
        stage.play(one, stage.sound(5))
        until(lambda: one.report().waiting == 0)
        assert one.report().lost == two.report().lost == 0
    assert heard_until(path) == 8000


def test_hops_wait_for_no_longer_than_the_power_may_take():
    """Hops of 0.3 s and a sync of 1 s: they are noted every 0.9 s."""
    stage = Stage(hop_s=0.3)
    recorder = Recorder(stage.info, sync_s=1.0)
    noted = []
    for hop in range(1, 20):
        stage.position_s = 0.3 * hop
        for batch in recorder.record(stage.scores()):
            row = batch.beat.listening if batch.beat else batch.changes[0].values
            noted.append(row[2] - BEGAN_MS)
    assert noted == [900, 1800, 2700, 3600, 4500, 5400]


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert kept_at("") == tmp_path / "bowstream" / "history.db"
    (tmp_path / "bowstream").mkdir()
    (tmp_path / "bowstream" / "history.db").touch()
    assert found_at("") == tmp_path / "bowstream" / "history.db"
    services = tmp_path / ".config" / "bowstream" / "history.db"  # where systemd before 254 has a user's service
    monkeypatch.setenv("HOME", str(tmp_path))
    services.parent.mkdir(parents=True)
    services.touch()
    os.utime(tmp_path / "bowstream" / "history.db", (1e9, 1e9))
    assert found_at("") == services
    services.with_name("history.db-wal").touch()
    os.utime(services, (1e8, 1e8))
    assert found_at("") == services  # written to last, though not yet into the file itself
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/bowstream:/elsewhere")
    assert kept_at("") == Path("/var/lib/bowstream/history.db")
    assert kept_at("there.db") == Path.cwd() / "there.db"

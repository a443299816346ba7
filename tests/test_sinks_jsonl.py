"""JSON lines in a file: the objects, rotation, torn lines and full disks."""

import errno
import fcntl
import json
import os
import stat
import sys

import pytest
import warm
from stage import Stage, quick, until

from bowstream.config.sinks import JsonlSettings
from bowstream.sinks.jsonl import JsonFile


@pytest.fixture
def stage():
    return Stage()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_jsonl_writes_events_and_gaps_with_the_time(stage, tmp_path):
    path = tmp_path / "new" / "folder" / "events.jsonl"
    with JsonFile(JsonlSettings(path=str(path)), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.5), stage.end("dog", 1.5, 2.0), stage.gap(0.25))
    assert lines(path) == [
        {
            "time": "2027-01-15T08:00:01.500Z",
            "type": "event",
            "id": stage.id("dog", 1.5),
            "state": "on",
            "onset_s": 1.5,
            "offset_s": None,
            "tag": "dog",
            "peak": 0.8,
            "mean": 0.8,
        },
        {
            "time": "2027-01-15T08:00:02.000Z",
            "type": "event",
            "id": stage.id("dog", 1.5),
            "state": "off",
            "onset_s": 1.5,
            "offset_s": 2.0,
            "tag": "dog",
            "peak": 0.9,
            "mean": 0.7,
        },
        {"time": "2027-01-15T08:00:02.000Z", "type": "gap", "start_s": 2.0, "length_s": 0.25},
    ]


def test_jsonl_writes_hops_when_asked(stage, tmp_path):
    with JsonFile(JsonlSettings(path=str(tmp_path / "all.jsonl"), hops=True), *stage.stream) as sink:
        stage.play(sink, stage.sound(3))
    written = lines(tmp_path / "all.jsonl")
    assert [line["end_s"] for line in written] == [1.0, 2.0, 3.0]
    assert written[0]["scores"] == {"dog": 0.0, "laughing": 0.0, "rain": 0.0}
    assert written[0]["health"]["lost_s"] == 0.0


def test_jsonl_rotates_by_size_and_keeps_so_many(stage, tmp_path):
    path = tmp_path / "events.jsonl"
    with JsonFile(JsonlSettings(path=str(path), rotate_mb=0.001, keep=2), *stage.stream) as sink:
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(100)))
    files = [path, tmp_path / "events.jsonl.1", tmp_path / "events.jsonl.2"]
    assert sorted(tmp_path.iterdir()) == files
    assert all(file.stat().st_size <= 1000 for file in files)
    onsets = [line["onset_s"] for file in reversed(files) for line in lines(file)]
    assert onsets == [float(second) for second in range(100 - len(onsets), 100)]


def test_jsonl_that_keeps_none(stage, tmp_path):
    path = tmp_path / "events.jsonl"
    with JsonFile(JsonlSettings(path=str(path), rotate_mb=0.001, keep=0), *stage.stream) as sink:
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(20)))
    assert list(tmp_path.iterdir()) == [path]
    assert lines(path)[-1]["onset_s"] == 19.0


def test_jsonl_ends_a_line_that_a_crash_left_behind(stage, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"type": "event", "onse')
    with JsonFile(JsonlSettings(path=str(path)), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
    torn, whole = path.read_text().splitlines()
    assert torn == '{"type": "event", "onse'
    assert json.loads(whole)["tag"] == "dog"


def test_jsonl_on_a_full_disk_waits_and_says_so(stage):
    with quick(JsonFile(JsonlSettings(path="/dev/full"), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 1.0))
        until(lambda: "No space left" in sink.report().trouble)
        sink.join(flush_s=0.05)
    assert sink.report().lost == 1


def test_jsonl_leaves_no_torn_line_on_a_full_disk_and_recovers(stage, tiny_disk):
    path, ballast = tiny_disk / "events.jsonl", tiny_disk / "ballast"
    ballast.write_bytes(bytes(56_000))
    with quick(JsonFile(JsonlSettings(path=str(path)), *stage.stream)) as sink:
        stage.play(sink, *(stage.begin("dog", float(second)) for second in range(200)))
        until(lambda: sink.report().trouble)
        assert path.read_text().endswith("}\n")
        ballast.unlink()
        until(lambda: sink.report().delivered == 200)
    assert [line["onset_s"] for line in lines(path)] == [float(second) for second in range(200)]


def test_what_is_written_is_private_unless_it_is_to_be_shared(stage, tmp_path):
    before = os.umask(0o022)
    try:
        for shared in (False, True):
            path = tmp_path / str(shared) / "deep" / "events.jsonl"
            with JsonFile(JsonlSettings(path=str(path), shared=shared), *stage.stream) as sink:
                stage.play(sink, stage.begin("dog", 1.5))
            modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
            assert modes == ([0o644, 0o755, 0o755] if shared else [0o600, 0o700, 0o700])
    finally:
        os.umask(before)


def test_a_pipe_without_a_reader_is_not_waited_for(stage, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with quick(JsonFile(JsonlSettings(path=str(tmp_path / "pipe")), *stage.stream)) as sink:
        stage.play(sink, stage.begin("dog", 1.5))
        until(lambda: "No such device or address" in sink.report().trouble)
        sink.join(flush_s=0.05)


WRITER = """
import sys
from stage import Stage, until
from bowstream.config.sinks import JsonlSettings
from bowstream.sinks.jsonl import JsonFile
path, tag = sys.argv[1:]
stage = Stage(tag)
with JsonFile(JsonlSettings(path=path, rotate_mb=0.01, keep=1000), *stage.stream) as sink:
    stage.play(sink, *(stage.begin(tag, float(second)) for second in range(500)))
    until(lambda: sink.report().waiting == 0, 60.0)
"""


def test_two_processes_tear_no_line_of_one_file(tmp_path):
    """Each of a thousand lines is there once, in one of the files that were put aside meanwhile."""
    path = tmp_path / "events.jsonl"
    writers = [warm.Popen([sys.executable, "-c", WRITER, str(path), tag]) for tag in ("dog", "rain")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    files = list(tmp_path.iterdir())
    found = sorted((line["tag"], line["onset_s"]) for file in files for line in lines(file))
    assert found == [(tag, float(second)) for tag in ("dog", "rain") for second in range(500)]
    assert len(files) > 5


def test_a_file_that_another_process_keeps_locked_is_tried_again(stage, tmp_path, monkeypatch):
    monkeypatch.setattr("bowstream.sinks.files.LOCK_S", 0.1)
    path = tmp_path / "events.jsonl"
    with path.open("a") as other, quick(JsonFile(JsonlSettings(path=str(path)), *stage.stream)) as sink:
        fcntl.flock(other, fcntl.LOCK_EX)
        stage.play(sink, stage.begin("dog", 1.5))
        until(lambda: "is locked by another process" in sink.report().trouble)
        fcntl.flock(other, fcntl.LOCK_UN)
        until(lambda: sink.report().delivered == 1)


def test_a_file_system_without_locks_is_written_to_all_the_same(stage, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    path = tmp_path / "events.jsonl"
    with JsonFile(JsonlSettings(path=str(path)), *stage.stream) as sink:
        stage.play(sink, stage.begin("dog", 1.5))
    assert len(lines(path)) == 1 and sink.report().delivered == 1

"""`bowstream replay` in several processes, interrupted, and with options that contradict each other."""

import io
import json
import os
import signal

import numpy as np
import pytest
import soundfile
from conftest import start
from signals import noise, scene

from bowstream.audio.file import AudioFile
from bowstream.cli.main import main
from bowstream.health.counters import level_dbfs
from bowstream.learn import store
from bowstream.output.lines import PlainLines
from bowstream.session import Session
from bowstream.tagger import Tagger


def test_two_processes_say_what_one_says(tmp_path, capfd):
    for index in range(4):
        soundfile.write(tmp_path / f"{index}.wav", scene(1.0 + 0.7 * index, seed=index), 16_000)
    (tmp_path / "9.wav").write_bytes(b"")
    told = []
    for jobs in ("1", "2"):
        assert main(["replay", "--json", "--jobs", jobs, str(tmp_path)]) == 1
        told.append(capfd.readouterr())
    assert told[0] == told[1]
    assert len([line for line in told[0].out.splitlines() if json.loads(line)["type"] == "file"]) == 5


def test_what_was_taught_is_read_once_for_all_recordings(tmp_path, monkeypatch):
    for index in range(3):
        soundfile.write(tmp_path / f"{index}.wav", noise(1.0, seed=index), 16_000)
    looked, read = [], store.read
    monkeypatch.setattr(store, "read", lambda *where: looked.append(where) or read(*where))
    assert main(["replay", str(tmp_path)]) == 0
    assert len(looked) == 1


def test_ctrl_c_does_not_wait_for_what_is_being_heard(tmp_path):
    pipes = [tmp_path / name for name in ("a.raw", "b.raw")]
    for pipe in pipes:
        os.mkfifo(pipe)
    process = start("replay", "--jobs", "2", "--raw", "16000", *pipes, start_new_session=True)
    with pipes[0].open("wb", buffering=0) as first, pipes[1].open("wb", buffering=0) as second:  # both are being read
        for pipe in (first, second):
            pipe.write(b"\0" * 32_000)  # and more never comes
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=15.0)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("options", [["--realtime", "--csv"], ["--realtime", "--jobs", "2"], ["-", "-"]], ids=str)
def test_options_that_contradict_each_other(options, capsys):
    assert main(["replay", *options, "-"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bowstream: ")


def test_folders_named_like_recordings_and_raw_files_are_passed_over(tmp_path, capfd):
    (tmp_path / "dir.wav").mkdir()
    (tmp_path / "dump.raw").write_bytes(b"\0" * 3200)
    soundfile.write(tmp_path / "real.wav", noise(1.0), 16_000)
    assert main(["replay", "--json", str(tmp_path)]) == 0
    objects = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {each["file"] for each in objects} == {str(tmp_path / "real.wav")}


def test_a_plain_line_tells_the_level_of_its_whole_hop(tmp_path, bundle):
    samples = np.concatenate([noise(0.9), np.zeros(1600, np.float32)])
    soundfile.write(tmp_path / "fades.wav", samples, 16_000, "FLOAT")
    stream = io.StringIO()
    with AudioFile(tmp_path / "fades.wav", bundle.front_end.format) as source:
        session = Session(source, Tagger(bundle))
        lines = PlainLines(stream)
        for record in session:
            lines.write(record)
    assert f"{level_dbfs(samples):.1f} dBFS" in stream.getvalue()

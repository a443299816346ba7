"""Where a sound can be taught from: what a listener has just heard, the microphone, an event's clip."""

import os
import socket
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from stage import RATE, Stage, at
from test_learn import beeps, home  # noqa: F401

from bowstream._ids import event_id
from bowstream.audio.source import Block
from bowstream.cli import examples
from bowstream.cli.main import main
from bowstream.config.settings import NEWEST_S
from bowstream.config.sinks import ClipsSettings, HistorySettings
from bowstream.events import Event
from bowstream.learn.newest import SOCKET_NAME, Doorway, Newest, ask
from bowstream.model.learned_file import read_learned
from bowstream.records import Sound
from bowstream.sinks import Sinks


def newest_of(samples, block=1600):
    newest = Newest(RATE)
    for first in range(0, len(samples), block):
        newest.push(samples[first : first + block])
    return newest


def test_the_newest_seconds_are_kept_and_no_more():
    samples = np.arange(40 * RATE, dtype=np.float32)
    newest = newest_of(samples)
    assert np.array_equal(newest.last(5.0), samples[-5 * RATE :])
    assert NEWEST_S * RATE <= len(newest.last(1000.0)) < (NEWEST_S + 0.2) * RATE
    newest.clear()
    assert not len(newest.last(5.0))
    newest.push(samples[:1600])
    assert np.array_equal(newest.last(5.0), samples[:1600])


@pytest.fixture
def door(tmp_path):
    return tmp_path / "state" / "bowstream" / SOCKET_NAME


def test_a_listener_is_asked_through_a_socket_of_this_user(door):
    samples = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32)
    warnings = []
    with Doorway(door, {"": newest_of(samples)}, warnings.append):
        assert door.stat().st_mode & 0o777 == 0o600 and door.parent.stat().st_mode & 0o777 == 0o700
        found = ask(door, 5.0)
        assert (found.sample_rate, found.source) == (RATE, "")
        assert np.array_equal(found.samples, samples[-5 * RATE :])
        for nonsense in (b"", b"\n", b"-1\n", b"nan\n", b"{}\n", b'{"last_s": "x", "source": 1}\n', b"x" * 10_000):
            with socket.socket(socket.AF_UNIX) as asker:
                asker.connect(os.fspath(door))
                asker.sendall(nonsense)
                asker.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    assert asker.recv(10) == b""
        assert len(ask(door, 1.0).samples) == RATE
        with Doorway(door, {"": newest_of(samples)}, warnings.append):  # a second listener
            assert len(ask(door, 1.0).samples) == RATE
        assert len(ask(door, 1.0).samples) == RATE and not warnings
    assert not door.exists()
    with pytest.raises(OSError):
        ask(door, 5.0)


def test_of_several_sources_one_is_asked(learned, door, capsys):
    sounds = {"kitchen": np.zeros(8 * RATE, np.float32), "back yard": beeps(1000, 0)}
    with Doorway(door, {name: newest_of(sound) for name, sound in sounds.items()}, pytest.fail):
        for name, source in (("", "kitchen"), ("kitchen", "kitchen"), ("back yard", "back yard")):
            found = ask(door, 3.0, name)
            assert found.source == source and np.array_equal(found.samples, sounds[source][-3 * RATE :])
        assert main(["learn", "machine", "--last", "3"]) == 1
        assert "the last 3 s of kitchen: silence" in capsys.readouterr().err
        assert main(["learn", "machine", "--last", "3", "--source", "yard"]) == 2
        assert capsys.readouterr().err == "bowstream: source must be one of kitchen, back yard (got 'yard')\n"
        assert main(["learn", "machine", "--last", "3", "--source", "back yard"]) == 0
        assert "the last 3 s of back yard" in capsys.readouterr().out
    with Doorway(door, {"": newest_of(sounds["kitchen"])}, pytest.fail):
        assert main(["learn", "other", "--last", "3", "--source", "yard"]) == 2
        assert "source must be left out: only one is heard (got 'yard')" in capsys.readouterr().err
    assert main(["learn", "other", "x.wav", "--source", "yard"]) == 2
    assert "--source goes with --last" in capsys.readouterr().err


def test_what_a_killed_listener_left_is_no_hindrance(door):
    door.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.fspath(door))
    with Doorway(door, {"": newest_of(np.ones(RATE, np.float32))}, pytest.fail):
        assert len(ask(door, 1.0).samples) == RATE


def test_a_folder_may_lie_deeper_than_a_socket_can_be_named(tmp_path):
    door, sound = tmp_path / ("x" * 120) / SOCKET_NAME, {"": newest_of(np.ones(RATE, np.float32))}
    with Doorway(door, sound, pytest.fail):
        assert len(ask(door, 1.0).samples) == RATE
        with Doorway(door, {}, pytest.fail):  # a second listener leaves the first one be
            pass
        assert len(ask(door, 1.0).samples) == RATE
    assert not door.exists()


def test_where_no_socket_can_be_is_said(tmp_path):
    warnings = []
    (tmp_path / "file").touch()
    with Doorway(tmp_path / "file" / SOCKET_NAME, {}, warnings.append):
        pass
    assert len(warnings) == 1 and "--last" in warnings[0]


@pytest.fixture
def learned(home, monkeypatch):  # noqa: F811
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home / "config" / "bowstream" / "learned.npz"


def test_the_last_seconds_are_learned_from(learned, door, capsys):
    assert main(["learn", "machine", "--last", "5"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'bowstream listen'" in line
    silence = np.zeros(8 * RATE, np.float32)
    with Doorway(door, {"": newest_of(np.concatenate([silence, beeps(1000, 0)]))}, pytest.fail):
        assert main(["learn", "machine", "--last", "5"]) == 0
    assert "the last 5 s" in capsys.readouterr().out
    (example,) = read_learned(learned).tags[0].examples
    assert 2.0 < example.start_s < 3.0 and example.length_s < 2.0


class Player:
    """A microphone that hears what it is told."""

    name = "player"

    def __init__(self, samples):
        self._samples = samples

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def __iter__(self):
        for first in range(0, len(self._samples), 1600):
            yield Block(self._samples[first : first + 1600])
            yield None


def test_the_microphone_is_learned_from(learned, monkeypatch, capfd):
    heard = np.concatenate([beeps(1000, 0), np.zeros(20 * RATE, np.float32)])
    monkeypatch.setattr(examples, "open_live", lambda settings, format: Player(heard))
    assert main(["learn", "machine", "--record", "10"]) == 0
    out, err = capfd.readouterr()
    assert "10 s recorded" in out and "recording 10 s from player: make the sound now" in err
    assert read_learned(learned).names == ("machine",)


def test_an_events_clip_is_learned_from(learned, home, capsys):  # noqa: F811
    """Of a clip with a louder sound before the event, the event."""
    stage = Stage("dog")
    sound = np.concatenate(
        [4.0 * beeps(300, 1), np.zeros(RATE, np.float32), beeps(1000, 0), np.zeros(4 * RATE, np.float32)]
    )
    settings = {
        "clips": ClipsSettings(folder=str(home / "clips"), before_s=4.0, after_s=1.0),
        "history": HistorySettings(path=str(home / "state" / "bowstream" / "history.db"), days=36_500.0),
    }
    name = event_id(at(4.5), "stage", "dog")
    with Sinks(stage.info, stage.health, settings, print) as sinks:
        for second in range(len(sound) // RATE):
            samples = sound[second * RATE : (second + 1) * RATE]
            stage.position_s = second + 1.0
            sinks.write(Sound(float(second), second + 1.0, samples, 0.0, lambda: None))
            sinks.write(stage.scores())
            if second == 6:
                sinks.write(Event("dog", 4.5, None, 0.8, 0.8, at(4.5), name))
                sinks.write(Event("dog", 4.5, 6.0, 0.8, 0.8, at(6.0), name))
    assert main(["learn", "machine", "--event", name]) == 0
    assert f"{name} (dog)" in capsys.readouterr().out
    (example,) = read_learned(learned).tags[0].examples
    assert example.length_s < 2.0 and example.start_s < 1.0
    for clip in (home / "clips").iterdir():
        clip.unlink()
    assert main(["learn", "machine", "--more", "--event", name]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "clip is gone" in line


def test_a_clip_without_a_comment_is_learned_from_whole(tmp_path, bundle):
    path = tmp_path / "clip.flac"
    soundfile.write(path, beeps(1000, 0), RATE)
    assert len(examples.of_clip(path, bundle.front_end.format)) == 3 * RATE


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--last", "5", "--record", "5"],
        ["a.wav", "--last", "5"],
        ["--last", "0"],
        ["--last", "31"],
        ["--last", "x"],
    ],
)
def test_what_to_learn_from_is_one_thing(learned, arguments, capsys):
    try:
        status = main(["learn", "machine", *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and len(capsys.readouterr().err.splitlines()) == 1

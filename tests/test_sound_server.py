"""A sound server that moves us to another microphone: said, and an absence where one was named."""

import json
import os
import signal
import subprocess
from types import SimpleNamespace

import pytest
import soundcard
from conftest import IMPATIENT
from test_listen import Listening

from bowstream.audio import sound_server
from bowstream.audio.sound_server import Route, ask

pytestmark = pytest.mark.skipif(bool(soundcard.missing()), reason="no virtual sound card")

OTHER = "another_room"


class Card(soundcard.SoundCard):
    def control(self, *words):
        return subprocess.run(
            ["pactl", *words], env=self.environment | {"PATH": "/usr/bin"}, check=True, capture_output=True, text=True
        ).stdout

    def heard(self):
        """Return the sources that are listened to."""
        names = dict(line.split("\t")[:2] for line in self.control("list", "short", "sources").splitlines())
        return [names[line.split("\t")[1]] for line in self.control("list", "short", "source-outputs").splitlines()]

    def move(self, sink):
        """Have all that listens hear another sink."""
        (stream,) = (line.split()[0] for line in self.control("list", "short", "source-outputs").splitlines())
        self.control("move-source-output", stream, f"{sink}.monitor")


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with Card(tmp_path_factory.mktemp("card")) as card:
        card.control("load-module", "module-null-sink", f"sink_name={OTHER}")
        yield card


@pytest.fixture
def listen(card):
    started = []

    def run(*arguments, **options):
        started.append(Listening(card, "--json", "--hop", "0.1", *arguments, **options))
        started[-1].until(lambda line: '"hop"' in line)
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


def test_each_of_two_streams_follows_its_own_moves(monkeypatch):
    streams, names = {5: "attic"}, {"attic": "1", "kitchen": "2"}

    def answer(*words):
        if words == ("list", "short", "sources"):
            return "".join(f"{number}\t{name}\n" for name, number in names.items())
        return "".join(
            f'Source Output #{number}\n\tSource: {names[name]}\n\t\tapplication.process.id = "{os.getpid()}"\n'
            for number, name in streams.items()
        )

    monkeypatch.setattr(sound_server, "ask", answer)
    monkeypatch.setattr(Route, "_follow", lambda self: None)
    first = Route()
    streams[6] = "kitchen"
    second = Route()
    assert (first.source, second.source) == ("attic", "kitchen")
    streams[5] = "kitchen"  # its own is gone
    for route in (first, second):
        route._read(SimpleNamespace(stdout=["Event 'change' on source-output #5\n"]))
    assert (first.moved_to, second.moved_to) == ("kitchen", None)


def test_with_no_device_named_it_is_said_and_goes_on(card, listen):
    listening = listen()
    card.move(OTHER)
    notice = json.loads(listening.until(lambda line: '"notice"' in line))
    assert notice["kind"] == "moved"
    assert f"'{OTHER}.monitor' is heard now, not '{soundcard.SINK}.monitor'" in notice["text"]
    listening.until(lambda line: '"hop"' in line)
    status, err = listening.end(signal.SIGINT)
    assert status == 0 and err.count("switched microphones") == 1


def test_a_named_device_is_gone(card, listen):
    listening = listen("--device", "mon")
    card.move(OTHER)
    status, err = listening.end()
    assert status == 1
    assert err.splitlines() == [
        f"bowstream: 'mon' went away: the sound server switched to another microphone, '{OTHER}.monitor'"
    ]


def test_a_named_device_is_waited_for_and_heard_again_where_it_was(card, listen):
    listening = listen("--device", "mon", "--reconnect", program=IMPATIENT)
    card.move(OTHER)
    away = json.loads(listening.until(lambda line: '"away"' in line))
    assert OTHER in away["text"]
    listening.until(lambda line: '"back"' in line)
    assert card.heard() == [f"{soundcard.SINK}.monitor"]
    listening.until(lambda line: '"hop"' in line)
    assert listening.end(signal.SIGINT)[0] == 0


def test_what_is_named_is_not_heard_from_another_room_when_it_comes_back(card, listen):
    """The name leads to the server's usual source, which is another one by now."""
    listening = listen("--device", "default", "--reconnect", program=IMPATIENT)
    card.control("set-default-source", f"{OTHER}.monitor")  # and the server moves us
    listening.until(lambda line: '"away"' in line)
    begun = len(listening.lines)
    card.control("set-default-source", f"{soundcard.SINK}.monitor")
    listening.until(lambda line: '"back"' in line)
    assert not any('"hop"' in line for line in listening.lines[begun:])
    assert listening.end(signal.SIGINT)[0] == 0


def test_without_a_server_or_its_tool_a_microphone_is_what_its_name_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PULSE_SERVER", "unix:/none")
    assert (ask("info"), Route().source, Route().moved_to) == ("", None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (ask("info"), Route().source) == ("", None)


def test_a_server_that_hangs_is_not_waited_for(monkeypatch, tmp_path):
    program = tmp_path / "pactl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(sound_server, "ANSWERS_S", 0.2)
    assert Route().source is None

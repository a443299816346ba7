"""Sinks as a user has them: configured, behind `listen`, killed and started again."""

import json
import signal

import pytest
import soundcard
from conftest import start
from stage import until

from bowstream.cli.main import main

pytestmark = pytest.mark.skipif(bool(soundcard.missing()), reason="no virtual sound card")

CONFIG = """\
hop_s = 0.1

[sinks.jsonl]
path = "{folder}/all.jsonl"
hops = true

[sinks.clips]
folder = "{folder}/clips"
never = ["laughing"]
"""


MICROPHONE = ("--events", "--device", "mon")


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with soundcard.SoundCard(tmp_path_factory.mktemp("card")) as card:
        yield card


@pytest.fixture
def listen(card, tmp_path):
    """Start `bowstream listen` with the configuration above; whatever is left running is killed."""
    config = tmp_path / "bowstream.toml"
    config.write_text(CONFIG.format(folder=tmp_path))
    processes = []

    def run(*options):
        command = ["listen", "--config", config, *(options or MICROPHONE)]
        processes.append(start(*command, environment=card.environment, text=True))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_killed_and_started_again_it_goes_on(listen, tmp_path):
    file = tmp_path / "all.jsonl"

    def lines():
        return file.read_text().splitlines() if file.exists() else []

    first = listen()
    until(lambda: len(lines()) >= 5, 30.0)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    with file.open("a") as torn:
        torn.write('{"time": "2026-')  # as if it had been killed while writing
    before = len(lines())
    second = listen()
    until(lambda: len(lines()) >= before + 5, 30.0)
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=20)
    assert second.returncode == 0
    objects = [json.loads(line) for number, line in enumerate(lines(), 1) if number != before]
    hops = [one for one in objects if one["type"] == "hop"]
    assert [one["end_s"] for one in hops[-3:]] == sorted(one["end_s"] for one in hops[-3:])
    assert all(one["time"].endswith("Z") for one in objects)
    delivered = len(objects) - (before - 1)
    assert f"bowstream: jsonl: {delivered} delivered\n" in said
    assert "bowstream: clips:" in said


def test_the_history_of_a_listener_that_is_killed_is_there(listen, tmp_path, monkeypatch, capsys):
    """`--history` is what the service runs with; the file is where `history` looks for it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    listener = listen("--history", *MICROPHONE)

    def states():
        """What is said of the listener itself; nothing before there is a history."""
        status, out = main(["history", "--json"]), capsys.readouterr().out
        found = [json.loads(line) for line in out.splitlines()]
        return [each for each in found if each["type"] == "state" and each["kind"] == "listening"] if not status else []

    until(lambda: sum(each["duration_s"] for each in states()) >= 2.0, every_s=0.2)
    listener.kill()
    listener.wait(10)
    (before,) = states()
    assert [file.name for file in (tmp_path / "bowstream").glob("history.db")] == ["history.db"]
    again = listen("--history", *MICROPHONE)
    until(lambda: len(states()) == 2, every_s=0.2)
    assert states()[0] == before
    again.terminate()
    _, said = again.communicate(timeout=20)
    assert "bowstream: history: " in said


def test_two_do_not_deliver_to_the_same_sinks(listen, tmp_path):
    first = listen()
    until(lambda: (tmp_path / "all.jsonl").exists(), 30.0)
    second = listen()
    _, said = second.communicate(timeout=30)
    assert second.returncode == 1
    assert said.splitlines()[-1].startswith(f"bowstream: another bowstream delivers to the sinks of {tmp_path}")
    first.kill()
    first.wait(10)
    third, before = listen(), (tmp_path / "all.jsonl").read_bytes().count(b"\n")
    until(lambda: (tmp_path / "all.jsonl").read_bytes().count(b"\n") > before, 30.0)
    third.terminate()
    third.communicate(timeout=20)
    assert third.returncode == 0


def test_what_the_demo_makes_up_is_delivered_to_nobody(listen, tmp_path):
    """Nor does it keep a listener from the sinks."""
    file = tmp_path / "all.jsonl"
    demo = listen("--demo", "--json")
    for _ in range(10):
        assert demo.stdout.readline()
    assert not file.exists()
    listening = listen()
    until(lambda: file.exists() or listening.poll() is not None, 30.0)
    assert listening.poll() is None
    demo.terminate()
    _, said = demo.communicate(timeout=20)
    assert demo.returncode == 0
    assert "delivered" not in said

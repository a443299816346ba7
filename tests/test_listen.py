"""`bowstream listen` records for real, from a virtual sound card."""

import itertools
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundcard
import soundfile
from conftest import IMPATIENT, start
from signals import RATE, chirp, noise, scene

import bowstream
from bowstream.cli.main import main

pytestmark = pytest.mark.skipif(
    bool(soundcard.missing()),
    reason=f"no virtual sound card: apt install {' '.join(soundcard.missing())}",
)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    with soundcard.SoundCard(tmp_path_factory.mktemp("card")) as card:
        yield card


# Half of full scale, a power of two: exact in 16 bits.
ONSET = 0.5


class Listening:
    """A running `bowstream listen`, whose lines are read as they come."""

    def __init__(self, card, *arguments, **options):
        self.process = start("listen", *arguments, environment=card.environment, **options)
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.lines = []

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode())
        self._lines.put(None)

    def until(self, wanted):
        """Read on to the first line for which `wanted` holds, and return it; it has to come within two minutes."""
        until_s = time.monotonic() + 120.0
        while time.monotonic() < until_s and (line := self._lines.get(timeout=60)) is not None:
            self.lines.append(line)
            if wanted(line):
                return line
        if self.process.poll() is None:
            self.process.kill()
            said = [line for line in self.lines if '"hop"' not in line]
            raise AssertionError(f"it did not come: {''.join(said)}{self.process.stderr.read().decode()}")
        raise AssertionError(f"listen ended: {self.process.stderr.read().decode()}")

    def send(self, *numbers):
        for number in numbers:
            self.process.send_signal(number)

    def end(self, number=None):
        """End it with a signal, if any; return its exit status and standard error."""
        if number is not None:
            self.send(number)
        status = self.process.wait(timeout=60)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.lines.append(line)
        err = self.process.stderr.read().decode()
        assert "Traceback" not in err, err
        return status, err

    @property
    def objects(self):
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def listen(card):
    """Start listening to the card; whatever is left running is killed."""
    started = []

    def run(*arguments, card=card, **options):
        started.append(Listening(card, *arguments, **options))
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


def level(hop):
    return hop.get("health", {}).get("level_dbfs", -120.0)


def samples_of_onset(level_dbfs):
    """Return how many samples at `ONSET` a column of 1600 holds that is otherwise silent, from its level."""
    return round(1600 * 10.0 ** (level_dbfs / 10.0) / ONSET**2)


def test_what_is_heard_is_what_a_recording_of_it_gives(card, listen, tmp_path, capsys):
    """From the loudspeaker through PulseAudio, ALSA, PortAudio and the ring: the scores of replay, digit for digit."""
    sound = scene(2.0, seed=5)
    sound[:1600] = np.where(sound[:1600] < 0, -ONSET, ONSET)  # each sample as loud: the level says when it began
    listening = listen("--device", "mon", "--json", "--hop", "0.1")
    listening.until(lambda line: True)
    # PulseAudio may fade in what it begins to play: let that fall into silence.
    card.play(np.concatenate([np.zeros(RATE // 2, np.float32), sound, np.zeros(RATE, np.float32)]))
    onset = json.loads(listening.until(lambda line: level(json.loads(line)) > -100.0))
    end_s = round(onset["end_s"] + 2.5, 1)
    listening.until(lambda line: json.loads(line).get("end_s", 0.0) >= end_s)
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    assert "0.000 s lost in 0 gaps, 0 overflows" in err

    before = round(onset["end_s"] * RATE) - samples_of_onset(level(onset))
    path = tmp_path / "heard.wav"
    soundfile.write(path, np.concatenate([np.zeros(before, np.float32), sound, np.zeros(2 * RATE)]), RATE, "PCM_16")
    assert main(["replay", "--json", "--hop", "0.1", str(path)]) == 0
    replayed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def up_to_the_end(objects):
        last = next(n for n, each in enumerate(objects) if each.get("end_s") == end_s)
        heard = [each for each in objects[: last + 1] if each["type"] != "notice"]
        return [
            {key: value for key, value in each.items() if key not in ("health", "file", "time", "id")} for each in heard
        ]

    assert up_to_the_end(listening.objects) == up_to_the_end(replayed)
    assert len({json.dumps(each["scores"]) for each in listening.objects if each["type"] == "hop"}) > 20


def test_a_hop_comes_each_second_and_sigterm_ends_it(listen):
    listening = listen("--device", "mon")
    listening.until(lambda line: "2.0 s" in line)
    status, err = listening.end(signal.SIGTERM)
    assert status == 0
    hops = [line.split(" dBFS")[0].split() for line in listening.lines if "dBFS" in line]
    assert [hop[0] for hop in hops[:2]] == ["1.0", "2.0"]
    assert hops[0][2] == "-120.0"
    summary = err.splitlines()[-1]
    assert summary.startswith("bowstream: ")
    assert re.search(r" s heard, \d+ hops, \d+ events?; ", summary)


@pytest.mark.parametrize("options", [["--sample-rate", "48000", "--device", "MONST"], []], ids=" ".join)
def test_another_rate_and_the_default_device(options, card, listen):
    listening = listen("--json", "--hop", "0.1", *options)
    listening.until(lambda line: True)
    card.play(noise(1.0))
    loud = listening.until(lambda line: level(json.loads(line)) > -30.0)
    assert listening.end(signal.SIGINT)[0] == 0
    assert json.loads(loud)["health"]["lost_s"] == 0.0


def test_a_process_that_is_held_up_accounts_for_each_sample(card, listen):
    """It is one gap, as long as it was held up, and then it goes with the clock."""
    listening = listen("--device", "mon", "--json", program=IMPATIENT)
    listening.until(lambda line: True)
    began = time.monotonic()
    listening.send(signal.SIGSTOP)
    time.sleep(3.0)
    listening.send(signal.SIGCONT)
    hop = json.loads(listening.until(lambda line: json.loads(line).get("end_s", 0.0) >= 6.0))
    # No more can have been heard than time has passed since the first second.
    assert hop["end_s"] < 1.0 + time.monotonic() - began + 0.5
    gaps = [each for each in listening.objects if each["type"] == "gap"]
    assert [gap["length_s"] for gap in gaps] == pytest.approx([3.4], abs=0.6)
    hops = [each for each in listening.objects if each["type"] == "hop"]
    assert hop["health"]["gaps"] == len(gaps)
    assert hop["health"]["lost_s"] == pytest.approx(sum(gap["length_s"] for gap in gaps), abs=0.002)
    # Hops follow one another, but for the gaps and the windows that were given up at them.
    for before, after in itertools.pairwise(hops):
        between = [gap for gap in gaps if before["end_s"] <= gap["start_s"] < after["end_s"]]
        ends = [before["end_s"], *(gap["start_s"] + gap["length_s"] for gap in between)]
        assert after["start_s"] == pytest.approx(ends[-1], abs=0.002)
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    assert f"lost in {len(gaps)} gap" in err


def test_a_device_that_goes_away_is_said_in_one_line(tmp_path_factory, listen):
    with soundcard.SoundCard(tmp_path_factory.mktemp("card")) as card:  # a short path, as a socket's must be
        listening = listen("--device", "mon", "--json", card=card)
        listening.until(lambda line: True)
        card.unplug()
        status, err = listening.end()
    assert status == 1
    (line,) = err.splitlines()
    assert line.startswith("bowstream: 'mon' went away")


def test_devices_are_listed(card, bowstream):
    status, out, err = bowstream("devices", environment={**card.environment, "COLUMNS": "120"})
    assert (status, err) == (0, "")
    assert "mon " in out
    assert "ALSA" in out
    status, out, err = bowstream("devices", "--json", environment=card.environment)
    devices = [json.loads(line) for line in out.splitlines()]
    assert (status, err) == (0, "")
    assert {"mon", "monster", "default"} <= {device["name"] for device in devices}
    assert [device["name"] for device in devices if device["is_default"]] == ["default"]


@pytest.mark.parametrize(("which", "problem"), [("tape", "no input fits 'tape'"), ("mo", "'mo' fits ")])
def test_a_device_that_is_none_or_several(which, problem, card, bowstream):
    status, out, err = bowstream("listen", "--json", "--device", which, environment=card.environment)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"bowstream: {problem}")
    assert "choose one of" in line
    assert "'mon'" in line


@pytest.mark.skipif(any(Path("/proc/asound").glob("card*[0-9]")), reason="this machine has a sound card")
def test_no_device_at_all(card, tmp_path, bowstream):
    (tmp_path / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n")
    environment = {**card.environment, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"), "PULSE_SERVER": "unix:/none"}
    status, out, err = bowstream("listen", "--json", environment=environment)
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("bowstream: no microphone found: plug one in")
    status, out, err = bowstream("devices", "--json", environment=environment)
    assert (status, out) == (1, "")


def test_portaudio_missing(tmp_path, bowstream):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    environment = {"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)])}
    for command in (["listen", "--json"], ["devices"]):
        status, out, err = bowstream(*command, environment=environment, popen=subprocess.Popen)
        assert (status, out) == (1, "")
        (line,) = err.splitlines()
        assert line.startswith("bowstream: PortAudio is missing")
        assert "sudo apt install libportaudio2" in line


def test_replay_needs_no_portaudio(tmp_path, bowstream):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    soundfile.write(tmp_path / "noise.wav", noise(0.5), RATE)
    environment = {"PYTHONPATH": ":".join([str(tmp_path), *filter(None, sys.path)])}
    status, _, err = bowstream("replay", "--json", tmp_path / "noise.wav", environment=environment)
    assert (status, err) == (0, "")


def test_the_readmes_program_hears_the_microphone(card):
    readme = (Path(bowstream.__file__).parent / "README.md").read_text("utf-8")
    (program,) = (text for text in re.findall(r"```python\n(.*?)```", readme, re.S) if "Microphone" in text)
    program = program.replace("USB", "mon")
    process = subprocess.Popen(
        [sys.executable, "-uc", program], env={**os.environ, **card.environment}, stdout=subprocess.PIPE
    )
    try:
        once = np.concatenate([chirp(4.0), np.zeros(3 * RATE, np.float32)])
        card.play(np.tile(once, 20))  # until the program listens, which takes a while on a busy machine
        lines = (line.decode().strip() for line in process.stdout)
        begins = next(line for line in lines if not line.endswith("were lost"))  # on a busy machine
        assert begins in {f"{tag} begins" for tag in bowstream.Tagger.load().tags}
    finally:
        process.kill()
        process.wait()

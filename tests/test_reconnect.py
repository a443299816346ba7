"""A microphone that comes and goes: a virtual card that is unplugged."""

import gc
import itertools
import json
import os
import signal
import sys
import time
import weakref
from dataclasses import replace
from typing import ClassVar

import pytest
import soundcard
import warm
from conftest import IMPATIENT
from signals import noise
from test_listen import Listening

from bowstream._stderr import silenced
from bowstream.audio import reconnect, replug
from bowstream.audio.devices import Device
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.replug import Replugged
from bowstream.errors import DeviceAbsentError, DeviceError

needs_card = pytest.mark.skipif(bool(soundcard.missing()), reason="no virtual sound card")


@pytest.fixture
def card(tmp_path):
    with soundcard.SoundCard(tmp_path) as card:
        yield card


@pytest.fixture
def listen(card):
    """Start listening to the card with --reconnect; whatever is left running is killed."""
    started = []

    def run(*arguments):
        started.append(Listening(card, "--device", "mon", "--reconnect", *arguments, program=IMPATIENT))
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


def scored(line):
    return '"type": "hop"' in line


def notice(kind):
    return lambda line: f'"kind": "{kind}"' in line


def level(line):
    return json.loads(line).get("health", {}).get("level_dbfs", -120.0)


@needs_card
def test_unplugged_and_back_is_a_gap_of_the_real_length(card, listen):
    """Two bursts a known time apart, the card gone between them, are that far apart in the output, too."""
    listening = listen("--json", "--hop", "0.1")
    listening.until(scored)
    before = onset_of_burst(card, listening)
    card.unplug()
    away = json.loads(listening.until(notice("away")))
    assert "'mon' went away" in away["text"]
    time.sleep(1.0)
    card.plug()
    back = json.loads(listening.until(notice("back")))
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert gap["length_s"] > 1.0
    assert float(back["text"].split()[-2]) == pytest.approx(gap["length_s"], abs=0.06)  # it is told to 0.1 s
    after = onset_of_burst(card, listening)
    hop = listening.objects[-1]
    assert hop["health"]["reconnects"] == 1
    assert hop["health"]["lost_s"] == pytest.approx(gap["length_s"], abs=0.001)
    # A burst is found to the column of 0.1 s.
    assert after[1] - before[1] == pytest.approx(after[0] - before[0], abs=0.2)
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    assert sum("waiting for it" in line for line in err.splitlines()) >= 1


def onset_of_burst(card, listening):
    """Play noise; return when, by our clock and by the stream's."""
    while level(listening.until(scored)) > -60.0:
        pass
    card.play(noise(0.5))
    hop = json.loads(listening.until(lambda line: level(line) > -30.0))
    return time.monotonic(), hop["end_s"]


@needs_card
def test_absent_at_the_start_is_waited_for(card, listen):
    card.unplug()
    listening = listen("--json")
    away = json.loads(listening.until(notice("away")))
    assert away["at_s"] == 0.0
    assert "no microphone found" in away["text"]
    card.plug()
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert gap["start_s"] == 0.0
    hop = json.loads(listening.until(scored))
    assert hop["start_s"] == pytest.approx(gap["length_s"], abs=0.002)
    assert listening.end(signal.SIGTERM)[0] == 0


@needs_card
def test_a_server_that_hangs_is_waited_for(card, listen):
    """It can neither be read nor closed; when it goes on, so do we."""
    listening = listen("--json")
    listening.until(scored)
    card._server.send_signal(signal.SIGSTOP)
    listening.until(notice("away"))
    time.sleep(1.5)  # it is looked for, which hangs, too
    card._server.send_signal(signal.SIGCONT)
    listening.until(notice("back"))
    listening.until(scored)
    assert listening.end(signal.SIGINT)[0] == 0


@needs_card
def test_it_can_be_ended_while_the_microphone_is_away(card, listen):
    listening = listen("--json")
    listening.until(scored)
    card.unplug()
    listening.until(notice("away"))
    status, err = listening.end(signal.SIGTERM)
    assert status == 0
    assert "bowstream: 'mon' went away" in err


class Clock:
    """A clock that only sleep moves."""

    def __init__(self):
        self.now_s = 0.0

    def steady_s(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def test_the_longer_it_is_away_the_rarer_the_looks(monkeypatch):
    """Each starts a process. One that is plugged in again at once is found at once."""
    clock, looks = Clock(), []

    def look(self):
        looks.append(clock.now_s)
        yield None
        return ""

    def absent(*_):
        raise DeviceAbsentError("it is not there")

    monkeypatch.setattr(Replugged, "_tried", look)
    monkeypatch.setattr(replug, "Microphone", absent)
    monkeypatch.setattr(replug, "load_sounddevice", lambda: None)
    monkeypatch.setattr(reconnect, "time", clock)
    monkeypatch.setattr(reconnect, "steady_s", clock.steady_s)
    for _ in Reconnecting(Replugged("usb:1:2")):
        if clock.now_s > 7200.0:
            break
    assert [each for each in looks if each <= 60.0] == [5.0 * number for number in range(1, 13)]
    waits = [after - before for before, after in itertools.pairwise(looks)]
    assert waits == pytest.approx(sorted(waits))
    assert sum(each <= 360.0 for each in looks) < 40
    assert waits[-100:] == pytest.approx(100 * [30.0])


def test_the_same_reason_is_said_once(monkeypatch):
    """And another reason is said anew; each look is another process's."""
    reasons = iter(["it is not there", "", "it is busy", "it is busy", "", None])

    def look(self):
        yield None
        return next(reasons)

    def absent(*_):
        raise DeviceError("it is not there")

    class Opened(Exception):
        pass

    def opened():
        raise Opened

    monkeypatch.setattr(Replugged, "_tried", look)
    monkeypatch.setattr(replug, "Microphone", absent)
    monkeypatch.setattr(replug, "refresh", opened)
    monkeypatch.setattr(replug, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(replug, "load_sounddevice", lambda: None)
    said = []
    with pytest.raises(Opened):
        for heard in Reconnecting(Replugged("usb:1:2")):
            said += [heard.text] if heard else []
    assert said == ["it is not there; waiting for it", "it is busy; waiting for it"]


class Coming:
    """A microphone that delivers for a moment, then goes away; or that does not deliver at all."""

    opened: ClassVar[list[bool]] = []
    there: ClassVar[weakref.WeakSet] = weakref.WeakSet()
    clipped, overflows, closed, name, handed_on_s, route = 0, 0, True, "mic", None, None

    def __init__(self, *_):
        delivers = Coming.opened.pop(0)
        self.began_s = 0.0 if delivers else None
        self.device = DEVICE
        self.stream = self  # which refers to it
        Coming.there.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        yield None
        raise DeviceAbsentError("it went away")


DEVICE = Device(1, "mic: USB Audio (hw:1,0)", "ALSA", 1, 48_000, False, ("usb:1:2", "card:mic"))
ANOTHER = replace(DEVICE, ids=("usb:3:4", "card:mic"))


@pytest.fixture
def coming(monkeypatch):
    """`coming(delivers, device=DEVICE)` listens to one stream after the other, and counts PortAudio's starts.

    `delivers` says of each stream whether it does, `device` is what PortAudio lists in the end.
    """

    def found(self):
        yield None

    def listen(delivers, device=DEVICE):
        refreshes = []
        monkeypatch.setattr(Coming, "opened", list(delivers))
        monkeypatch.setattr(Replugged, "_tried", found)
        monkeypatch.setattr(replug, "Microphone", Coming)
        monkeypatch.setattr(replug, "list_devices", lambda: [device])
        monkeypatch.setattr(replug, "refresh", lambda: refreshes.append(True))
        monkeypatch.setattr(replug, "LOOK_EVERY_S", 0.0)
        monkeypatch.setattr(replug, "load_sounddevice", lambda: None)
        for _ in Reconnecting(Replugged("usb:1:2")):
            if not Coming.opened:
                break
        return len(refreshes)

    return listen


def test_portaudio_is_started_anew_only_when_its_list_does_not_hold(coming):
    """Starting it anew leaks."""
    assert coming([True] * 4) == 0
    assert coming([True] * 4, device=ANOTHER) == 3
    assert coming([True, False, True, True]) == 1


def test_a_stream_that_ended_is_let_go_of_at_once(coming):
    """Its ring is large, and Python's collector rarely comes by."""
    gc.disable()
    try:
        coming([True] * 10)
        assert len(Coming.there) <= 1
    finally:
        gc.enable()


ASKED_MEANWHILE = """
import threading
from bowstream.audio.device_stream import refresh
from bowstream.audio.microphone import Microphone

answers, done = set(), threading.Event()
with Microphone("mon") as microphone:
    def ask():
        while not done.is_set():
            try:
                answers.add(microphone._stream.active)
            except Exception as error:
                answers.add(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(5):
        refresh()
    done.set()
    asking.join()
print(answers)
"""


@needs_card
def test_a_microphone_is_there_all_the_time_that_portaudio_looks_anew(card):
    """Its own thread asks while another thread closes its stream and opens it again."""
    command = [sys.executable, "-c", ASKED_MEANWHILE]
    done = warm.run(command, env={**os.environ, **card.environment}, text=True)
    assert (done.stdout, done.returncode) == ("{True}\n", 0), done.stderr


def test_standard_error_is_there_again_in_whatever_order_threads_let_go_of_it(capfd):
    outer, inner = silenced(), silenced()
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    os.write(2, b"dropped\n")
    inner.__exit__(None, None, None)
    os.write(2, b"there\n")
    assert capfd.readouterr().err == "there\n"

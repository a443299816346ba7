"""A microphone that comes and goes: a virtual card that is unplugged, and PortAudio's flags and clocks."""

import json
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundcard
from signals import noise
from test_listen import Listening

from bowstream import reconnect
from bowstream.errors import DeviceError
from bowstream.frontend import FrontEnd
from bowstream.microphone import Microphone
from bowstream.reconnect import PatientMicrophone

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
        started.append(Listening(card, "--device", "mon", "--reconnect", *arguments))
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


def notice(kind):
    return lambda line: f'"kind": "{kind}"' in line


def level(line):
    return json.loads(line).get("health", {}).get("level_dbfs", -120.0)


@needs_card
def test_unplugged_and_back_is_a_gap_of_the_real_length(card, listen):
    """Two bursts a known time apart, the card gone between them, are that far apart in the output, too."""
    listening = listen("--json", "--hop", "0.1")
    listening.until(lambda line: True)
    before = onset_of_burst(card, listening)
    card.unplug()
    away = json.loads(listening.until(notice("away")))
    assert "'mon' went away" in away["text"]
    time.sleep(2.0)
    card.plug()
    back = json.loads(listening.until(notice("back")))
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert gap["length_s"] > 2.0
    assert f"after {gap['length_s']:.1f} s" in back["text"]
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
    while level(listening.until(lambda line: '"type": "hop"' in line)) > -60.0:
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
    hop = json.loads(listening.until(lambda line: '"type": "hop"' in line))
    assert hop["start_s"] == pytest.approx(gap["length_s"], abs=0.002)
    assert listening.end(signal.SIGTERM)[0] == 0


@needs_card
def test_a_server_that_hangs_is_waited_for(card, listen):
    """It can neither be read nor closed; when it goes on, so do we."""
    listening = listen("--json")
    listening.until(lambda line: True)
    card._server.send_signal(signal.SIGSTOP)
    listening.until(notice("away"))
    time.sleep(3.0)
    card._server.send_signal(signal.SIGCONT)
    listening.until(notice("back"))
    listening.until(lambda line: '"type": "hop"' in line)
    assert listening.end(signal.SIGINT)[0] == 0


@needs_card
def test_it_can_be_ended_while_the_microphone_is_away(card, listen):
    listening = listen("--json")
    listening.until(lambda line: True)
    card.unplug()
    listening.until(notice("away"))
    status, err = listening.end(signal.SIGTERM)
    assert status == 0
    assert "bowstream: 'mon' went away" in err


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

    monkeypatch.setattr(PatientMicrophone, "_look", look)
    monkeypatch.setattr(reconnect, "Microphone", absent)
    monkeypatch.setattr(reconnect, "refresh", opened)
    monkeypatch.setattr(reconnect, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(reconnect, "load_sounddevice", lambda: None)
    said = []
    with pytest.raises(Opened):
        for heard in PatientMicrophone("usb:1:2", FrontEnd()):
            said += [heard.text] if heard else []
    assert said == ["it is not there; waiting for it", "it is busy; waiting for it"]


# What PortAudio drops


class Stream(Microphone):
    """A microphone whose callback a test calls: blocks of 160 frames, 10 ms, at a pretended time."""

    def __init__(self, monkeypatch):
        super(Microphone, self).__init__("stream", 16_000, 1, FrontEnd())
        self._began_s, self._next_captured_s, self._late_from_s, self._owed = None, 0.0, None, 0
        self.now_s = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def deliver(self, blocks, every_s=0.01, age_s=0.03, overflow=False):
        """Deliver blocks that come one after the other, each captured so long before."""
        for _ in range(blocks):
            self.now_s += every_s
            when = SimpleNamespace(currentTime=self.now_s + 7.0, inputBufferAdcTime=self.now_s - age_s + 7.0)
            self._callback(np.zeros((160, 1), np.float32), 160, when, SimpleNamespace(input_overflow=overflow))
            overflow = False

    @property
    def lost(self):
        """Frames that were marked as missing so far."""
        return self._ring.elapsed - self._ring.written


def test_an_overflow_is_as_long_as_its_time_of_capture_tells(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 0.123
    stream.deliver(100, overflow=True)
    assert stream.lost == pytest.approx(0.123 * 16_000, abs=16)
    assert stream.overflows == 1


def test_several_overflows_add_up(monkeypatch):
    stream = Stream(monkeypatch)
    for _ in range(20):
        stream.deliver(10)
        stream.now_s += 0.05
        stream.deliver(1, overflow=True)
    assert stream.lost == pytest.approx(1.0 * 16_000, abs=160)
    assert stream.overflows == 20


def test_a_pause_that_nobody_flags_is_lost_too(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 2.0
    stream.deliver(100)
    assert stream.lost == 0
    stream.deliver(2)
    assert stream.lost == pytest.approx(2.0 * 16_000, abs=16)
    stream.deliver(1000)
    assert stream.lost == pytest.approx(2.0 * 16_000, abs=16)
    assert stream.overflows == 0


def test_blocks_that_are_late_are_not_lost(monkeypatch):
    """A stopped process finds all of them at once."""
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 3.0
    stream.deliver(300, every_s=0.0)
    stream.deliver(500)
    assert stream.lost == 0


def test_what_was_counted_as_dropped_is_not_heard_when_it_comes_after_all(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 5.0
    stream.deliver(110)  # late for more than a second: 5 s are given up
    stream.deliver(500, every_s=0.0)
    stream.deliver(100)
    assert stream.lost == pytest.approx(5.0 * 16_000, abs=16)
    assert stream._ring.elapsed == pytest.approx((1.0 + 5.0 + 1.1 + 1.0) * 16_000, abs=320)


def test_a_clock_that_is_wrong_is_no_loss(monkeypatch):
    """PulseAudio's time of capture slides by most of a second while nothing is missing."""
    stream = Stream(monkeypatch)
    for age in range(70, 0, -1):
        stream.deliver(1, age_s=age / 100)
    stream.deliver(100, age_s=0.03)
    stream.deliver(1, age_s=0.03, overflow=True)
    assert stream.lost == 0


def test_a_drifting_clock_is_no_loss(monkeypatch):
    """200 parts in a million for an hour, then an overflow of nothing."""
    stream = Stream(monkeypatch)
    for _ in range(360):
        stream.deliver(1000)
        stream.now_s += 0.002
    stream.deliver(1, overflow=True)
    assert stream.lost < 0.005 * 16_000

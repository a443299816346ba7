"""What the callback makes of late, missing and belated blocks, with a clock of our own."""

from types import SimpleNamespace

import numpy as np
import pytest

from bowstream._types import FORMAT
from bowstream.audio import device_stream, microphone
from bowstream.audio.microphone import Microphone
from bowstream.audio.timeline import Punctuality

RATE, BLOCK = 16_000, 512
BLOCK_S = BLOCK / RATE


@pytest.fixture
def heard(monkeypatch, front_end):
    """A microphone without PortAudio: `heard(at_s, captured_s=None, overflow=False)` hands it a block."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(microphone, "steady_s", lambda: clock.now_s)
    monkeypatch.setattr(microphone, "load_sounddevice", lambda: None)
    monkeypatch.setattr(device_stream, "load_sounddevice", lambda: SimpleNamespace(_exit_handler=lambda: None))
    device = SimpleNamespace(name="test", native_rate=RATE, channels=1, index=0)
    monkeypatch.setattr(microphone, "find_device", lambda *_: device)
    monkeypatch.setattr(microphone, "list_devices", lambda: [])
    monkeypatch.setattr(Microphone, "_accepted", lambda self, rates, format: (RATE, 1))
    mic = Microphone(None, front_end.format)

    def block(at_s, captured_s=None, overflow=False):
        clock.now_s = at_s
        when = SimpleNamespace(
            currentTime=at_s, inputBufferAdcTime=at_s - BLOCK_S if captured_s is None else captured_s
        )
        mic._callback(np.zeros((BLOCK, 1), np.float32), BLOCK, when, SimpleNamespace(input_overflow=overflow))
        return mic

    return block


def position_s(mic):
    """How far the stream has come, in seconds, heard and lost."""
    return mic._ring.elapsed / RATE


def missing_s(mic):
    return position_s(mic) - mic._ring.written / RATE


def test_punctual_blocks_lose_nothing(heard):
    for index in range(1, 500):
        mic = heard(index * BLOCK_S)
    assert missing_s(mic) == 0.0
    assert position_s(mic) == pytest.approx(499 * BLOCK_S)


@pytest.mark.parametrize("overflow", [True, False])
def test_what_was_dropped_is_counted_once(overflow, heard):
    for index in range(1, 100):
        heard(index * BLOCK_S)
    for index in range(100, 200):
        mic = heard(index * BLOCK_S + 2.0, overflow=overflow and index == 100)
    assert missing_s(mic) == pytest.approx(2.0, abs=1e-3)
    assert position_s(mic) == pytest.approx(199 * BLOCK_S + 2.0, abs=1e-3)


def test_late_blocks_that_say_when_they_were_captured_are_kept(heard):
    """Held up for 2 s, then all at once."""
    for index in range(1, 100):
        heard(index * BLOCK_S)
    for index in range(100, 300):
        captured_s = (index - 1) * BLOCK_S
        mic = heard(max(99 * BLOCK_S + 2.0, index * BLOCK_S), captured_s)
    assert missing_s(mic) == 0.0
    assert position_s(mic) == pytest.approx(299 * BLOCK_S)


def test_late_blocks_that_claim_to_be_new_do_not_put_the_stream_ahead_of_the_clock(heard):
    """PulseAudio's do: what was only held up is heard, once, and nothing is counted as lost."""
    for index in range(1, 100):
        heard(index * BLOCK_S)
    for index in range(100, 400):
        at_s = max(99 * BLOCK_S + 2.0, index * BLOCK_S)
        mic = heard(at_s)
        assert position_s(mic) <= at_s + BLOCK_S
    assert position_s(mic) == pytest.approx(399 * BLOCK_S, abs=2 * BLOCK_S)
    assert missing_s(mic) == 0.0


class Stream(Microphone):
    """A microphone whose callback a test calls: blocks of 160 frames, 10 ms, at a pretended time."""

    def __init__(self, monkeypatch):
        super(Microphone, self).__init__("stream", 16_000, 1, FORMAT)
        self._punctuality = Punctuality(microphone.LATE_S, microphone.LATE_FOR_S)
        self._next_captured_s, self._owed = 0.0, 0
        self._last_block_s, self._pour = 0.0, None
        self.now_s = 100.0
        monkeypatch.setattr(microphone, "steady_s", lambda: self.now_s)
        monkeypatch.setattr("bowstream.audio.stream.steady_s", lambda: self.now_s)

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


@pytest.mark.parametrize("asleep_s", [4.0, 30.0, 8 * 3600.0])
@pytest.mark.parametrize("kept_s", [0.0, 2.0, 12.0], ids="{}s kept".format)
def test_to_be_held_up_or_asleep_is_one_gap_that_ends_at_the_present(asleep_s, kept_s, monkeypatch):
    """Nothing of what the sound server kept meanwhile is taken for the present, though it comes with pauses."""
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += asleep_s
    for _ in range(round(kept_s * 10)):
        stream.deliver(10, every_s=0.0005)
        stream.now_s += 0.015
    stream.deliver(1000)
    assert len(stream._ring._skips) == 1
    (at, skipped), began_s = stream._ring._skips[0], 100.0
    assert at == 16_000
    assert skipped / 16_000 == pytest.approx(asleep_s + kept_s * 0.2 + 0.25, abs=0.3)
    assert stream._ring.elapsed / 16_000 == pytest.approx(stream.now_s - began_s, abs=0.02)


def test_what_was_counted_as_dropped_is_not_heard_when_it_comes_after_all(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 2.5
    stream.deliver(110)  # late for more than a second: 2.5 s are given up
    stream.deliver(250, every_s=0.0)
    stream.deliver(100)
    assert stream.lost == pytest.approx(2.5 * 16_000, abs=16)
    assert stream._ring.elapsed == pytest.approx((1.0 + 2.5 + 1.1 + 1.0) * 16_000, abs=320)


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

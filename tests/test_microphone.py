"""What the callback makes of late, missing and belated blocks, with a clock of our own."""

from types import SimpleNamespace

import numpy as np
import pytest

from bowstream import microphone
from bowstream.microphone import Microphone

RATE, BLOCK = 16_000, 512
BLOCK_S = BLOCK / RATE


@pytest.fixture
def heard(monkeypatch, front_end):
    """A microphone without PortAudio: `heard(at_s, captured_s=None, overflow=False)` hands it a block."""
    clock = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr(microphone, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    monkeypatch.setattr(microphone, "load_sounddevice", lambda: None)
    device = SimpleNamespace(name="test", native_rate=RATE, channels=1, index=0)
    monkeypatch.setattr(microphone, "find_device", lambda *_: device)
    monkeypatch.setattr(microphone, "list_devices", lambda: [])
    monkeypatch.setattr(Microphone, "_accepted", lambda self, rates: (RATE, 1))
    mic = Microphone(None, front_end)

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

"""Channels that cancel each other are not silence; of all others the mean is taken, to the last bit."""

import json

import numpy as np
import pytest
from signals import blocks, noise, scene, stereo
from test_replay import of_kind, write

from bowstream._types import FORMAT
from bowstream.audio.convert import Converter
from bowstream.audio.mix import Mixer, to_mono

SIZES = (1, 17, 509, 4_800, 100_000)


def mixed(frames, size, rate=16_000):
    """Return what comes out of a mixer, and for how long channels cancelled."""
    mixer = Mixer(rate)
    parts = [mixer.push(block) for block in blocks(frames, size)]
    return np.concatenate([*parts, mixer.finish()]), mixer.cancelled_s


def antiphase(sound, share=1.0):
    return np.stack([sound, -share * sound], axis=1).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_ordinary_stereo_is_the_mean_to_the_last_bit(size):
    length_s = 1.23 if size > 1 else 0.23  # a call a sample takes its time
    sound = scene(length_s)
    for frames in (
        stereo(sound),
        np.stack([sound, np.zeros_like(sound)], axis=1),
        np.stack([noise(length_s, seed=1), noise(length_s, seed=2)], axis=1),
        np.stack([noise(length_s, seed=seed) for seed in range(6)], axis=1),
        antiphase(sound, 0.5),
        np.zeros((20_000 if size > 1 else 2_000, 2), np.float32),
    ):
        samples, cancelled_s = mixed(frames, size)
        assert np.array_equal(samples, to_mono(frames)) and cancelled_s == 0.0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [1.0, 0.95, 1.05])
def test_what_cancels_is_heard_from_the_loudest_channel(share, size):
    length_s = 1.23 if size > 1 else 0.33
    frames = antiphase(scene(length_s), share)
    samples, cancelled_s = mixed(frames, size)
    assert np.array_equal(samples, frames[:, int(share > 1.0)])
    assert cancelled_s == pytest.approx(length_s)


def test_a_constant_that_both_have_in_common_hides_nothing():
    frames = antiphase(noise(1.0)) + np.float32(0.3)
    assert np.array_equal(mixed(frames, 509)[0], frames[:, 0])


@pytest.mark.parametrize("count", [1, 5, 799, 800, 801])
def test_a_very_short_sound(count):
    frames = antiphase(noise(1.0)[:count])
    assert np.array_equal(mixed(frames, 17)[0], frames[:, 0] if count > 1 else to_mono(frames))


def test_it_is_left_within_a_second_or_two_and_without_regard_to_blocks():
    """From one way of hearing to the other: segments, not blocks, decide where."""
    frames = np.concatenate([stereo(noise(2.0)), antiphase(noise(3.0, seed=3)), stereo(noise(4.0, seed=4))])
    whole, cancelled_s = mixed(frames, len(frames))
    assert 2.0 < cancelled_s < 5.0
    for size in SIZES[1:]:
        assert np.array_equal(mixed(frames, size)[0], whole)
    assert np.array_equal(whole[:32_000], to_mono(frames[:32_000]))
    assert np.array_equal(whole[-32_000:], to_mono(frames[-32_000:]))
    assert np.array_equal(whole[4 * 16_000 : 5 * 16_000], frames[4 * 16_000 : 5 * 16_000, 0])


def test_a_new_stream_and_a_gap_know_nothing_of_before():
    converter, frames = Converter("test", 16_000, FORMAT, 1), stereo(scene(1.0))
    fresh = converter.push(frames)
    for forget in (converter.reset, lambda: converter.gap(100)):
        converter.push(antiphase(scene(2.0)))
        forget()
        assert all(np.array_equal(one, two) for one, two in zip(converter.push(frames), fresh))


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_recording_out_of_phase_is_heard_and_it_is_said(rate, tmp_path, replayed):
    sound = scene(2.5, rate)
    _, wanted, _ = replayed(write(tmp_path / "mono.wav", sound, rate))
    path = write(tmp_path / "antiphase.wav", antiphase(sound), rate)
    status, objects, err = replayed(path)
    assert status == 0
    assert err == (
        f"bowstream: {path}: its channels cancel each other (out of phase): the loudest is heard alone, "
        "for 2.5 s of 2.5 s\n"
    )
    assert [hop["scores"] for hop in of_kind(objects, "hop")] == [hop["scores"] for hop in of_kind(wanted, "hop")]
    assert "cancel" in of_kind(objects, "file")[0]["notes"][0]


def test_played_at_its_own_pace_it_is_said_too(tmp_path, bowstream):
    path = write(tmp_path / "antiphase.wav", antiphase(scene(1.4)))
    status, out, _ = bowstream("replay", "--json", "--realtime", path)
    (notice,) = of_kind([json.loads(line) for line in out.splitlines()], "notice")
    assert status == 0 and notice["kind"] == "phase" and "cancel" in notice["text"]

"""What is done to clips before they are heard again, against what the words say."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")

from train.dataset.data import Split
from train.dataset.negatives import Negative
from train.measure.evaluate import scores_of
from train.measure.robust import CHANGES, PHONE_HZ, Change, with_negative
from train.measure.trial import Trial

RATE = 16_000


@pytest.fixture(scope="module")
def samples():
    t = np.arange(4 * RATE) / RATE
    sound = 0.1 * np.sin(2 * np.pi * 1000 * t) + 0.01 * np.random.default_rng(0).standard_normal(len(t))
    return (np.rint(sound * 32768) / 32768).astype(np.float32)


def changed(change, samples, front_end):
    return np.concatenate(list(change(samples, front_end)))


def test_no_change_is_none(samples, front_end):
    assert np.array_equal(changed(Change("none"), samples, front_end), samples)


def test_gain_is_in_decibels_and_clips_at_full_scale(samples, front_end):
    fainter = changed(Change("fainter", gain_db=-20.0), samples, front_end)
    np.testing.assert_allclose(fainter, samples / 10, atol=1 / 32768)
    assert np.abs(changed(Change("louder", gain_db=40.0), samples, front_end)).max() == 1.0


@pytest.mark.parametrize("snr_db", [20.0, 0.0])
@pytest.mark.parametrize("recorded", [False, True])
def test_noise_has_the_power_that_is_asked_for(tmp_path, samples, front_end, snr_db, recorded):
    path = tmp_path / "hum.wav"
    soundfile.write(path, 0.01 * np.sin(2 * np.pi * 50 * np.arange(RATE) / RATE), RATE, "FLOAT")
    change = Change("noise", snr_db=snr_db, noise=Negative(path, "hum", 0, "its hash") if recorded else None)
    noise = changed(change, samples, front_end).astype(float) - samples
    assert 10 * np.log10(np.mean(samples.astype(float) ** 2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.1)
    assert np.array_equal(changed(change, samples, front_end) - samples, noise.astype(np.float32))


def test_nothing_is_left_outside_of_a_telephone_s_band(samples, front_end):
    left = changed(Change("phone", band_hz=PHONE_HZ), samples, front_end)
    power, hz = np.abs(np.fft.rfft(left)) ** 2, np.fft.rfftfreq(len(left), 1 / RATE)
    inside = (hz >= PHONE_HZ[0]) & (hz <= PHONE_HZ[1])
    assert power[~inside].sum() < 1e-4 * power.sum()
    assert power.sum() == pytest.approx((np.abs(np.fft.rfft(samples)) ** 2)[inside].sum(), rel=1e-3)


def test_another_rate_comes_back_as_it_was(samples, front_end):
    again = changed(Change("copy", rate_hz=48_000), samples, front_end)
    assert len(again) == len(samples)
    inner = slice(1000, -1000)
    assert np.abs(again - samples)[inner].max() < 0.02 * np.abs(samples).max() + 0.01


def test_what_is_mixed_in_is_a_recording_that_the_model_does_not_know_and_that_has_no_tag():
    kinds = [
        ("kitchen", 0, False, {"rain"}),
        ("made hum", 0, True, ()),
        ("music", 0, False, ()),
        ("speech", 1, False, ()),
    ]
    negatives = [Negative(Path(kind), kind, part, kind, made, frozenset(may)) for kind, part, made, may in kinds]
    for part, kind in ((0, "music"), (1, "speech")):
        trial = Trial(Split("fold", None, None, part), None, None, None)
        assert with_negative(negatives, trial).noise.content == kind


def test_every_change_goes_through_the_device_s_path(tmp_path, samples, bundle_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, RATE)
    plain = scores_of(str(bundle_path), path)
    assert np.array_equal(scores_of(str(bundle_path), path, Change("none")), plain)
    for change in CHANGES:
        windows = round((len(plain) - 1) / change.hop_s) + 1
        assert scores_of(str(bundle_path), path, change).shape == (windows, plain.shape[1]), change.name

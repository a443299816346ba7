import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rounding import log_mel_bounds
from signals import chirp, noise, on_grid, scene, straight_log_mel, tone

from bowstream.errors import BundleError
from bowstream.model.front_end import FrontEnd
from bowstream.model.log_mel import LogMel, fold_filterbank, hz_to_mel, mel_filterbank, mel_to_hz

SIXTY_DB = 60.0 * np.log(10.0) / 10.0

SOUNDS = {
    "scene": scene(2.0),
    "noise": noise(2.0),
    "faint noise": noise(2.0, level=1e-4),
    "tone": tone(2.0),
    "tone at full scale over faint noise": on_grid(tone(2.0, 1000.0, 0.99) + noise(2.0, 1e-4)),
    "chirp": chirp(2.0),
    "square at full scale": np.where(tone(2.0, 100.0) >= 0, 1.0, -1.0).astype(np.float32),
    "click": np.eye(1, 32_000, 8_000, dtype=np.float32)[0],
    "silence": np.zeros(32_000, np.float32),
    "constant": np.full(32_000, 0.5, np.float32),
}


def straight(sound, front_end):
    return straight_log_mel(sound, mel_filterbank(front_end), front_end)


@pytest.mark.parametrize("name", SOUNDS)
def test_log_mel_is_the_straight_computation(name, front_end):
    log_mel = LogMel(front_end).push(SOUNDS[name])
    least, most = log_mel_bounds(SOUNDS[name], front_end)
    assert log_mel.shape == least.shape
    assert (least <= log_mel).all() and (log_mel <= most).all()


@pytest.mark.parametrize("name", SOUNDS)
def test_rounding_is_small(name, front_end):
    """In the upper 60 dB of a frame, all that the level scale lets through; white noise shows what is usual."""
    exact, (least, most) = straight(SOUNDS[name], front_end), log_mel_bounds(SOUNDS[name], front_end)
    upper = exact >= exact.max(axis=1, keepdims=True) - SIXTY_DB
    widest = np.maximum(most - exact, exact - least)[upper].max()
    assert widest <= (2e-3 if name in ("noise", "faint noise") else 0.11)


def test_straight_computation_is_librosas(reference, front_end):
    samples = reference["samples"].astype(np.float32) / np.float32(32768.0)
    # The reference is kept as float32: half a unit in the last place of 23.
    np.testing.assert_allclose(straight(samples, front_end), reference["log_mel"], rtol=0, atol=1e-6)


@pytest.mark.timeout(400)  # the first call compiles for a minute, where there is little to do it with
def test_straight_computation_is_librosas_live(front_end):
    pytest.importorskip("librosa", reason="librosa is not installed; the stored reference is checked instead")
    from reference.make import librosa_log_mel

    for sound in SOUNDS.values():
        np.testing.assert_allclose(straight(sound, front_end), librosa_log_mel(sound), rtol=0, atol=1e-8)


def test_filterbank_is_librosas(reference, front_end):
    # Both are float64 and differ in the order of a few operations.
    np.testing.assert_allclose(mel_filterbank(front_end), reference["filterbank"], rtol=1e-9, atol=1e-15)


def test_filterbank_is_librosas_live(front_end):
    pytest.importorskip("librosa", reason="librosa is not installed; the stored reference is checked instead")
    from reference.make import librosa_filterbank

    np.testing.assert_allclose(mel_filterbank(front_end), librosa_filterbank(), rtol=1e-9, atol=1e-15)


def test_filterbank_covers_all_of_the_spectrum(front_end):
    filterbank = mel_filterbank(front_end)
    assert filterbank.shape == (1025, 96)
    assert (filterbank >= 0).all()
    assert (filterbank.sum(axis=0) > 0).all()  # no empty band
    assert (filterbank[1:-1].sum(axis=1) > 0).all()  # no deaf bin


def test_mel_scale_there_and_back():
    hz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 7999.0])
    np.testing.assert_allclose(mel_to_hz(np.array([hz_to_mel(value) for value in hz])), hz, rtol=1e-12)


def test_fold_loses_nothing(front_end):
    """In float64 the folded weights on 1024 points give what the filterbank gives on 2048."""
    filterbank = mel_filterbank(front_end)
    folded = fold_filterbank(filterbank, front_end.win_length)
    assert folded.shape == (513, 96)
    frames = np.random.default_rng(0).standard_normal((50, front_end.win_length))
    long = np.abs(np.fft.rfft(frames, 2048)) ** 2 @ filterbank
    short = np.abs(np.fft.rfft(frames, 1024)) ** 2 @ folded
    np.testing.assert_allclose(short, long, rtol=1e-9)


def test_fold_keeps_weights_near_their_band(front_end):
    """Else rounding in a loud band would drown a faint one far from it."""
    filterbank = mel_filterbank(front_end)
    folded = fold_filterbank(filterbank, front_end.win_length)
    centres = filterbank.argmax(axis=0) / 2
    far = np.abs(np.arange(513)[:, None] - centres) > 150
    assert np.abs(folded)[far].max() < 2e-4 * np.abs(folded).max()  # 2.8e-4 with a sharp edge


@given(columns=st.lists(st.integers(0, 7), max_size=8))
def test_stream_is_whole_bit_for_bit(columns):
    front_end = FrontEnd()
    sound = scene(0.1 * sum(columns))
    whole = LogMel(front_end).push(sound)
    stream, parts, start = LogMel(front_end), [np.empty((0, 96), np.float32)], 0
    for count in columns:
        parts.append(stream.push(sound[start : start + 1600 * count]))
        start += 1600 * count
    assert whole.shape == (10 * sum(columns), 96)
    assert np.array_equal(np.concatenate(parts), whole)


def test_silence_is_the_floor(front_end):
    log_mel = LogMel(front_end).push(np.zeros(3200, np.float32))
    assert log_mel.dtype == np.float32
    np.testing.assert_array_equal(log_mel, np.float32(np.log(np.float32(1e-10))))


def test_frames_are_causal(front_end):
    """Frame t ends at sample 160 * (t + 1): a click at sample 800 is first heard in frame 5."""
    click = np.zeros(3200, np.float32)
    click[800] = 1.0
    heard = np.flatnonzero((LogMel(front_end).push(click) > np.log(1e-10) + 1).any(axis=1))
    assert heard.tolist() == [5, 6]  # in frame 7 it would be the window's first sample, which Hann sets to 0


def test_pushed_samples_are_neither_kept_nor_changed(front_end):
    log_mel, sound = LogMel(front_end), scene(0.2)
    before = sound.copy()
    first = log_mel.push(sound[:1600])
    kept = first.copy()
    log_mel.push(sound[1600:])
    assert np.array_equal(sound, before)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(1599, np.float32),
        np.zeros(1, np.float32),
        np.zeros(1600),
        np.zeros(1600, np.int16),
        np.zeros((1, 1600), np.float32),
    ],
    ids=lambda samples: f"{samples.dtype}{samples.shape}",
)
def test_anything_but_whole_float32_columns_is_refused(samples, front_end):
    with pytest.raises(ValueError, match=r"samples must be float32 in columns of 1600 \(got"):
        LogMel(front_end).push(samples)


def test_sizes(front_end):
    assert (front_end.column_length, front_end.window_length, front_end.frames_per_window) == (1600, 16_000, 100)
    assert front_end.column_s == 0.1


@pytest.mark.parametrize(
    "parameters",
    [{"win_length": 481}, {"win_length": 640}, {"fmax_hz": 8001.0}, {"fmin_hz": -1.0}, {"fmin_hz": 9000.0}],
    ids=str,
)
def test_senseless_parameters_are_refused(parameters):
    with pytest.raises(BundleError, match="must be"):
        FrontEnd(**parameters)

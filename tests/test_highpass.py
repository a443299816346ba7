import numpy as np
import pytest
from signals import chirp, noise, scene, tone

from bowstream.errors import BundleError
from bowstream.model.front_end import FrontEnd
from bowstream.model.highpass import STOP_DB, HighPass, recur, sections
from bowstream.model.log_mel import LogMel

EDGE_HZ, RATE, COLUMN = 61.0, 16_000, 1600
FILTERED = FrontEnd(highpass_hz=EDGE_HZ, fmin_hz=100.0)
# Of the peak, whatever the processor: sums of up to 290 float32 terms that come to 3 peaks round by √290 · 2⁻²⁴ of it.
ROUNDING = 3e-6
EVERYWHERE_HZ = [0.0, 5.0, 20.0, 49.8, 50.0, 55.0, 60.0, 60.5]


def gain(edge_hz, hz, rate=RATE):
    z = np.exp(-2j * np.pi * np.asarray(hz) / rate)
    result = np.ones_like(z)
    for b0, b1, b2, a0, a1, a2 in sections(edge_hz, rate):
        result *= (b0 + b1 * z + b2 * z**2) / (a0 + a1 * z + a2 * z**2)
    return np.abs(result)


def hum(hz, seconds, phase=1.0):
    """Full scale, in float64; DC at 0 Hz."""
    times = np.arange(round(seconds * RATE)) / RATE
    return np.cos(2 * np.pi * hz * times + phase) if hz else np.ones(len(times))


def straight(samples, edge_hz=EDGE_HZ):
    """The recursion, from rest."""
    sos = sections(edge_hz, RATE)
    return recur(sos, samples.astype(np.float64)[:, np.newaxis], np.zeros((len(sos), 2, 1)))[:, 0]


def filtered(samples, edge_hz=EDGE_HZ, column=COLUMN):
    """What the products make of samples: from rest, too, since what they begin after is next to nothing."""
    nothing = np.zeros(column, np.float32)
    nothing[-1] = 1e-20
    return HighPass(edge_hz, RATE, column).push(np.concatenate([nothing, samples]))[column:]


@pytest.mark.parametrize("edge_hz", [20.0, 61.0, 200.0, 1000.0])
def test_gain(edge_hz):
    stopped = gain(edge_hz, np.linspace(0.0, edge_hz, 1000))
    assert stopped.max() <= 10 ** (-STOP_DB / 20) * (1 + 1e-6)
    assert stopped[0] < 1e-12  # DC
    assert abs(20 * np.log10(gain(edge_hz, np.linspace(2.46 * edge_hz, RATE / 2, 1000)))).max() < 0.15


def test_gain_is_flat_where_sounds_are():
    """150 Hz and up: 0.15 dB. The lowest mel band above fmin_hz = 100 has its centre at 131 Hz: 2 dB."""
    assert gain(EDGE_HZ, 131.0) > 0.8
    assert 0.98 < gain(EDGE_HZ, 150.0) <= 1.0


@pytest.mark.parametrize("edge_hz", [20.0, 61.0, 1000.0])
def test_products_are_the_recursion(edge_hz):
    sound = noise(0.5) + chirp(0.5)
    wanted = straight(sound, edge_hz)
    assert np.abs(filtered(sound, edge_hz) - wanted).max() <= ROUNDING * np.abs(sound).max()


@pytest.mark.parametrize("column", [160, 800, 1500, 1610])
def test_products_are_the_recursion_for_other_columns(column):
    sound = noise(0.6)[: 3 * column]
    assert np.abs(filtered(sound, column=column) - straight(sound)).max() <= ROUNDING * np.abs(sound).max()


def test_filter_is_scipys():
    signal = pytest.importorskip("scipy.signal", reason="scipy is not installed; the recursion is checked instead")
    sos = signal.cheby2(9, STOP_DB, EDGE_HZ, "high", fs=RATE, output="sos")
    hz = np.linspace(0.0, RATE / 2, 4097)
    np.testing.assert_allclose(gain(EDGE_HZ, hz), np.abs(signal.sosfreqz(sos, hz, fs=RATE)[1]), rtol=1e-4, atol=1e-8)
    sound = noise(2.0) + chirp(2.0)
    wanted = signal.sosfilt(sos, sound.astype(np.float64))
    assert np.abs(filtered(sound) - wanted).max() <= ROUNDING * np.abs(sound).max()


@pytest.mark.parametrize("hz", EVERYWHERE_HZ)
def test_hum_is_gone(hz):
    rest = HighPass(EDGE_HZ, RATE, COLUMN).push(hum(hz, 3.0).astype(np.float32))[RATE:]
    assert np.abs(rest).max() <= 10 ** (-STOP_DB / 20) + ROUNDING


@pytest.mark.parametrize(
    ("hz", "down_db"), [(0.0, 100), (50.0, 100), (60.0, 100), (49.9, 60), (60.1, 60), (20.0, 40), (35.0, 40)]
)
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0])
def test_hum_is_gone_from_the_first_sample(hz, down_db, phase):
    rest = HighPass(EDGE_HZ, RATE, COLUMN).push(hum(hz, 1.0, phase).astype(np.float32))
    assert np.abs(rest).max() <= 10 ** (-down_db / 20) + ROUNDING


def test_what_comes_before_a_click_is_faint():
    """The first column's rumble is taken to have been there before; a click has little of it."""
    click = np.zeros(COLUMN, np.float32)
    click[1500] = 1.0
    assert np.abs(HighPass(EDGE_HZ, RATE, COLUMN).push(click)[:1500]).max() < 1e-3


def test_stream_is_whole_bit_for_bit():
    sound = scene(2.0)
    whole = HighPass(EDGE_HZ, RATE, COLUMN).push(sound)
    for columns in (1, 3, 7):
        filter = HighPass(EDGE_HZ, RATE, COLUMN)
        parts = [filter.push(sound[i : i + columns * COLUMN]) for i in range(0, len(sound), columns * COLUMN)]
        assert np.array_equal(np.concatenate(parts), whole)
    assert whole.dtype == np.float32


def test_reset_forgets():
    filter, sound = HighPass(EDGE_HZ, RATE, COLUMN), scene(0.5)
    wanted = filter.push(sound)
    filter.push(0.5 + 0.4 * tone(0.3, 30.0))
    filter.reset()
    assert np.array_equal(filter.push(sound), wanted)


def test_samples_are_not_changed():
    sound = scene(0.2)
    before = sound.copy()
    HighPass(EDGE_HZ, RATE, COLUMN).push(sound)
    assert np.array_equal(sound, before)


@pytest.mark.parametrize("level", [0.1, 0.01])
@pytest.mark.parametrize(("hz", "size"), [(0.0, 0.02), (50.0, 0.01), (60.0, 0.01)])
def test_log_mel_does_not_hear_dc_and_hum(hz, size, level):
    """Within the upper 60 dB of a frame of a sound of ordinary level, and of a quiet one, from the first frame on."""
    sound = noise(2.0, level=level / 4)
    clean = LogMel(FILTERED).push(sound)
    hummed = LogMel(FILTERED).push(sound + (size * hum(hz, 2.0)).astype(np.float32))
    assert np.abs(hummed - clean).max() < 0.01
    plain = FrontEnd()
    assert (
        np.abs(LogMel(plain).push(sound + (size * hum(hz, 2.0)).astype(np.float32)) - LogMel(plain).push(sound)).max()
        > 1
    )


def test_log_mel_is_that_of_the_filtered_sound():
    sound = scene(1.0)
    plain = FrontEnd(fmin_hz=100.0)
    wanted = LogMel(plain).push(HighPass(EDGE_HZ, RATE, COLUMN).push(sound))
    log_mel = LogMel(FILTERED)
    assert np.array_equal(log_mel.push(sound), wanted)
    log_mel.reset()
    assert np.array_equal(np.concatenate([log_mel.push(sound[i : i + 1600]) for i in range(0, 16_000, 1600)]), wanted)


def test_a_front_end_without_it_filters_nothing():
    """So bundles from before there was a high-pass give what they gave."""
    assert FrontEnd().highpass_hz == 0.0


@pytest.mark.parametrize("highpass_hz", [-1.0, 10.0, 1001.0, float("nan")])
def test_senseless_edges_are_refused(highpass_hz):
    with pytest.raises(BundleError, match="highpass_hz"):
        FrontEnd(highpass_hz=highpass_hz)


@pytest.mark.parametrize("hz", [0.0, 50.0, 60.0])
@pytest.mark.parametrize("length", [3 * COLUMN, 3 * COLUMN - 700, 3 * COLUMN - 8])
def test_digital_silence_does_not_end_hum_with_a_click(hz, length):
    sound = noise(0.3, level=0.1)[:length]
    silence = np.zeros(6 * COLUMN - length, np.float32)
    wanted = HighPass(EDGE_HZ, RATE, COLUMN).push(np.concatenate([sound, silence]))
    hummed = sound + (0.02 * hum(hz, 0.3)[:length]).astype(np.float32)
    found = HighPass(EDGE_HZ, RATE, COLUMN).push(np.concatenate([hummed, silence]))
    assert np.abs(found - wanted).max() <= 0.02 * 10 ** (-STOP_DB / 20) + ROUNDING
    assert not found[length:].any()


def test_after_digital_silence_a_stream_begins():
    sound, silence = scene(0.3) + np.float32(0.1), np.zeros(COLUMN, np.float32)
    filter = HighPass(EDGE_HZ, RATE, COLUMN)
    wanted = filter.push(sound)
    assert np.array_equal(filter.push(np.concatenate([silence, sound]))[COLUMN:], wanted)

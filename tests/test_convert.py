import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from signals import blocks, noise, scene, stereo

from bowstream._types import FORMAT
from bowstream.audio.convert import Converter
from bowstream.audio.mix import to_mono
from bowstream.errors import AudioError
from bowstream.model.front_end import FrontEnd

RATES = (16_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000)


def hear(frames, rate, front_end, size, chunk_columns=1):
    """Return all that comes out when frames go in in blocks of a size."""
    converter = Converter("test", rate, front_end.format, chunk_columns)
    chunks = [chunk for block in blocks(frames, size) for chunk in converter.push(block)]
    return np.concatenate([np.empty(0, np.float32), *chunks, *converter.finish()])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_block_size_does_not_matter(rate, channels, front_end):
    """Nor do the chunks that are handed on: bit for bit what one block, and the resampler at one go, give."""
    sound = scene(0.53, rate)
    frames = stereo(sound) if channels == 2 else sound[:, np.newaxis]
    whole = hear(frames, rate, front_end, len(frames))
    mono = to_mono(frames)
    wanted = mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, "HQ")
    assert np.array_equal(whole[: len(wanted)], wanted)
    assert not whole[len(wanted) :].any()
    assert len(whole) == -(-len(wanted) // 1600) * 1600
    for size in (17, 509, 1600, 16_000):
        for chunk_columns in (1, 10, 40):
            assert np.array_equal(hear(frames, rate, front_end, size, chunk_columns), whole)


@pytest.mark.parametrize("count", [0, 1, 1599, 1600, 1601, 15_999, 16_000, 16_001])
@pytest.mark.parametrize("chunk_columns", [1, 10])
def test_seams(count, chunk_columns, front_end):
    sound = noise(1.1)[:count]
    converter = Converter("test", 16_000, front_end.format, chunk_columns)
    chunks = converter.push(sound[:, np.newaxis])
    assert [len(chunk) for chunk in chunks] == [1600 * chunk_columns] * (count // (1600 * chunk_columns))
    heard = np.concatenate([np.empty(0, np.float32), *chunks, *converter.finish()])
    assert len(heard) == -(-count // 1600) * 1600
    assert np.array_equal(heard[:count], sound)
    assert not heard[count:].any()
    assert converter.finish() == []


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_very_short_sounds_come_through(rate, count, front_end):
    heard = hear(np.full((count, 1), 0.5, np.float32), rate, front_end, 17)
    assert len(heard) == 1600
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("rate", RATES)
def test_an_onset_stays_where_it_is(rate, front_end):
    """The resampler's delay is made up for: a click at 0.5 s is at 0.5 s."""
    click = np.zeros((rate, 1), np.float32)
    click[rate // 2] = 1.0
    assert np.abs(hear(click, rate, front_end, 509)).argmax() in (7_999, 8_000, 8_001)


@pytest.mark.parametrize("rate", RATES)
def test_a_column_takes_few_reads_and_is_not_held_up(rate, front_end):
    """A resampler hands its samples on in lumps; when it will is known after the first second."""
    frames, step = noise(6.0, rate=rate)[:, np.newaxis], rate // 1000
    finest = Converter("test", rate, front_end.format, chunk_columns=1)
    soonest = [at for at in range(step, len(frames) + 1, step) for _ in finest.push(frames[at - step : at])]
    converter = Converter("test", rate, front_end.format, chunk_columns=1)
    reads, came, at = [], [], 0
    while at + converter.missing <= len(frames):
        start, at = at, at + converter.missing
        reads.append(at)
        came += [at] * len(converter.push(frames[start:at]))
    late = np.subtract(came, soonest[: len(came)])[len(came) // 2 :]
    assert sum(at > rate for at in reads) <= 1.5 * (len(frames) - rate) / (rate * front_end.column_s)
    assert len(reads) <= 150 and late.max() <= 0.002 * rate


def test_stereo_is_the_mean():
    frames = np.array([[1.0, 0.0], [0.5, -0.5], [-0.25, 0.75]], np.float32)
    assert to_mono(frames).tolist() == [0.5, 0.0, 0.25]
    assert to_mono(frames[:, :1]).tolist() == [1.0, 0.5, -0.25]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_what_is_not_finite_is_refused(value, rate, front_end):
    frames = np.zeros((2000, 2), np.float32)
    frames[1234, 1] = value
    with pytest.raises(AudioError, match=r"thing: samples must be finite \(got NaN or infinity\)"):
        Converter("thing", rate, front_end.format, 1).push(frames)


def test_clipping_is_counted_in_every_channel(front_end):
    converter = Converter("test", 48_000, front_end.format, 1)
    frames = np.zeros((100, 2), np.float32)
    frames[3:6, 0] = 32767 / 32768
    frames[3:7, 1] = -1.0
    frames[7] = 32766 / 32768
    converter.push(frames[7:])
    assert converter.clipped == 0
    converter.push(frames)
    converter.push(frames)
    assert converter.clipped == 14


@given(
    full=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_a_peak_is_cut_off_where_three_samples_in_a_row_are_at_full_scale(full, cuts):
    """However the sound is cut into blocks; one or two samples are a peak that fits."""
    frames = np.where(full, 1.0, 0.5).astype(np.float32)
    rows = ["".join("x" if one else " " for one in channel) for channel in np.transpose(full)]
    wanted = sum(len(row) for channel in rows for row in channel.split() if len(row) >= 3)
    converter = Converter("test", 48_000, FORMAT, 1)
    for block in np.split(frames, sorted(min(cut, len(frames)) for cut in cuts)):
        converter.push(block)
    assert converter.clipped == wanted


@given(
    rate=st.sampled_from(RATES),
    steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 100_000)), min_size=1, max_size=12),
)
def test_time_does_not_drift_over_gaps(rate, steps):
    """After any number of gaps, what was handed on and what was lost add up to the native frames' time."""
    front_end = FrontEnd()
    converter, native, position = Converter("test", rate, front_end.format, 1), 0, 0
    for heard, lost in steps:
        chunks = converter.push(np.zeros((heard, 1), np.float32))
        gap = converter.gap(lost)
        native += heard + lost
        assert gap >= 0
        position += sum(map(len, chunks)) + gap
        assert abs(position - native * 16_000 / rate) <= 0.5


def test_after_a_gap_nothing_is_left_of_before(front_end):
    converter, sound = Converter("test", 44_100, front_end.format, 1), scene(0.5, 44_100)[:, np.newaxis]
    converter.push(np.ones((4_000, 1), np.float32))
    converter.gap(1234)
    after = [*converter.push(sound), *converter.finish()]
    assert np.array_equal(np.concatenate(after), hear(sound, 44_100, front_end, 999))

"""What a microphone adds of its own, several channels that become one, and a high-pass for a source."""

import time

import numpy as np
import pytest
from signals import RATE, noise, scene

from bowstream._types import FORMAT, Format
from bowstream.audio.convert import Converter
from bowstream.audio.mix import Mixer
from bowstream.audio.opening import open_once
from bowstream.audio.source import Block, Notice
from bowstream.config.file import read
from bowstream.config.settings import Settings
from bowstream.errors import AudioError, UsageError
from bowstream.health.condition import Condition
from bowstream.health.counters import Health
from bowstream.health.report import HealthReport
from bowstream.health.warnings import HealthMonitor, faults
from bowstream.session import Session
from bowstream.tagger import Tagger


def tones(*pairs, seconds=12.0):
    t = np.arange(round(seconds * RATE)) / RATE
    waves = [level * np.sqrt(2.0) * np.sin(2 * np.pi * hz * t) for hz, level in pairs]
    return np.sum(waves, axis=0).astype(np.float32)


def condition_of(sound, **options):
    condition = Condition(RATE, **options)
    condition.push(sound)
    return condition


@pytest.mark.parametrize("mains_hz", [50, 60])
@pytest.mark.parametrize(("harmonic", "drift"), [(1, 0.9990), (2, 1.0005), (3, 1.0)])
def test_hum_is_known_by_any_of_its_harmonics(mains_hz, harmonic, drift):
    condition = condition_of(noise(12.0, 0.01) + tones((mains_hz * harmonic * drift, 0.005)))
    assert condition.hum_hz == mains_hz
    assert 10 * np.log10(condition.hum_power) == pytest.approx(-46.0, abs=1.5)


@pytest.mark.parametrize(
    "sound",
    [
        noise(12.0, 0.3),
        np.cumsum(noise(12.0, 0.001)).astype("f4"),
        scene(12.0),
        tones((98.0, 0.2)),
        tones((55.0, 0.1)),
        tones((47.0, 0.1)),
        np.zeros(12 * RATE, np.float32),
    ],
    ids=["noise", "rumble", "scene", "a bass", "a low A", "an engine", "nothing"],
)
def test_what_is_no_hum_is_not_taken_for_one(sound):
    assert condition_of(sound).hum_hz == 0


def test_a_hum_that_stops_is_none():
    assert condition_of(tones((50.0, 0.1), seconds=9.0)).hum_hz == 0
    assert condition_of(np.concatenate([tones((50.0, 0.1)), noise(1.0, 0.1)])).hum_hz == 0


@pytest.mark.parametrize("offset", [0.02, -0.5, 0.0])
def test_the_offset_is_the_mean(offset):
    assert condition_of(noise(12.0, 0.1) + np.float32(offset)).dc_offset == pytest.approx(offset, abs=4e-3)


def test_an_offset_that_comes_and_goes_is_none():
    """As that of a knock, or of a door that lets the wind in."""
    sound = noise(12.0, 0.01)
    sound[5 * RATE : 11 * RATE] += np.float32(0.5)
    assert abs(condition_of(sound).dc_offset) < 1e-3
    assert condition_of(np.ones(9 * RATE, np.float32)).dc_offset == 0.0


def test_it_is_the_same_however_the_sound_comes():
    sound = noise(12.0, 0.01) + tones((50.0, 0.01)) + np.float32(0.02)
    whole, pieces = condition_of(sound), Condition(RATE)
    for column in sound.reshape(-1, 1600):
        pieces.push(column)
    assert (pieces.dc_offset, pieces.hum_hz, pieces.hum_power) == (whole.dc_offset, whole.hum_hz, whole.hum_power)
    pieces.reset()
    assert (pieces.dc_offset, pieces.hum_hz, pieces.hum_power) == (0.0, 0, 0.0)


def test_a_gap_does_not_end_a_hum():
    """Where it goes on is elsewhere in its period."""
    health, sound = Health(RATE), tones((50.0, 0.1), seconds=13.0)
    health.heard(sound[: 6 * RATE + 4800], 0)
    health.heard(sound[7 * RATE + 80 : 12 * RATE + 80], 12_000)
    assert health.refresh().hum_hz == 50
    assert health.report().hum_dbfs == pytest.approx(-20.0, abs=0.5)


def test_a_column_costs_little():
    """3 µs where this was written, five times what its level costs."""
    column, condition = noise(0.1), Condition(RATE)

    def spent_s(act):
        started_s = time.process_time()
        for _ in range(2000):
            act(column)
        return (time.process_time() - started_s) / 2000

    costs_s, dot_s = (min(spent_s(act) for _ in range(3)) for act in (condition.push, lambda one: one.dot(one)))
    assert costs_s < 20 * dot_s


def test_faults_are_named_and_what_is_small_is_not():
    assert list(faults(HealthReport(dc_offset=0.005, hum_hz=50, hum_dbfs=-70.0))) == []
    (offset,) = HealthMonitor().check(HealthReport(dc_offset=-0.02))
    (hum,) = HealthMonitor().check(HealthReport(hum_hz=60, hum_dbfs=-41.3))
    assert (offset.kind, offset.text.split(":")[0]) == ("offset", "a DC offset of -2.0% of full scale")
    assert (hum.kind, hum.text.split(":")[0]) == ("hum", "mains hum, 60 Hz at -41 dBFS")


class Live:
    name, duration_s, live, clipped, overflows = "live", None, True, 0, 0

    def __init__(self, sound):
        self.sound = sound

    def __iter__(self):
        yield from (Block(column) for column in self.sound.reshape(-1, 1600))


@pytest.mark.parametrize(("highpass_hz", "kinds"), [(None, {"offset", "hum"}), (200.0, set())])
def test_a_session_says_so_unless_it_is_filtered_out(bundle, highpass_hz, kinds):
    sound = noise(12.0, 0.01) + tones((50.0, 0.01)) + np.float32(0.02)
    session = Session(Live(sound), Tagger(bundle), highpass_hz=highpass_hz)
    assert {record.kind for record in session if isinstance(record, Notice)} == kinds


def mixed(frames, **options):
    """Return what becomes of channels, (n, channels), in blocks of 10 ms."""
    mixer = Mixer(RATE, **options)
    return np.concatenate([mixer.push(block) for block in np.split(frames, range(160, len(frames), 160))])


def channels_of(*sounds):
    return np.stack(sounds, axis=1)


def test_channels_are_chosen():
    frames = channels_of(noise(1.0, seed=1), noise(1.0, seed=2), noise(1.0, seed=3))
    assert np.array_equal(mixed(frames, channels=[2]), frames[:, 1])
    assert np.array_equal(mixed(frames, channels=[3, 1]), mixed(frames[:, [2, 0]]))
    with pytest.raises(AudioError, match=r"channels must be 1 … 3, as it has \(got 4\)"):
        mixed(frames, channels=[1, 4])


def bursts(seconds, level, seed=0):
    """Sound that comes and goes twice a second, over a hush."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (noise(seconds, level, seed) * (t % 0.5 < 0.2) + noise(seconds, 1e-4, seed + 1)).astype("f4")


@pytest.mark.parametrize(
    "worse",
    [np.zeros(10 * RATE, "f4"), tones((50.0, 0.3), seconds=10.0), noise(10.0, 0.3, seed=5), bursts(10.0, 0.01, seed=5)],
    ids=["dead", "hums", "hisses", "far away"],
)
def test_the_best_channel_is_the_one_in_which_sound_stands_out(worse):
    better = bursts(10.0, 0.1)
    for frames, place in ((channels_of(better, worse), 0), (channels_of(worse, better), 1)):
        heard = mixed(frames, mix="best")
        assert np.array_equal(heard[2 * RATE :], frames[2 * RATE :, place])


def test_the_best_channel_changes_with_the_sound_but_not_for_little():
    left = np.concatenate([bursts(5.0, 0.2), bursts(5.0, 0.002, seed=3)])
    right = np.concatenate([bursts(5.0, 0.002, seed=7), bursts(5.0, 0.2, seed=9)])
    heard = mixed(channels_of(left, right), mix="best")
    assert np.array_equal(heard[RATE : 5 * RATE], left[RATE : 5 * RATE])
    assert np.array_equal(heard[-RATE:], right[-RATE:])
    alike = channels_of(bursts(5.0, 0.1), bursts(5.0, 0.09))
    assert np.array_equal(mixed(alike, mix="best"), alike[:, 0])


def test_the_best_channel_is_the_same_however_the_sound_comes():
    frames = channels_of(bursts(4.0, 0.1), bursts(4.0, 0.2, seed=4))
    whole = Mixer(RATE, mix="best").push(frames)
    assert np.array_equal(mixed(frames, mix="best"), whole)


def test_a_converter_takes_what_the_format_says():
    frames = channels_of(noise(0.2, seed=1), noise(0.2, seed=2))
    chunks = Converter("test", RATE, Format(channels=(2,)), 1).push(frames)
    assert np.array_equal(np.concatenate(chunks), frames[:, 1])
    best = Converter("test", RATE, Format(mix="best"), 1).push(frames)
    assert np.array_equal(np.concatenate(best), frames[: len(best) * 1600, 0])


def test_a_device_is_opened_with_as_few_channels_as_do():
    assert (FORMAT.takes(1), FORMAT.takes(6)) == ([1], [1, 2, 6])
    assert (Format(mix="best").takes(1), Format(mix="best").takes(4)) == ([1], [4, 2, 1])
    assert (Format(channels=(1, 3)).takes(4), Format(channels=(3,)).takes(2)) == ([3, 4], [])
    assert (Format(channels=(1,)).takes(4), Format(channels=(1,)).takes(1)) == ([2, 4], [1])


def test_the_settings_reach_the_source(monkeypatch):
    asked = []
    monkeypatch.setattr("bowstream.audio.opening.Microphone", lambda device, format, rate: asked.append(format))
    open_once(Settings(channels=(2, 1), mix="best"))
    assert asked == [Format(channels=(2, 1), mix="best")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("channels = 1", "channels must be a list of whole numbers (got 1)"),
        ("channels = ['1']", "channels must be a list of whole numbers (got a list)"),
        ("channels = [true]", "channels must be a list of whole numbers (got a list)"),
        ("channels = [0]", "channels must be 1 … 64 (got 0)"),
        ("channels = [1, 1]", "channels must name each channel once (got [1, 1])"),
        ("mix = 'sum'", "mix must be one of mean, best (got sum)"),
        ("highpass_hz = 5", "highpass_hz must be 20 … 1000 (got 5)"),
    ],
)
def test_what_is_wrong_is_said(text, complaint, written):
    for table in ("", "[sources.kitchen]\n"):
        with pytest.raises(UsageError) as raised:
            read(written(table + text)).check()
        assert complaint in str(raised.value)


def test_a_list_of_channels_is_read_and_printed(written, bowstream):
    file = written("channels = [2]\n[sources.kitchen]\nchannels = [1, 3]\nhighpass_hz = 100\n")
    settings = read(file).settings
    assert (settings.channels, settings.sources["kitchen"].channels) == ((2,), (1, 3))
    status, out, _ = bowstream("config", str(file))
    assert status == 0 and "\nchannels = [2]\n" in out and "\nchannels = [1, 3]\n" in out

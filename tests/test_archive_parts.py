"""A recording heard in parts is the recording heard whole: scores, events and loudness, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import scene

from bowstream.archive.hear import Wanted, hear
from bowstream.archive.join import joined
from bowstream.archive.parts import Part, cut, first_column
from bowstream.audio.file import AudioFile
from bowstream.events import EventTracker
from bowstream.model.tags import Tag
from bowstream.session import Session
from bowstream.tagger import Tagger

EVERYTHING = Wanted(scores=True, loudness=True)


@pytest.fixture(scope="module")
def eager(bundle):
    """The bundle with thresholds that its scores of made-up sound cross again and again."""
    return bundle.with_tags({place: Tag(tag.name, 0.05, 0.03) for place, tag in enumerate(bundle.tags)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


def in_parts(path, bundle, hop_s, parts, **how):
    def session_of(source):
        return Session(source, Tagger(bundle, hop_s), **how)

    results, info = [], None
    for part in parts:
        with AudioFile(path) as recording:
            info = session_of(recording).info
            results.append(hear(recording, part, EVERYTHING, session_of))
    if parts == [Part()]:
        return results, results[0].events
    tracker = EventTracker(info.tags, info.hop_s, how["hold_s"], how["confirm_hops"])
    return results, tuple(joined(results, info, tracker))


def written(folder, length_s, rate, channels, seed):
    """A recording with loud and faint stretches, so that its events begin and end."""
    path = folder / f"{length_s}-{rate}-{channels}-{seed}.wav"
    if not path.exists():
        rng = np.random.default_rng(seed)
        samples = scene(length_s, rate, seed=seed)
        gains = np.repeat(10.0 ** rng.uniform(-3.0, 0.0, int(length_s) + 1), rate)[: len(samples)]
        frames = np.stack([np.roll(samples * gains, shift) for shift in range(channels)], axis=1)
        soundfile.write(path, frames, rate, "FLOAT")
    return path


def same(path, bundle, hop_s, parts, **how):
    (whole,), events = in_parts(path, bundle, hop_s, [Part()], **how)
    pieces, found = in_parts(path, bundle, hop_s, parts, **how)
    filled = [piece for piece in pieces if piece.windows]
    assert np.array_equal(np.concatenate([piece.ends for piece in filled]), whole.ends)
    assert np.array_equal(np.concatenate([piece.scores for piece in filled]), whole.scores)
    if all(part.start % 600 == 0 for part in parts):
        assert np.array_equal(np.concatenate([piece.minutes for piece in pieces]), whole.minutes)
    assert sum(piece.windows for piece in pieces) == whole.windows
    assert [piece.heard_s for piece in pieces if piece.heard_s] == [whole.heard_s]
    assert found == events
    return whole, events


@settings(max_examples=30)
@given(
    data=st.data(),
    length_s=st.sampled_from([9.0, 11.37, 14.0]),
    rate=st.sampled_from([16_000, 44_100, 48_000]),
    channels=st.sampled_from([1, 2]),
    hop_columns=st.sampled_from([1, 3, 5, 10]),
    confirm_hops=st.sampled_from([1, 3]),
    hold_s=st.sampled_from([0.0, 1.0, 4.0]),
)
def test_parts_are_the_whole(data, length_s, rate, channels, hop_columns, confirm_hops, hold_s, eager, folder):
    path = written(folder, length_s, rate, channels, seed=round(length_s))
    columns = -(-round(length_s * 10_000) // 1000)
    # Any borders, those included that lie at, or beyond, the end of a recording that is shorter than it says.
    borders = sorted(data.draw(st.sets(st.integers(1, columns + 25), max_size=4)))
    parts = [Part(start, stop) for start, stop in zip([0, *borders], [*borders, None])]
    _, events = same(path, eager, hop_columns / 10, parts, hold_s=hold_s, confirm_hops=confirm_hops)
    assert events or confirm_hops == 3


def test_there_are_events_across_borders(eager, folder):
    path = written(folder, 31.0, 16_000, 1, seed=31)
    (_,), events = in_parts(path, eager, 0.1, [Part()], hold_s=1.0, confirm_hops=1)
    borders = [round(10 * (event.onset_s + event.offset_s) / 2) for event in events if event.offset_s > 2.0][:3]
    assert len(set(borders)) > 1
    borders = sorted(set(borders))
    parts = [Part(start, stop) for start, stop in zip([0, *borders], [*borders, None])]
    assert same(path, eager, 0.1, parts, hold_s=1.0, confirm_hops=1)[1]


@pytest.mark.parametrize("hop_s", [0.1, 0.3, 1.0])
def test_parts_are_scored_from_a_little_before_them(hop_s, eager, folder):
    """A part needs its context and no more, but for high-passes, the bundle's and one's own, which never forget."""
    path = written(folder, 14.0, 16_000, 1, seed=14)
    parts = [Part(0, 63), Part(63, 110), Part(110)]
    for highpass_hz, own_hz in ((0.0, None), (61.0, None), (0.0, 100.0), (61.0, 100.0)):
        bundle = replace(eager, front_end=replace(eager.front_end, highpass_hz=highpass_hz))
        firsts = [first_column(part, Tagger(bundle, hop_s)) for part in parts]
        assert 0 < firsts[1] < firsts[2] < 110
        assert same(path, bundle, hop_s, parts, hold_s=1.0, confirm_hops=1, highpass_hz=own_hz)[1]


def test_what_is_skipped_shows_signs_of_life(eager, folder):
    path, told = written(folder, 31.0, 16_000, 1, seed=31), []
    with AudioFile(path) as recording:
        hear(recording, Part(250), Wanted(), lambda source: Session(source, Tagger(eager)), told.append)
    assert told[0] < 5.0 and told == sorted(told)


def test_minutes_are_the_same(eager, folder):
    path = written(folder, 150.5, 48_000, 1, seed=5)
    whole, events = same(path, eager, 1.0, [Part(0, 600), Part(600, 1200), Part(1200)], hold_s=1.0, confirm_hops=1)
    assert events
    assert whole.minutes[:, :2].tolist() == [[0.0, 60.0], [60.0, 60.0], [120.0, 30.5]]


@pytest.mark.parametrize("border", [100, 149, 150, 151, 200])
def test_a_damaged_recording_in_parts_is_that_whole(border, eager, folder):
    path = folder / "damaged.wav"
    samples = scene(20.0)
    samples[15 * 16_000] = np.nan
    soundfile.write(path, samples, 16_000, "FLOAT")
    whole, _ = same(path, eager, 1.0, [Part(0, border), Part(border)], hold_s=1.0, confirm_hops=1)
    pieces, _ = in_parts(path, eager, 1.0, [Part(0, border), Part(border)], hold_s=1.0, confirm_hops=1)
    assert "damaged at 15.0 s" in whole.error
    assert next(piece.error for piece in pieces if piece.error) == whole.error


def test_borders_are_whole_minutes():
    day = cut(86_400.0, 14_400.0)
    assert [part.start for part in day] == [144_000 * number for number in range(6)]
    assert [part.stop for part in day] == [*(part.start for part in day[1:]), None]
    assert cut(None, 3600.0) == cut(3600.0, 3600.0) == cut(5399.0, 3600.0) == [Part()]
    assert all(part.start % 600 == 0 for part in cut(12_345.6, 3600.0))

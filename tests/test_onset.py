"""Onsets: an event begins where its sound does, at each hop, not where a window raised it."""

import dataclasses

import numpy as np
import pytest

from bowstream.events import EventTracker
from bowstream.model.front_end import FrontEnd
from bowstream.model.log_mel import LogMel
from bowstream.model.onset import BANDS, SEARCH, Levels, levels_of
from bowstream.model.tags import Tag
from bowstream.tagger import Tagger

RATE = 16_000
FRONT_END = FrontEnd()
STEADY = np.zeros(5, np.float32)


def room(seconds, level=1e-3, seed=0):
    return np.random.default_rng(seed).normal(0.0, level, int(seconds * RATE)).astype(np.float32)


def tone(seconds, level=0.1):
    return (level * np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * 800 / RATE)).astype(np.float32)


def heard(samples, begins_s):
    """A room in which a sound is placed."""
    scene = room(8.0)
    first = round(begins_s * RATE)
    scene[first : first + len(samples)] += samples
    return scene


def levels(samples, front_end=FRONT_END):
    return levels_of(LogMel(front_end).push(samples), front_end)


def ago(rows, window=10):
    one = Levels()
    one.push(rows)
    return one.columns_since_onset(window, STEADY, 10)


@pytest.mark.parametrize("begins_s", [2.04, 3.5, 3.97])
@pytest.mark.parametrize("level", [0.003, 0.1])
def test_a_sound_began_where_its_bands_rose(begins_s, level):
    rows = levels(heard(tone(3.0, level), begins_s))[:50]
    assert 5.0 - 0.1 * ago(rows) == pytest.approx(begins_s, abs=0.11)


def test_a_steady_room_has_no_onset_and_an_old_one_is_forgotten():
    assert ago(levels(room(5.0))) is None
    assert ago(levels(heard(tone(7.0), 1.0))[: 10 + SEARCH + 5]) is None


def test_the_first_burst_of_several_is_the_onset():
    bursts = np.concatenate([tone(0.3), np.zeros(8_000, np.float32), tone(0.3), np.zeros(8_000, np.float32), tone(0.3)])
    assert 5.0 - 0.1 * ago(levels(heard(bursts, 3.0))[:50]) == pytest.approx(3.0, abs=0.11)


@pytest.mark.parametrize(("risen", "begins_s"), [(2, 3.0), (4, 1.5)])
def test_of_two_sounds_the_onset_is_that_after_which_the_tag_rose(risen, begins_s):
    scene = room(8.0)
    for first, level in ((1.5, 0.02), (3.0, 0.02)):
        scene[round(first * RATE) :][: RATE // 2] += tone(0.5, level)
    logits = np.where(np.arange(5) < 5 - risen, -6.0, 0.5).astype(np.float32)
    one = Levels()
    one.push(levels(scene)[:50])
    assert 5.0 - 0.1 * one.columns_since_onset(10, logits, 10) == pytest.approx(begins_s, abs=0.11)


def test_what_sounds_from_the_beginning_began_there():
    assert ago(levels(heard(tone(0.5), 0.0)[:32_000])) == 20


def test_the_newest_column_alone_is_no_rise():
    for count in (0, 1):
        assert ago(np.zeros((count, BANDS), np.float32)) is None


@pytest.mark.parametrize("hop_s", [1.0, 0.3, 0.1])
@pytest.mark.parametrize("block", [1600, 16_000, 64_000])
def test_an_event_begins_with_its_sound_at_each_hop(bundle, hop_s, block):
    tagger, scene = Tagger(bundle, hop_s), heard(tone(3.0), 4.36)
    tracker, opened = EventTracker([Tag("tone", 0.5, 0.25)], hop_s), []
    for first in range(0, len(scene), block):
        for scores in tagger.push(scene[first : first + block]):
            # A tagger that is sure of it once half of its window is the tone.
            row = np.array([0.9 if 4.86 <= scores.end_s <= 7.8 else 0.0], np.float32)
            changed = tracker.push(dataclasses.replace(scores, tags=("tone",), array=row))
            opened += [event for event in changed if event.offset_s is None]
    (event,) = opened
    assert event.onset_s == pytest.approx(4.36, abs=0.11)


def test_levels_are_each_columns_once_whatever_the_hop_and_the_blocks(bundle):
    scene = heard(tone(1.0), 2.0)
    whole = levels(scene, bundle.front_end)
    for hop_s, block in ((1.0, 1600), (0.3, 4800), (0.7, 64_000)):
        tagger = Tagger(bundle, hop_s)
        windows = [
            scores for first in range(0, len(scene), block) for scores in tagger.push(scene[first : first + block])
        ]
        found = np.concatenate([scores.levels for scores in windows])
        assert len(found) == round(windows[-1].end_s * 10)
        assert found == pytest.approx(whole[: len(found)], abs=1e-4)
        tagger.reset()
        assert len(tagger.push(scene[:16_000])[0].levels) == 10


def test_what_sounds_from_the_beginning_begins_at_0_whatever_window_raises_it(bundle):
    """1.3 - 13 * 0.1 is below 0 in floating point: no -0.0 is written."""
    for raised in range(10):
        tracker, opened = EventTracker([Tag("tone", 0.5, 0.25)], 0.1), []
        for number, scores in enumerate(Tagger(bundle, 0.1).push(heard(tone(0.5), 0.0)[:32_000])):
            row = np.array([0.9 if number >= raised else 0.0], np.float32)
            opened += tracker.push(dataclasses.replace(scores, tags=("tone",), array=row))
        assert [str(event.onset_s) for event in opened] == ["0.0"]


def test_an_event_begins_after_the_one_before_it(bundle):
    tracker, tagger = EventTracker([Tag("tone", 0.5, 0.25)], 1.0, hold_s=0.0), Tagger(bundle)
    scores = tagger.push(heard(tone(0.5), 2.5))
    rows = [0.0, 0.0, 0.9, 0.0, 0.9, 0.0, 0.0, 0.0]
    events = [
        event
        for one, row in zip(scores, rows)
        for event in tracker.push(dataclasses.replace(one, tags=("tone",), array=np.array([row], np.float32)))
    ]
    first, ended, second, _ = events
    assert first.onset_s == pytest.approx(2.5, abs=0.11) and second.onset_s == ended.offset_s

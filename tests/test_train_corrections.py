"""Marking false events, measured: on a made-up day of two sounds that are taken for a tag, and of that tag."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bowstream.learn.background import read_background
from bowstream.model.tags import Tag
from train.measure.corrections import MARKS, RECORDINGS, TIME, Recording, measure, parts_of, recall


@pytest.fixture
def windows(bundle):
    """Returns windows of codes that are alike: of a kind of sound, an everyday one with a little of others."""
    codes = read_background(bundle)

    def drawn(rng):
        return codes[rng.integers(len(codes))]

    def windows(kind, seed, n=8):
        import bowstream

        sure = drawn(np.random.default_rng(kind))
        rng = np.random.default_rng([kind, seed])
        found = []
        for number in range(n):
            mixed = np.where(rng.random(sure.shape) < 0.95, sure, drawn(rng))
            names = tuple(tag.name for tag in bundle.tags)
            found.append(bowstream.Scores(names, np.zeros(len(names), np.float32), number, number + 1.0, mixed))
        return tuple(found)

    return windows


def test_what_was_marked_is_gone_and_other_sounds_go_on(bundle, windows):
    """Every tag but one is out of reach; that one is raised by two kinds of sound, one of which is wrong."""
    false, true = 1, 2
    name = bundle.tags[0].name
    every = [each for kind in (false, true) for seed in range(6) for each in windows(kind, seed)]
    lowest = min(bundle.head(each.codes[np.newaxis])[0, 0] for each in every)
    tags = (Tag(name, lowest / 2, lowest / 4), *(replace(tag, on=1.0) for tag in bundle.tags[1:]))
    eager = replace(bundle, tags=tags)
    days = [Recording(f"day {seed}", windows(false, seed), marked=seed % 2 == 0) for seed in range(6)]
    clips = [Recording(f"clip {seed}", windows(true, seed, 4), frozenset([name])) for seed in range(5)]
    may = [replace(each, may=frozenset([name])) for each in days]
    measured = measure(eager, days, clips, 0.5)
    assert 1 <= measured.marks <= MARKS and measured.tags == 1
    assert measured.marked_before > 0.0 and measured.marked_after == 0.0
    assert measured.other_after < 0.5 * measured.other_before
    assert measured.recall_before == 1.0 and measured.recall_after > 0.7
    assert "| recall | 1 |" in str(measured)
    assert measure(eager, may, clips, 0.5).marks == 0


def test_halves_are_apart_in_time_or_by_recording(windows):
    day = Recording("day", windows(1, 1, 7), marked=True)
    first, second = parts_of(day, TIME)
    assert (first.marked, second.marked) == (True, False)
    assert first.windows == day.windows[:3] and second.windows == day.windows[3:]
    assert parts_of(day, RECORDINGS) == [day]
    assert parts_of(replace(day, windows=()), TIME) == parts_of(replace(day, windows=()), RECORDINGS) == []
    assert [part.marked for part in parts_of(replace(day, windows=day.windows[:1]), TIME)] == [False]


def test_recall_is_a_mean_over_tags(bundle, windows):
    names = [tag.name for tag in bundle.tags[:2]]
    tags = [replace(tag, on=0.0, off=0.0) if tag.name == names[0] else replace(tag, on=1.0) for tag in bundle.tags]
    clips = [Recording(f"clip {seed}", windows(1, seed, 3), frozenset(names[: 1 + seed % 2])) for seed in range(4)]
    from bowstream.model.learned import nothing_learned

    assert recall(clips, replace(bundle, tags=tuple(tags)), nothing_learned(bundle), 0.5) == 0.5


def test_the_command_is_there():
    from train.cli import parser

    arguments = parser().parse_args(["corrections", "b", "--data", "d", "--negatives", "n", "--out", "o"])
    assert json.dumps(arguments.sensitivity) == "0.5"

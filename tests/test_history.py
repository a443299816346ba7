"""What the dashboard looks back on: scores, events, gaps, levels, all within bounds."""

import re
import time
from pathlib import Path

import numpy as np
import pytest
import signals
from conftest import StubNetwork

from bowstream.audio.source import Notice
from bowstream.dashboard.history import ENTRIES, SECONDS, History
from bowstream.events import Event
from bowstream.model.bundle import Bundle
from bowstream.model.head import Head
from bowstream.model.level import LevelSettings
from bowstream.model.sensitivity import Sensitivity
from bowstream.model.tags import Tag
from bowstream.records import Gap, Sound
from bowstream.session import Session
from bowstream.tagger import Tagger


@pytest.fixture
def small(front_end, stub_encoders):
    """A bundle of three tags that is made of stubs."""
    n_counts = sum(len(encoder.codebook) for encoder in stub_encoders.values())
    return Bundle(
        name="stub",
        path=Path(),
        front_end=front_end,
        level=LevelSettings(),
        encoders=stub_encoders,
        head=Head(StubNetwork(n_counts, 3, 0), "none", 1, 143, np.full(3, 0.001, np.float32), np.zeros(3, np.float32)),
        tags=tuple(Tag(name, 0.5, 0.3) for name in ("low", "high", "rough")),
        sensitivity=Sensitivity({}, ()),
        description={},
    )


class Nothing:
    name, duration_s, live, clipped, overflows = "nothing", None, True, 0, 0

    def __iter__(self):
        return iter(())


def scored(end_s, *scores):
    return signals.scored(end_s, scores)


def history_for(session):
    return History(session.info, session.health, session.tracker, session.tagger.explain)


def history_of(small, hop_columns, records):
    history = history_for(Session(Nothing(), Tagger(small, hop_columns / 10)))
    for record in records:
        history.write(record)
    return history


def test_history_keeps_the_highest_score_of_each_second(small):
    halves = history_of(small, 5, [scored(s, s / 10, 0, 0) for s in (1.0, 1.5, 2.0, 2.5)])
    (row,) = halves.view(1).tags
    assert row.name == "low" and row.score == 0.25
    assert np.allclose(row.history, (0.1, 0.2, 0.25))


def test_a_row_says_what_a_tag_needs_here(small):
    session = Session(Nothing(), Tagger(small, 1.0))
    history = history_for(session)
    history.write(scored(1, 0.5, 0, 0))
    session.tracker.retune(0, 0.9, 0.8)
    assert [(row.on, row.off) for row in history.view(1).tags] == [pytest.approx((0.9, 0.8))]


def test_history_leaves_out_no_second_of_a_gap(small):
    history = history_of(small, 10, [scored(1, 0.5, 0, 0), Gap(1.0, 3.0), scored(5, 0.75, 0, 0)])
    assert list(history.view(1).tags[0].history) == [0.5, 0.0, 0.0, 0.0, 0.75]
    (gap,) = history.view(1).timeline
    assert (gap.kind, gap.start_s, gap.end_s) == ("gap", 1.0, 4.0)


def test_a_gap_began_before_it_was_known(small, monkeypatch):
    """The time of day at which sound was lost is its beginning's, not that of its discovery."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    history = history_of(small, 10, [Gap(0.0, 90.0)])
    began = time.strftime("%H:%M:%S", time.localtime(1_800_000_000.0 - 90.0))
    assert history.view(1).timeline[0].clock == began


def test_the_microphone_is_away_until_it_is_back(small):
    session = Session(Nothing(), Tagger(small))
    history = history_for(session)
    told = []
    for kind in ("silent", "away", "clipping", "back"):
        history.write(Notice(kind, "a reason"))
        told.append(history.view(1).away)
    assert told == [False, True, True, False]


def test_what_is_going_on_has_its_peak_so_far(small):
    session = Session(Nothing(), Tagger(small))
    history = history_for(session)
    for end_s, score in ((1, 0.6), (2, 0.9), (3, 0.7)):
        tags = scored(end_s, score, 0, 0)
        for record in (tags, *session.tracker.push(tags)):
            history.write(record)
    (going_on,) = history.view(1).timeline
    assert going_on.end_s is None and going_on.peak == pytest.approx(0.9)


def test_a_tag_keeps_its_place_for_a_while(small):
    loud = scored(1, 0.2, 0.9, 0.1)
    soon = [scored(2, 0.5, 0.1, 0.1)]
    late = [scored(second, 0.5, 0.1, 0.1) for second in range(2, 9)]
    assert [row.name for row in history_of(small, 10, [loud, *soon]).view(3).tags] == ["high", "low", "rough"]
    assert [row.name for row in history_of(small, 10, [loud, *late]).view(2).tags] == ["low", "high"]
    assert history_of(small, 10, [loud, *soon]).view(3).leader == "low"


def test_events_open_and_close_on_the_timeline(small):
    history = history_of(small, 10, [Event("low", 1.0, None, 0.7, 0.7)])
    history.mark()
    newest, oldest = history.view(1).timeline
    assert newest.name == "mark 1" and (oldest.name, oldest.start_s, oldest.end_s) == ("low", 1.0, None)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", oldest.clock)
    history.write(Event("low", 1.0, 3.0, 0.9, 0.8))
    assert [(row.end_s, row.peak) for row in history.view(1).timeline if row.kind == "event"] == [(3.0, 0.9)]


def test_a_tag_that_is_held_back_says_for_how_long(small):
    session = Session(Nothing(), Tagger(small), confirm_hops=3)
    history = history_for(session)
    for second in (1, 2):
        history.write(scored(second, 0.9, 0, 0))
        session.tracker.push(scored(second, 0.9, 0, 0))
    assert history.view(1).tags[0].held == (2, 3) and history.view(1).tags[0].raised_s is None
    session.tracker.push(scored(3, 0.9, 0, 0))
    assert history.view(1).tags[0].held is None and history.view(1).tags[0].raised_s is not None


def test_notices_are_on_the_timeline(small):
    (notice,) = history_of(small, 10, [Notice("away", "gone; waiting for it")]).view(1).timeline
    assert (notice.kind, notice.name) == ("notice", "away")


def test_meter_holds_peaks_and_says_when_there_was_clipping(small):
    session = Session(Nothing(), Tagger(small))
    history = history_for(session)
    column = Sound(0.0, 0.1, np.zeros(1600, np.float32), 0.0, lambda: np.zeros((10, 96), np.float32))
    loud = Sound(0.0, 0.1, np.full(1600, 0.5, np.float32), 0.25, lambda: np.ones((10, 96), np.float32))
    assert history.view(1).peak_dbfs == -120.0 and not history.view(1).clipping
    session.health.clipped = 3
    history.write(loud)
    history.write(column)
    view = history.view(1)
    assert abs(view.peak_dbfs + 6.02) < 0.01 and view.clipping
    assert view.picture[:, 0].tolist() == [1.0, 0.0]
    for _ in range(20):
        history.write(column)
    assert history.view(1).peak_dbfs == -120.0 and not history.view(1).clipping


def test_history_is_bounded(small):
    history = history_of(small, 10, (scored(second, 0.1, 0.1, 0.1) for second in range(1, 1000)))
    for _ in range(1000):
        history.mark()
        history.write(Sound(0.0, 0.1, np.zeros(1600, np.float32), 0.0, lambda: np.zeros((10, 96), np.float32)))
    view = history.view(3)
    assert (len(view.tags[0].history), len(view.timeline), len(view.picture)) == (SECONDS, ENTRIES, 600)


@pytest.mark.parametrize("name", ["small", "bundle"])
def test_explain_leaves_each_family_out(name, request):
    loaded = request.getfixturevalue(name)
    tagger = Tagger(loaded)
    (scores,) = tagger.push(np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32))
    gains = tagger.explain(scores)
    assert list(gains) == ["pat", "fenv", "env", "o"]
    for family, encoder in loaded.encoders.items():
        first = tagger.encoder.offsets[family]
        others = (scores.codes < first) | (scores.codes >= first + len(encoder.codebook))
        without = scores.codes[others].reshape(1, len(scores.codes), -1)
        assert np.array_equal(gains[family], scores.array - loaded.head(without)[0])
    assert any(np.abs(gain).max() > 0.01 for gain in gains.values())

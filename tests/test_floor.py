"""The floor of scores: what a tag scores all the time in a place is no event there, and what stands out of it is."""

import numpy as np
import pytest
from signals import scored

from bowstream.events import EventTracker
from bowstream.floor import LEAD_S, SPAN_S, Floor
from bowstream.model.tags import Tag
from bowstream.scores import logits_of
from bowstream.tagger import Tagger

RAIN = Tag("rain", 0.5, 0.25, usual=-6.0)
DOG = Tag("dog", 0.5, 0.25)  # of which nothing is known


def score(logit):
    return 1.0 / (1.0 + np.exp(-np.float64(logit)))


def events(logits, hop_s=1.0, tags=(RAIN,)):
    """The events of rows of logits that come a hop apart."""
    tracker, changed = EventTracker(tags, hop_s), []
    for number, row in enumerate(logits):
        changed += tracker.push(scored(1.0 + number * hop_s, score(row)))
    changed += tracker.close(1.0 + len(logits) * hop_s)
    return [event for event in changed if event.offset_s is not None]


@pytest.mark.parametrize("hop_s", [1.0, 0.1])
def test_what_a_place_scores_all_the_time_needs_more_to_be_raised(hop_s):
    minutes = round(180 / hop_s)
    assert len(events([-6.0] * minutes + [1.0], hop_s)) == 1
    assert events([-1.0] * minutes + [1.0], hop_s) == []
    (event,) = events([-1.0] * minutes + [5.0], hop_s)
    assert event.peak == pytest.approx(score(5.0))


def test_a_tag_of_which_nothing_is_known_has_no_floor():
    assert len(events([-1.0] * 180 + [1.0], tags=(DOG,))) == 1


def test_a_place_that_scores_less_than_usual_needs_no_less():
    assert events([-12.0] * 180 + [-0.1]) == [] and len(events([-12.0] * 180 + [0.1])) == 1


def test_a_sound_that_goes_on_is_one_event_however_long():
    (event,) = events([-6.0] * 60 + [1.0] * 3600 + [-6.0] * 5)
    assert event.offset_s - event.onset_s == pytest.approx(3600, abs=2)


def test_a_clip_that_begins_with_its_sound_is_raised():
    assert len(events([-0.5, 0.5, 0.5])) == 1


def test_a_floor_is_forgotten_as_slowly_as_it_came():
    floor, on = Floor((RAIN,), 1.0), np.array([0.5], np.float32)
    assert floor.above(on) is on
    for _ in range(600):
        floor.push(np.array([score(-2.0)], np.float32), ())
    high = logits_of(floor.above(on))[0]
    assert high == pytest.approx(3.0, abs=0.01)  # 4 above the usual, 1 of them for nothing
    floor.push(np.array([score(-6.0)], np.float32), ())
    assert logits_of(floor.above(on))[0] == pytest.approx(high - 4.0 / SPAN_S, abs=0.01)
    floor.reset()
    floor.push(np.array([score(0.0)], np.float32), ())
    assert logits_of(floor.above(on))[0] == pytest.approx(max(0.0, 6.0 / LEAD_S - 1.0), abs=0.01)


def test_thresholds_keep_their_order_and_never_stays_never():
    floor, thresholds = Floor((RAIN,) * 5, 1.0), np.array([0.0, 0.25, 0.5, 1.0, 2.0], np.float32)
    for _ in range(300):
        floor.push(np.full(5, score(-1.0), np.float32), ())
    above = floor.above(thresholds)
    assert above.dtype == np.float32 and (np.diff(above) > 0.0).all()
    assert (above >= thresholds).all() and above[3] == 1.0 and above[4] == 2.0


def test_the_floor_goes_by_names_when_tags_change():
    tracker = EventTracker((DOG, RAIN), 1.0)
    for number in range(180):
        tracker.push(scored(1.0 + number, [0.1, score(-1.0)]))
    tracker.retag((RAIN, Tag("bell", 0.5, 0.25, usual=-6.0)), 181.0)
    changed = tracker.push(scored(182.0, [score(1.0), score(1.0)]))
    assert [event.tag for event in changed] == ["bell"]


def test_a_gap_leaves_the_floor_and_a_reset_does_not():
    tracker, row = EventTracker((RAIN,), 1.0), score(1.0)
    for number in range(180):
        tracker.push(scored(1.0 + number, score(-1.0)))
    tracker.close(181.0)
    assert tracker.push(scored(300.0, row)) == []
    tracker.reset()
    assert len(tracker.push(scored(1.0, row))) == 1


def test_the_usual_goes_with_the_sensitivity(bundle):
    known, unknown = (
        bundle.with_tags({place: Tag(tag.name, tag.on, tag.off, usual=usual) for place, tag in enumerate(bundle.tags)})
        for usual in (-6.0, None)
    )
    usual = [Tagger(known, sensitivity=value).tracked[0].usual for value in (0.5, 0.75)]
    assert usual == [-6.0, -5.0]
    assert Tagger(unknown, sensitivity=0.75).tracked == unknown.tags

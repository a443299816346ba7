import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signals import scored

from bowstream.events import Event, EventTracker
from bowstream.model.tags import Tag

DOG = Tag("dog", on=0.6, off=0.4)
CAT = Tag("cat", on=0.5, off=0.5)


def tracker(hop=10, hold_s=1.0, tags=(DOG,)):
    return EventTracker(tags, hop / 10, hold_s)


def track(scores, hop=10, hold_s=1.0, tags=(DOG,), close=True):
    """Return the events of rows of scores that come a hop apart, the first window ending at 1 s."""
    events, machine, end_s = [], tracker(hop, hold_s, tags), 0.0
    for index, row in enumerate(scores):
        end_s = (10 + index * hop) / 10
        events += machine.push(scored(end_s, row))
    return events + (machine.close(end_s) if close else [])


def finished(*args, **kwargs):
    return [event for event in track(*args, **kwargs) if event.offset_s is not None]


def test_onset_offset_peak_and_mean():
    (event,) = finished([0.1, 0.7, 0.9, 0.5, 0.1, 0.1, 0.1])
    assert (event.tag, event.onset_s, event.offset_s) == ("dog", 1.0, 4.0)
    assert event.peak == pytest.approx(0.9)
    assert event.mean == pytest.approx((0.7 + 0.9 + 0.5) / 3)


def test_an_event_is_told_when_it_opens_and_when_it_closes():
    opened, closed = track([0.1, 0.7, 0.9, 0.1, 0.1, 0.1])
    assert (opened.tag, opened.onset_s, opened.offset_s) == ("dog", 1.0, None)
    assert opened.peak == opened.mean == pytest.approx(0.7)
    assert closed.onset_s == opened.onset_s
    assert closed.offset_s == 3.0


def test_between_the_thresholds_nothing_changes():
    assert track([0.5, 0.59, 0.41, 0.5]) == []
    assert len(track([0.6, 0.5, 0.41, 0.59, 0.5], close=False)) == 1


@pytest.mark.parametrize(("score", "opens"), [(0.6, True), (np.nextafter(np.float32(0.6), np.float32(0)), False)])
def test_the_on_threshold_itself_opens(score, opens):
    assert bool(track([score])) is opens


@pytest.mark.parametrize("on", [0.7, 0.3, 0.1, 0.9])
def test_a_score_at_equal_thresholds_is_an_event(on):
    """float32(0.7) is less than 0.7: both comparisons must be in float32."""
    (event,) = finished([np.float32(on)], tags=(Tag("dog", on, on),))
    assert event.peak == event.mean == float(np.float32(on))


def test_lulls_shorter_than_the_hold_belong_to_the_event():
    (event,) = finished([0.9, 0.1, 0.9, 0.1, 0.1, 0.1], hold_s=1.5)
    assert (event.onset_s, event.offset_s) == (0, 3.0)
    assert event.mean == pytest.approx(0.9)  # not of the lull


def test_lulls_as_long_as_the_hold_end_it():
    first, second = finished([0.9, 0.1, 0.1, 0.9, 0.1, 0.1], hold_s=1.0)
    assert (first.onset_s, first.offset_s) == (0, 1.0)
    assert (second.onset_s, second.offset_s) == (3.0, 4.0)


def test_without_hold_the_first_low_window_ends_it():
    _, closed = track([0.9, 0.1], hold_s=0.0, close=False)
    assert closed.offset_s == 1.0


def test_hold_counts_from_the_last_lull():
    """Each return above `off` begins the hold anew."""
    events = track([0.9, 0.1, 0.45, 0.1, 0.45, 0.1, 0.45, 0.1], hold_s=1.0, close=False)
    assert len(events) == 1


def test_short_hops_sharpen_the_onset():
    """At a hop of 0.1 s an event begins in the hop that raised it, not a second before."""
    (event,) = finished([0.1] * 5 + [0.9] * 20 + [0.1] * 30, hop=1)
    assert event.onset_s == 1.4
    assert event.offset_s == 2.5  # beginning of the first window without it


def test_an_event_is_never_shorter_than_a_hop():
    (event,) = finished([0.1] * 5 + [0.9] + [0.1] * 30, hop=1)
    assert event.offset_s - event.onset_s == pytest.approx(0.1)


def test_tags_are_apart():
    events = finished([[0.9, 0.1], [0.9, 0.9], [0.1, 0.9], [0.1, 0.1], [0.1, 0.1]], tags=(DOG, CAT))
    assert [(event.tag, event.onset_s, event.offset_s) for event in events] == [
        ("dog", 0, 2),
        ("cat", 1, 3),
    ]


def test_the_end_closes_what_is_open():
    machine = tracker()
    machine.push(scored(1.0, 0.9))
    assert machine.open_events == [Event("dog", 0, None, pytest.approx(0.9), pytest.approx(0.9))]
    assert machine.close(1.1) == [Event("dog", 0, 1.1, pytest.approx(0.9), pytest.approx(0.9))]
    assert machine.open_events == []
    assert machine.close(1.1) == []


def test_a_close_within_a_lull_goes_back_to_its_beginning():
    machine = tracker(hold_s=10.0)
    for end, score in enumerate([0.9, 0.9, 0.1, 0.1], start=1):
        machine.push(scored(end, score))
    (event,) = machine.close(4.0)
    assert event.offset_s == 2.0


def test_an_event_opens_again_after_a_gap():
    machine, row = tracker(), np.array([0.9], np.float32)
    machine.push(scored(1.0, row))
    (before,) = machine.close(1.0)
    (after,) = machine.push(scored(5.0, row))
    assert (before.offset_s, after.onset_s, after.offset_s) == (1.0, 4.0, None)


@given(
    scores=st.lists(
        st.tuples(st.sampled_from([0.0, 0.3, 0.4, 0.5, 0.6, 0.9]), st.sampled_from([0.0, 0.45, 0.5, 0.55, 1.0])),
        max_size=60,
    ),
    hop=st.integers(1, 10),
    hold_s=st.sampled_from([0.0, 0.1, 0.35, 1.0, 3.0]),
)
def test_events_of_a_tag_take_turns_and_never_overlap(scores, hop, hold_s):
    events = track(scores, hop, hold_s, (DOG, CAT))
    end_s = (10 + (len(scores) - 1) * hop) / 10
    for tag in (DOG, CAT):
        mine = [event for event in events if event.tag == tag.name]
        assert [event.offset_s is None for event in mine] == [True, False] * (len(mine) // 2)
        before = 0
        for opened, closed in zip(mine[::2], mine[1::2]):
            assert opened.onset_s == closed.onset_s
            assert before <= closed.onset_s
            assert round(closed.onset_s + hop / 10, 6) <= closed.offset_s <= end_s
            assert np.float32(tag.on) <= closed.peak
            assert np.float32(tag.off) - 1e-6 <= closed.mean <= closed.peak + 1e-6
            before = closed.offset_s
        raised = any(np.float32(row[(DOG, CAT).index(tag)]) >= np.float32(tag.on) for row in scores)
        assert bool(mine) is raised

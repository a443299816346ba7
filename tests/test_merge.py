"""The same sound at several sources is told once, by the loudest; what is not the same is told as ever."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import Stage

from bowstream.events import Event
from bowstream.merge import Merger
from bowstream.output.values import record_fields
from bowstream.records import Idle


class House:
    """Sources with sound of their own loudness, a merger, and a clock that goes as they are heard."""

    def __init__(self, merge_s=0.5, hop_s=1.0, **levels):
        self.stages = {name: Stage("dog", "rain", source=name) for name in levels}
        self.levels = levels
        self.now_s = 0.0
        self.merger = Merger(merge_s, hop_s, lambda: self.now_s)
        self.told = []

    def take(self, *records):
        for record in records:
            self.told += [one for one in self.merger.push(record) if isinstance(one, Event)]

    def pass_s(self, seconds):
        """Let all of them be heard for so long."""
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            for name, stage in self.stages.items():
                sound = stage.piece()
                self.take(replace(sound, samples=np.full(1600, self.levels[name], np.float32)))

    def begin(self, source, onset_s, tag="dog"):
        self.take(self.stages[source].begin(tag, onset_s))

    def end(self, source, onset_s, offset_s, tag="dog"):
        self.take(self.stages[source].end(tag, onset_s, offset_s))

    @property
    def said(self):
        return [(one.source, one.tag, "on" if one.offset_s is None else "off", one.also) for one in self.told]


def test_the_loudest_tells_it():
    house = House(attic=0.1, hall=0.3, cellar=0.2)
    house.pass_s(2.0)
    house.begin("attic", 1.0)
    house.pass_s(0.3)
    house.begin("hall", 1.4)
    house.begin("cellar", 0.8)
    house.pass_s(1.0)
    assert house.said == []
    house.pass_s(0.3)
    assert house.said == [("hall", "dog", "on", ("attic", "cellar"))]
    house.end("attic", 1.0, 3.0)
    house.end("hall", 1.4, 3.2)
    house.end("cellar", 0.8, 3.1)
    house.pass_s(3.0)
    assert house.said[1:] == [("hall", "dog", "off", ("attic", "cellar"))]
    assert record_fields(house.told[1])["also"] == ["attic", "cellar"]
    assert house.told[0].id == house.told[1].id


def test_one_that_ends_before_it_is_told_is_told_whole():
    house = House(attic=0.1, hall=0.3)
    house.pass_s(2.0)
    house.begin("attic", 1.0)
    house.end("attic", 1.0, 1.5)
    house.pass_s(2.0)
    assert house.said == [("attic", "dog", "on", ()), ("attic", "dog", "off", ())]


def test_one_that_is_late_is_not_told_again():
    house = House(attic=0.1, hall=0.3)
    house.pass_s(2.0)
    house.begin("attic", 1.0)
    house.pass_s(5.0)
    house.begin("hall", 1.2)
    house.end("hall", 1.2, 6.0)
    house.pass_s(5.0)
    house.end("attic", 1.0, 6.0)
    assert house.said == [("attic", "dog", "on", ()), ("attic", "dog", "off", ("hall",))]


@pytest.mark.parametrize(
    ("source", "onset_s", "tag"), [("hall", 1.6, "dog"), ("hall", 1.0, "rain"), ("attic", 1.4, "dog")]
)
def test_what_is_not_the_same_is_told_beside_it(source, onset_s, tag):
    """Later than that, another sound, or the same source again."""
    house = House(attic=0.1, hall=0.3)
    house.pass_s(2.0)
    house.begin("attic", 1.0)
    house.begin(source, onset_s, tag)
    house.pass_s(2.0)
    assert sorted(house.said) == sorted([("attic", "dog", "on", ()), (source, tag, "on", ())])


def test_other_records_and_events_without_a_date_pass_at_once():
    merger, stage = Merger(1.0, 1.0), Stage("dog", source="attic")
    undated = replace(stage.begin("dog", 0.0), time=None)
    records = [stage.scores(), Idle(), stage.notice("away", "gone"), *stage.gap(1.0), undated, stage.info]
    assert [list(merger.push(record)) for record in records] == [[record] for record in records]


def test_at_the_end_nothing_is_held_back():
    house = House(attic=0.1)
    house.begin("attic", 0.0)
    house.end("attic", 0.0, 0.5)
    assert [one.offset_s for one in house.merger.flush()] == [None, 0.5]
    assert list(house.merger.flush()) == []


def test_memory_is_bounded():
    house = House(attic=0.1, hall=0.3)
    for number in range(100):
        house.begin("attic", 10.0 * number)
        house.end("attic", 10.0 * number, 10.0 * number + 1.0)
        house.now_s += 10.0
        house.pass_s(0.1)
    assert len(house.told) == 2 * 100
    assert sum(map(len, house.merger._known.values())) < 10
    house.pass_s(60.0)
    assert all(len(sounds) <= 301 for sounds in house.merger._sounds.values())


@given(st.lists(st.tuples(st.sampled_from(["attic", "hall"]), st.integers(0, 30), st.integers(1, 9)), max_size=8))
def test_each_event_that_is_told_begins_once_and_ends_once(barks):
    """Whatever is heard: of each source's events, either both ends are told or neither."""
    house, free = House(attic=0.1, hall=0.3), {"attic": 0.0, "hall": 0.0}
    steps = []
    for source, start, length in sorted(barks, key=lambda bark: bark[1]):
        onset_s = max(start / 10.0, free[source])
        free[source] = onset_s + length / 10.0
        steps += [(onset_s, house.begin, (source, onset_s)), (free[source], house.end, (source, onset_s, free[source]))]
    for at_s, act, what in sorted(steps, key=lambda step: step[0]):
        house.pass_s(max(0.0, at_s - house.now_s))
        act(*what)
    house.told += list(house.merger.flush())
    states = {}
    for one in house.told:
        states.setdefault(one.id, []).append(one.offset_s is None)
    assert all(told == [True, False] for told in states.values())
    assert bool(states) == bool(barks)

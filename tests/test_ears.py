"""Several sources at once: each is heard as if it were alone, and says which one it is."""

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue

import numpy as np
import pytest
from signals import blocks, noise, scene

from bowstream.audio.capture import WAITING, Capture
from bowstream.audio.source import Block
from bowstream.cli.setup import open_ears, personalised
from bowstream.config.file import read
from bowstream.config.settings import SourceSettings, TagSettings
from bowstream.errors import AudioError, BowstreamError, DeviceError, UsageError
from bowstream.events import Event
from bowstream.output.lines import JsonLines, PlainLines
from bowstream.output.values import record_fields
from bowstream.records import Gap, Idle, Sound
from bowstream.scores import Scores
from bowstream.session import Session
from bowstream.tagger import Tagger


class Script:
    """A source that yields what it is told, and then raises or ends; entering it may fail, too."""

    name, duration_s, live, clipped, overflows = "script", None, True, 3, 2

    def __init__(self, *steps, fails=None, absent=None):
        self.steps, self.fails, self.absent = steps, fails, absent
        self.closed = threading.Event()

    @contextmanager
    def opened(self):
        if self.absent:
            raise self.absent
        try:
            yield self
        finally:
            self.closed.set()

    def __iter__(self):
        for step in self.steps:
            yield step() if callable(step) else step
        if self.fails:
            raise self.fails


def ears_of(bundle, scripts, **settings):
    """Ears as the configuration makes them, of scripts by name."""
    sources = {name: SourceSettings(device=name, **settings) for name in scripts}
    return open_ears(sources, dict.fromkeys(scripts, bundle), lambda source, _: scripts[source.device].opened())


def heard(bundle, scripts, **settings):
    with ears_of(bundle, scripts, **settings) as ears:
        return [record for record in ears if not isinstance(record, Idle)]


def columns(sound):
    return [Block(column) for column in blocks(sound, 1600)]


def plain(records):
    """What records say, without when and where."""
    said = [record_fields(record) for record in records]
    return [{key: value for key, value in one.items() if key not in ("source", "time", "id")} for one in said if one]


@pytest.fixture(scope="module")
def eager(bundle):
    """The bundle with thresholds that sounds meet, so that there are events."""
    return replace(bundle, tags=tuple(replace(tag, on=0.01, off=0.005) for tag in bundle.tags))


def test_each_is_heard_as_if_it_were_alone(eager):
    sounds = {"kitchen": scene(4.0), "hall": scene(3.0, seed=5), "garden": noise(2.0)}
    records = heard(eager, {name: Script(*columns(sound)) for name, sound in sounds.items()})
    for name, sound in sounds.items():
        own = [record for record in records if record.source == name]
        alone = list(Session(Script(*columns(sound)), Tagger(eager)))
        assert plain(own) == plain(alone) and len(plain(own)) > 2
        assert np.array_equal(np.concatenate([one.samples for one in own if isinstance(one, Sound)]), sound)
    assert {record.source for record in records} == set(sounds)


def test_the_networks_are_shared(bundle):
    ears = ears_of(bundle, {"kitchen": Script(), "hall": Script()})
    one, two = (session.tagger.bundle for session in ears.sessions)
    assert one.encoders is two.encoders and one.head.network is two.head.network


def test_settings_thresholds_and_muted_tags_are_each_its_own(bundle, written):
    text = """
        hop_s = 0.5
        on = 0.3
        off = 0.2
        [tags.dog]
        alias = "Rex"
        [sources.kitchen]
        device = "a"
        [sources.kitchen.tags.dog]
        on = 0.9
        [sources.hall]
        hop_s = 0.1
        on = 0.4
        [sources.hall.tags.dog]
        muted = true
    """
    config = read(written(text))
    bundles = personalised(config, bundle)
    kitchen, hall = config.settings.sources["kitchen"], config.settings.sources["hall"]
    assert (kitchen.device, kitchen.hop_s, kitchen.on) == ("a", 0.5, 0.3)
    assert (hall.device, hall.hop_s, hall.on, hall.off) == (None, 0.1, 0.4, 0.2)
    assert kitchen.tags == {"dog": TagSettings(on=0.9, alias="Rex")}
    tags = {name: {tag.name: tag.on for tag in one.tags} for name, one in bundles.items()}
    assert (tags["kitchen"]["Rex"], tags["kitchen"]["cat"]) == (0.9, 0.3)
    assert "Rex" not in tags["hall"] and tags["hall"]["cat"] == 0.4
    assert tags[""]["Rex"] == 0.3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources = 3", ":1: sources must be tables [sources.NAME]"),
        ("[sources]\nkitchen = 3", ":2: [sources.kitchen] must be a table (got 3)"),
        ("[sources.kitchen]\nhop = 1.0", ":2: [sources.kitchen] has no setting 'hop'; did you mean 'hop_s'?"),
        ("[sources.kitchen]\nhop_s = 2", ":2: hop_s must be 0.1 … 1 (got 2)"),
        ("on = 0.3\n[sources.kitchen]\noff = 0.4", ":3: off must be at most on, which is 0.3 (got 0.4)"),
        ("[sources.kitchen]\nonly = ['doog']", ":2: the bundle has no tag or group 'doog'; did you mean 'dog'?"),
        ("[sources.kitchen.tags.doog]\non = 0.1", ":1: the bundle has no tag 'doog'; did you mean 'dog'?"),
        ("[sources.kitchen.tags]\ndog = 1", ":2: [sources.kitchen.tags.dog] must be a table (got 1)"),
        ("[sources.'a/b']\n", ":1: a source's name must be 1 … 40 printable characters without / (got 'a/b')"),
        ("[sources.'']\n", ":1: a source's name must be 1 … 40 printable characters without / (got '')"),
        ("[sources.kitchen]\nbundle = 'x'", ":2: [sources.kitchen] has no setting 'bundle'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, complaint, bundle, written):
    config = read(written(text))
    with pytest.raises(UsageError) as raised:
        personalised(config, bundle)
    assert complaint in str(raised.value)


def test_a_flag_overrides_each_source_but_none_names_a_microphone(bowstream, written):
    from bowstream.config.file import load

    file = written("[sources.kitchen]\nhop_s = 0.5\n[sources.hall]\n")
    sources = load(file, {"hop_s": 0.2, "hold_s": 3.0}).settings.sources
    assert {(source.hop_s, source.hold_s) for source in sources.values()} == {(0.2, 3.0)}
    status, out, err = bowstream("listen", "--config", file, "--device", "USB")
    assert (status, out) == (2, "")
    assert "--device is about one microphone" in err and err.count("\n") == 1


def test_one_that_fails_disturbs_no_other(eager):
    """Whatever goes wrong with one, and whenever: the others are as if it were not there."""
    sound = scene(3.0)
    alone = plain(Session(Script(*columns(sound)), Tagger(eager)))
    broken = {
        "absent": Script(absent=DeviceError("'USB' is not there")),
        "gone": Script(*columns(noise(1.0)), fails=DeviceError("'USB' went away")),
        "damaged": Script(*columns(noise(1.3)), fails=AudioError("NaN: the sound is damaged")),
        "buggy": Script(*columns(noise(1.0)), fails=ZeroDivisionError("division by zero")),
    }
    records = []
    with ears_of(eager, {**broken, "well": Script(*columns(sound))}) as ears, pytest.raises(BowstreamError) as raised:
        records.extend(ears)
    assert plain(record for record in records if getattr(record, "source", "") == "well") == alone
    notices = {record.source: record.text for record in records if getattr(record, "kind", "") == "away"}
    assert notices.keys() == broken.keys()
    assert notices["absent"].startswith("'USB' is not there; ") and "ZeroDivisionError" in notices["buggy"]
    assert len(raised.value.lines) == 4
    begun = {(one.source, one.tag) for one in records if isinstance(one, Event) and one.offset_s is None}
    ended = {(one.source, one.tag) for one in records if isinstance(one, Event) and one.offset_s is not None}
    assert begun == ended and begun
    windows = {name: sum(isinstance(one, Scores) for one in records if one.source == name) for name in broken}
    assert windows == {"absent": 0, "gone": 1, "damaged": 2, "buggy": 1}


def test_one_that_hangs_holds_up_no_other(eager):
    hung = threading.Event()
    scripts = {"hangs": Script(lambda: hung.wait(30.0) and None), "well": Script(*columns(scene(3.0)))}
    with ears_of(eager, scripts) as ears:
        started_s = time.monotonic()
        for record in ears:
            if isinstance(record, Scores) and record.end_s == 3.0:
                break
        assert time.monotonic() - started_s < 20.0
        assert any(isinstance(record, Idle) for record in ears_until_idle(ears))
        ears.stop()
        hung.set()


def ears_until_idle(ears):
    for record in ears:
        yield record
        if isinstance(record, Idle):
            return


def test_a_source_waits_while_the_loop_is_slow():
    """No more is taken from it than fits, so that it counts what it loses itself."""
    taken = []

    class Endless(Script):
        def __iter__(self):
            while True:
                taken.append(len(taken))
                yield Block(np.zeros(1600, np.float32))

    inbox = SimpleQueue()
    capture = Capture("kitchen", Endless().opened, inbox)
    capture.start()
    deadline = time.monotonic() + 10.0
    while inbox.qsize() < WAITING and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert (inbox.qsize(), len(taken)) == (WAITING, WAITING + 1)
    inbox.get()
    capture.taken()
    time.sleep(0.1)
    assert (inbox.qsize(), len(taken)) == (WAITING, WAITING + 2)
    capture.stop()
    capture.join()


def test_stopping_closes_every_source(eager):
    scripts = {name: Script(*columns(noise(30.0)), lambda: None) for name in ("kitchen", "hall")}
    with ears_of(eager, scripts) as ears:
        for record in ears:
            if isinstance(record, Scores):
                ears.stop()
    assert all(script.closed.wait(5.0) for script in scripts.values())


def test_a_gap_is_of_one_source(eager):
    lossy = Script(*columns(noise(1.0)), Block(np.empty(0, np.float32), 8000), *columns(noise(1.0)))
    records = heard(eager, {"lossy": lossy, "well": Script(*columns(noise(2.0)))})
    assert [(record.source, record.length_s) for record in records if isinstance(record, Gap)] == [("lossy", 0.5)]


def test_outputs_say_which(eager, tmp_path):
    scripts = {"kitchen": Script(*columns(scene(2.0))), "living room": Script(*columns(scene(2.0)))}
    ears = ears_of(eager, scripts)
    with (tmp_path / "json").open("w") as objects, (tmp_path / "plain").open("w") as lines, ears:
        healths = {session.info.key: session.health for session in ears.sessions}
        outputs = JsonLines(objects, healths), PlainLines(lines)
        for record in ears:
            for output in outputs:
                output.write(record)
    told = [json.loads(line) for line in (tmp_path / "json").read_text().splitlines()]
    assert {one["source"] for one in told} == set(scripts)
    assert all(one["health"]["clipped"] == 3 for one in told if one["type"] == "hop")
    for line in (tmp_path / "plain").read_text().splitlines():
        assert line.partition(" s  ")[2].startswith(("kitchen: ", "living room: "))
    ids = [one["id"] for one in told if one["type"] == "event" and one["state"] == "on"]
    assert len(ids) == len(set(ids)) > 1


def test_a_session_alone_names_no_source(eager):
    records = list(Session(Script(*columns(scene(2.0))), Tagger(eager)))
    assert {record.source for record in records} == {""}
    assert all("source" not in record_fields(record) for record in records)


def test_the_same_sound_is_told_once_if_that_is_set(eager):
    sound = scene(3.0)
    alone = [one.tag for one in Session(Script(*columns(sound)), Tagger(eager)) if isinstance(one, Event)]
    scripts = {"kitchen": Script(*columns(sound)), "hall": Script(*columns(sound))}
    sources = {name: SourceSettings(device=name) for name in scripts}
    bundles = dict.fromkeys(scripts, eager)
    with open_ears(sources, bundles, lambda source, _: scripts[source.device].opened(), merge_s=5.0) as ears:
        told = [record for record in ears if isinstance(record, Event)]
    assert sorted(one.tag for one in told) == sorted(alone)
    assert all({one.source, *one.also} == set(scripts) for one in told)

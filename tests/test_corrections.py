"""Verdicts on events: what was wrong is not heard again, everything else as before."""

import functools
import json
import os
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from broker import needs_mosquitto
from signals import scene
from stage import Stage, at, until
from taught import a_tag, taught
from test_sinks_mqtt import broker, mqtt_settings, reader  # noqa: F401

from bowstream._ids import event_id, onset_of
from bowstream.cli.main import main
from bowstream.config.sinks import HistorySettings
from bowstream.errors import BowstreamError
from bowstream.events import Event
from bowstream.learn import evidence, store
from bowstream.learn.background import read_background
from bowstream.learn.correct import STEP, Corrector, correct, threshold_of, too_many
from bowstream.learn.evidence import Evidence, Peaks
from bowstream.model.learned import Example, Verdict, nothing_learned
from bowstream.model.learned_file import encoded, read_learned
from bowstream.sinks import Sinks
from bowstream.sinks.learning import Learning, Places
from bowstream.tagger import Tagger

ID = event_id(at(1.5), "stage", "dog")


@pytest.fixture(scope="module")
def corrector(bundle):
    return Corrector.of(bundle)


@pytest.fixture(scope="module")
def heard(bundle):
    """A window of a made-up scene, and the tag that it scores highest."""
    scores = max(Tagger(bundle).tag(scene(6.0)).windows, key=lambda each: each.array.max())
    return scores, scores.top(1)[0][0]


def of(heard, event=ID):
    scores, name = heard
    return Evidence(event, name, scores_bundle(), scores.codes)


@functools.cache
def scores_bundle():
    import bowstream

    return bowstream.load_bundle().description["sha256"]


def test_a_wrong_event_is_not_raised_again_and_other_tags_are_as_before(bundle, corrector, heard):
    scores, name = heard
    corrected = corrector.judge(nothing_learned(bundle), of(heard), name, right=False)
    on = next(tag.on for tag in bundle.tags if tag.name == name)
    assert corrected.before == pytest.approx(scores[name], abs=1e-5) and corrected.after < min(on, corrected.before)
    place = scores.tags.index(name)
    again = Tagger(corrected.learned.applied(bundle)).tag(scene(6.0)).scores
    plain = Tagger(bundle).tag(scene(6.0)).scores
    assert (again[:, place] <= plain[:, place]).all()
    assert np.array_equal(np.delete(again, place, axis=1), np.delete(plain, place, axis=1))
    assert "1 wrong, 0 right" in str(corrected)


def test_most_everyday_sound_is_let_alone(bundle, corrector, heard):
    _, name = heard
    corrected = corrector.judge(nothing_learned(bundle), of(heard), name, right=False).learned
    (row,) = corrected.rows
    background = corrector.background.features
    assert (row(background) > 0.0).mean() <= 0.1 + 1 / len(background)


def test_what_is_taken_back_leaves_nothing(bundle, corrector, heard):
    _, name = heard
    wrong = corrector.judge(nothing_learned(bundle), of(heard), name, right=False).learned
    assert corrector.judge(wrong, of(heard), name, right=None).learned == nothing_learned(bundle)
    changed = corrector.judge(wrong, of(heard), name, right=True)
    assert changed.learned.corrections[0].counts == (1, 0) and changed.after == pytest.approx(changed.before, abs=1.0)
    assert changed.after == pytest.approx(heard[0][name], abs=1e-5)


def test_right_events_are_not_lowered_with_the_wrong_ones(bundle, corrector, heard):
    """The same sound was right twice and wrong once: it goes on being raised."""
    scores, name = heard
    learned = nothing_learned(bundle)
    for place, right in enumerate((True, True, False)):
        learned = corrector.judge(learned, of(heard, f"{ID[:-1]}{place}"), name, right).learned
    assert score(bundle, learned, heard) == pytest.approx(scores[name], abs=1e-5)


DAY = 86_400.0


def judged(at_s, right=False):
    """A verdict on an event that began then."""
    return Verdict(event_id(at(at_s), "stage", "dog"), right, np.zeros(1, np.int8))


def test_an_id_says_when_its_event_began():
    assert onset_of(event_id(at(1.5), "stage", "dog")) == at(1.5)


@pytest.mark.parametrize(
    ("verdicts", "per_day", "expected"),
    [
        ([judged(0.0)], 1.0, 0.0),  # one a day is put up with
        ([judged(0.0), judged(60.0), judged(120.0)], 1.0, pytest.approx(2.0, abs=0.01)),
        ([judged(120.0), judged(0.0), judged(60.0)], 1.0, pytest.approx(2.0, abs=0.01)),  # in any order
        ([judged(DAY * day) for day in range(9)], 1.0, 0.0),
        ([judged(DAY * day) for day in range(9)], 0.5, pytest.approx(0.5 + 8 * 0.5)),
        ([judged(0.0), judged(1.0), judged(2.0, right=True)], 1.0, pytest.approx(0.0, abs=0.01)),
        ([judged(0.0, right=True)] * 5 + [judged(1.0), judged(2.0)], 1.0, pytest.approx(1.0, abs=0.01)),
        ([judged(0.0), judged(1.0)], 0.0, 2.0),
    ],
)
def test_wrong_events_are_too_many_beyond_the_wanted_rate(verdicts, per_day, expected):
    assert too_many(verdicts, per_day) == expected


def test_the_threshold_moves_with_the_wanted_rate_and_back(bundle, heard):
    scores, _ = heard
    tag = a_tag(bundle, "machine", 1.0)
    background = Corrector.of(bundle).background
    raised = []
    for per_day in (1.0, 0.0):
        corrector, learned = Corrector(bundle, background, per_day), taught(bundle, tag)
        for second in range(3):
            evidence = replace(of(heard, event_id(at(second), "stage", "machine")), tag="machine")
            learned = corrector.judge(learned, evidence, "machine", right=False).learned
        raised.append(learned.correction("machine").raised)
        head = learned.applied(bundle).head
        silent = np.zeros_like(scores.codes)[np.newaxis]
        assert head.logits_of(head.hidden(silent))[0, -1] <= 1.0 - np.float32(raised[-1]) + 1e-6
    assert raised == [pytest.approx(2 * STEP, abs=0.01), pytest.approx(3 * STEP)]
    for second in range(3, 7):
        evidence = replace(of(heard, event_id(at(second), "stage", "machine")), tag="machine")
        learned = corrector.judge(learned, evidence, "machine", right=True).learned
    assert learned.correction("machine").raised == 0.0


def score(bundle, learned, heard):
    scores, name = heard
    head = learned.applied(bundle).head
    return float(head(scores.codes[np.newaxis])[0, scores.tags.index(name)])


def test_one_wrong_event_leaves_more_of_what_a_tag_is_right_about(bundle, corrector, monkeypatch):
    """The wrong one is like what raises the tag in everyday sound, most of which is it."""
    names = bundle.output_names
    on = {tag.name: threshold_of(bundle, nothing_learned(bundle), tag.name) for tag in bundle.tags}
    raising = {name: np.flatnonzero(corrector.everyday_logits[:, names.index(name)] >= on[name]) for name in on}
    name = min((each for each in on if len(raising[each]) >= 15), key=lambda each: len(raising[each]))
    codes = read_background(bundle)[raising[name][-1]]
    evidence = Evidence(ID, name, scores_bundle(), codes)

    def kept():
        head = corrector.judge(nothing_learned(bundle), evidence, name, right=False).learned.applied(bundle).head
        logits = head.logits_of(corrector.background.hidden[raising[name]])[:, names.index(name)]
        return (logits >= on[name]).mean()

    now = kept()
    monkeypatch.setattr(corrector, "raising", lambda name, on: corrector.background.features[:0])
    assert now > kept() + 0.1


def test_a_learned_tag_is_corrected_and_keeps_its_examples(bundle, corrector, heard):
    scores, _ = heard
    hidden = bundle.head.hidden(scores.codes[np.newaxis])
    everyday = bundle.head.hidden(np.zeros_like(scores.codes)[np.newaxis])
    tag = replace(a_tag(bundle, "machine", 1.0), examples=(Example("other", 0.0, 1.0, everyday),))
    known = taught(bundle, tag)
    wrong = replace(of(heard), tag="machine")
    corrected = corrector.judge(known, wrong, "machine", right=False)
    assert corrected.before == pytest.approx(1 / (1 + np.exp(-1.0))) and corrected.after < 0.5
    head = corrected.learned.applied(bundle).head
    assert head.logits_of(everyday)[0, -1] == pytest.approx(1.0)
    assert head.logits_of(hidden)[0, -1] < 0.0
    assert corrected.learned.without_tag("machine") == nothing_learned(bundle)


def test_what_cannot_be_learned_from_is_refused(bundle, corrector, heard):
    _, name = heard
    with pytest.raises(BowstreamError, match="another bundle"):
        corrector.judge(nothing_learned(bundle), replace(of(heard), bundle="0" * 64), name, right=False)
    with pytest.raises(BowstreamError, match="not a tag any more"):
        corrector.judge(nothing_learned(bundle), of(heard), "gone", right=False)


def test_a_correction_is_in_the_file(bundle, corrector, heard, tmp_path):
    _, name = heard
    path = tmp_path / "learned.npz"
    learned = correct(path, corrector, of(heard), name, False).learned
    again = read_learned(path)
    assert again == learned and again.corrections[0].verdicts[0].event == ID
    assert all(np.array_equal(encoded(again)[each], array) for each, array in encoded(learned).items())
    store.undo(path)
    assert read_learned(path).corrections == ()


# What events were raised by


def test_the_hop_that_scores_highest_is_what_an_event_is_raised_by():
    stage, peaks = Stage("dog", "rain"), Peaks("sha")
    codes = {score: np.full((3, 143), place) for place, score in enumerate((0.7, 0.9, 0.8))}
    found = []
    for value, each in codes.items():
        peaks.score(replace(stage.scores(dog=value, rain=0.95), codes=each))
        if value == 0.7:
            found.append(peaks.event(Event("dog", 1.5, None, 0.7, 0.7, at(1.5), ID)))
    found.append(peaks.event(Event("dog", 1.5, 3.0, 0.9, 0.8, at(3.0), ID)))
    assert [int(each.codes[0, 0]) for each in found] == [0, 1]
    assert [(each.event, each.tag, each.bundle) for each in found] == [(ID, "dog", "sha")] * 2


def test_evidence_is_private_and_bounded(tmp_path, monkeypatch):
    path = tmp_path / "evidence.db"
    monkeypatch.setattr(evidence, "DROP_OLDEST", evidence.DROP_OLDEST.replace(str(evidence.MOST), "3"))
    codes = np.arange(429).reshape(3, 143)
    for number in range(5):
        evidence.keep(path, Evidence(f"{number:013d}", "dog", "sha", codes))
    assert path.stat().st_mode & 0o777 == 0o600
    found = [evidence.find(path, f"{number:013d}") for number in range(5)]
    assert [each is not None for each in found] == [False, False, True, True, True]
    assert np.array_equal(found[-1].codes, codes) and found[-1].bundle == "sha"
    assert evidence.find(tmp_path / "absent.db", ID) is None
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(BowstreamError, match=r"evidence\.db"):
        evidence.find(path, ID)


# While it listens


@pytest.fixture
def places(tmp_path):
    return Places(None, tmp_path / "learned.npz", tmp_path / "evidence.db")


def raised(stage, heard):
    """Records of an event that a window raises."""
    scores, name = heard
    return (
        replace(scores, time=at(2.0)),
        Event(name, 1.5, None, 0.9, 0.9, at(1.5), ID),
        Event(name, 1.5, 2.5, 0.9, 0.9, at(2.5), ID),
    )


def said_of(sink):
    lines = []
    until(lambda: lines.extend(sink.warnings()) or lines)
    return lines


def test_a_verdict_is_learned_from_while_it_listens(bundle, heard, places):
    scores, name = heard
    with Learning(places, [Stage().info], bundle, lambda tag: tag) as sink:
        Stage().play(sink, *raised(None, heard))
        sink.judged(ID, "wrong")
        (line,) = said_of(sink)
        assert f"{name}: 1 wrong" in line and sink.report().lost == 0
        assert score(bundle, read_learned(places.learned), heard) < scores[name]
        sink.judged(ID, None)
        said_of(sink)
        assert read_learned(places.learned).corrections == ()
        sink.judged("0" * 13, "wrong")
        assert "not known" in said_of(sink)[0]


def test_without_a_history_the_newest_events_are_known_and_nothing_is_kept(bundle, heard, places):
    with Learning(replace(places, evidence=None), [Stage().info], bundle, lambda tag: tag) as sink:
        Stage().play(sink, *raised(None, heard))
        sink.judged(ID, "wrong")
        assert f"{heard[1]}: 1 wrong" in said_of(sink)[0]
    assert not places.evidence.exists()


def test_the_name_that_the_bundle_has_is_corrected(bundle, heard, places):
    scores, name = heard
    aliased = replace(scores, tags=tuple("Rex" if each == name else each for each in scores.tags))
    with Learning(places, [Stage().info], bundle, lambda tag: {"Rex": name}.get(tag, tag)) as sink:
        Stage().play(sink, *raised(None, (aliased, "Rex")))
        sink.judged(ID, "wrong")
        assert f"{name}: 1 wrong" in said_of(sink)[0]


def test_damaged_evidence_begins_anew(bundle, heard, places):
    places.evidence.write_bytes(b"nonsense" * 1000)
    with Learning(places, [Stage().info], bundle, lambda tag: tag) as sink:
        sink.first_wait_s = 0.01
        Stage().play(sink, *raised(None, heard))
        until(lambda: sink.report().delivered == 2)
    assert evidence.find(places.evidence, ID).tag == heard[1]


def test_a_file_that_cannot_be_written_is_said_in_a_line(bundle, heard, places, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with Learning(places, [Stage().info], bundle, lambda tag: tag) as sink:
        Stage().play(sink, *raised(None, heard))
        until(lambda: sink.report().waiting == 0)
        monkeypatch.setattr(os, "fsync", full)
        sink.judged(ID, "wrong")
        (line,) = said_of(sink)
    assert "No space left" in line and not places.learned.exists()


@needs_mosquitto
def test_a_verdict_over_mqtt_and_the_button_of_home_assistant(bundle, heard, places, broker, reader):  # noqa: F811
    stage = Stage(*(tag.name for tag in bundle.tags))
    sinks = Sinks(stage.info, stage.health, {"mqtt": mqtt_settings(broker)}, print)
    learning = Learning(places, [Stage().info], bundle, lambda tag: tag)
    sinks.add(learning)
    with sinks:
        stage.play(sinks, *raised(stage, heard))
        until(lambda: reader.said("bowstream/kitchen/event/off"))
        (device, *_) = reader.objects("homeassistant/device/bowstream_kitchen/config")
        button = device["components"]["wrong"]
        assert button["platform"] == "button" and "state_topic" not in button
        reader.say(button["command_topic"], button["payload_press"])
        until(lambda: places.learned.exists() and read_learned(places.learned).corrections)
        assert read_learned(places.learned).corrections[0].verdicts[0].event == ID


# The command line


@pytest.fixture
def past(bundle, heard, tmp_path, monkeypatch):
    """A history with an event in it, and what it was raised by."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    state = tmp_path / "state" / "bowstream"
    stage = Stage(*(tag.name for tag in bundle.tags))
    settings = {"history": HistorySettings(path=str(state / "history.db"), days=36_500.0)}
    sinks = Sinks(stage.info, stage.health, settings, print)
    sinks.add(Learning(Places(None, tmp_path / "x", state / "evidence.db"), [stage.info], bundle, lambda tag: tag))
    with sinks:
        stage.play(sinks, *raised(stage, heard))
    return tmp_path / "config" / "bowstream" / "learned.npz"


def test_wrong_on_the_command_line_corrects_and_is_taken_back(past, heard, capsys):
    _, name = heard
    assert main(["wrong", "last"]) == 0
    assert f"{name}: 1 wrong, 0 right; the sound of this event scored" in capsys.readouterr().out
    assert main(["learned", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"corrected": name, "wrong": 1, "right": 0}
    assert main(["learned"]) == 0
    assert f"{name}: corrected by 1 wrong, 0 right events" in capsys.readouterr().out
    assert main(["forget", "--corrections", name]) == 0
    assert f"the corrections of {name} are removed" in capsys.readouterr().out
    assert read_learned(past).corrections == ()
    assert main(["forget", "--undo"]) == 0
    assert read_learned(past).corrections[0].name == name
    assert main(["wrong", ID, "--undo"]) == 0
    assert read_learned(past).corrections == ()
    capsys.readouterr()
    assert main(["forget", "--corrections", name]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_event_without_evidence_is_judged_and_that_is_said(past, capsys):
    with sqlite3.connect(past.parents[2] / "state" / "bowstream" / "evidence.db") as connection:
        connection.execute("DELETE FROM evidence")
    assert main(["wrong", "last"]) == 0
    out, err = capsys.readouterr()
    assert "wrong" in out and "nothing is learned from it" in err and not past.exists()

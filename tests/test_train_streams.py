"""Scenes, the events on them, and thresholds chosen by them."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import soundfile

import bowstream
from bowstream.events import Event
from bowstream.model.bundle import DESCRIPTION, digest
from train.cli import main
from train.dataset import made_up
from train.dataset.data import Clip, data_set
from train.dataset.negatives import Negative
from train.dataset.scenes import MOST_CLIPS, Placed, Scene, active, backgrounds_alone, chosen, in_a_quiet_room, scenes
from train.measure.detection import area, f1, onset_errors, psds
from train.measure.hearing import scenes_for
from train.measure.streams import Heard, by_bundle, matched, sigmoid, usual_of, with_usual
from train.measure.tuning import counted, highest_shift, hours, shift_for, tune
from train.model.bundle import TagCalibration, rewrite, seal
from train.report import support

pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("sed_eval", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("psds_eval", reason="needs the train extra: pip install -e '.[train]'")

RATE = 16_000
LEVELS = np.zeros((0, 12), np.float32)


def noise(seconds, level, seed):
    return np.random.default_rng(seed).normal(0.0, level, int(seconds * RATE)).astype(np.float32)


def placed(tags, onset_s, offset_s, may=()):
    return Placed((tags,) if isinstance(tags, str) else tags, frozenset(may), onset_s, offset_s)


def heard(rows, *things, may=(), hop_s=1.0, name="a", snr_db=0.0):
    """What is heard of a scene of 20 s; the tags are "cat" and "dog"."""
    scene = Scene(name, np.empty(0, np.float32), things, frozenset(may), snr_db if things else None, 20 * RATE)
    return Heard(scene, np.array(rows, np.float32), LEVELS, hop_s)


def event(tag, onset_s, offset_s):
    return Event(tag, onset_s, offset_s, 0.9, 0.9)


def test_the_sounding_part_of_a_clip():
    silence = np.zeros(RATE, np.float32)
    assert len(active(np.concatenate([silence, noise(0.5, 0.1, 0), silence]))) == RATE // 2
    assert len(active(noise(9.0, 0.1, 0))) == 5 * RATE
    assert len(active(silence)) == RATE and len(active(silence[:50])) == 0


@pytest.fixture
def sounds(tmp_path):
    clips = []
    for number in range(30):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, noise(0.5 + 0.1 * (number % 5), 0.1, number), RATE)
        source = f"place {number % 3}"
        clips.append(Clip(path.name, path, ("dog" if number % 2 else "cat",), "1", source, may=frozenset({"bird"})))
    soundfile.write(tmp_path / "room.wav", noise(20.0, 0.01, 99), RATE)
    bed = Negative(tmp_path / "room.wav", "room", 0, "", may=frozenset({"speech"}))
    return data_set("set", clips, ""), bed


def test_scenes_hold_each_chosen_clip_once_where_they_say(sounds):
    data, bed = sounds
    made = list(scenes(data, np.arange(30), [bed]))
    assert sum(len(scene.placed) for scene in made) == 2 * MOST_CLIPS
    assert {scene.snr_db for scene in made} == {0.0, 6.0, 12.0} or len(made) < 3
    for scene in made:
        assert scene.duration_s == 60.0 and scene.may == {"speech"} and scene.samples.dtype == np.float32
        for before, after in zip(scene.placed, scene.placed[1:]):
            assert 2.0 <= after.onset_s - before.offset_s <= 5.0
        one = scene.placed[0]
        first, end = round(one.onset_s * RATE), round(one.offset_s * RATE)
        loud, quiet = (np.mean(np.square(part)) for part in (scene.samples[first:end], scene.samples[:first]))
        assert 10 * np.log10(loud / quiet - 1.0) == pytest.approx(scene.snr_db, abs=1.0)
        assert one.may == {"bird"}
    again = list(scenes(data, np.arange(30), [bed]))
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(made, again))


def test_clips_come_from_as_many_sources_as_there_are(sounds):
    data, _ = sounds
    found = chosen(data, np.arange(30))
    for tag in ("dog", "cat"):
        sources = [data.clips[clip].source for clip in found if tag in data.clips[clip].tags]
        assert {source: sources.count(source) for source in sources} == {
            f"place {n}": MOST_CLIPS // 3 for n in range(3)
        }


def test_brief_sounds_stand_once_in_a_quiet_room(sounds):
    data, _ = sounds
    made = list(in_a_quiet_room(data, np.arange(30)))
    assert len(made) == 2 * MOST_CLIPS
    for scene in made:
        (one,) = scene.placed
        first, end = round(one.onset_s * RATE), round(one.offset_s * RATE)
        loudest = np.abs(scene.samples[first:end]).max()
        assert 20 * np.log10(loudest / scene.samples[: first - 1].std()) == pytest.approx(40.0, abs=0.5)
        assert 3.0 <= one.onset_s <= 4.0 and scene.duration_s == 8.0


def test_a_background_is_as_it_was_recorded(sounds):
    (scene,) = backgrounds_alone([sounds[1]])
    assert scene.placed == () and scene.duration_s == 20.0 and scene.samples.std() == pytest.approx(0.01, rel=0.02)


def test_events_are_those_of_the_tracker_and_of_tags_that_may_not_sound():
    rows = np.full((20, 2), -5.0)
    rows[5:7] = 5.0
    one = heard(rows, placed("dog", 5.0, 7.0), may={"cat"})
    (found,) = one.events(("cat", "dog"))
    assert (found.tag, found.onset_s, found.offset_s) == ("dog", 5.0, 7.0)
    assert one.events(("cat", "dog"), -10.0) == []
    assert len(one.events(("cat", "dog"), np.array([0.0, 10.0], np.float32))) == 1


def test_events_of_what_is_placed_or_may_be_there_are_not_false():
    things = [placed(("dog", "bark"), 5.0, 6.0, may={"bird"}), placed("cat", 12.0, 13.0)]
    events = [event("dog", 5.5, 7.0), event("bird", 5.5, 6.0), event("bird", 15.0, 16.0), event("cat", 5.5, 6.0)]
    false, found = matched(events, things)
    assert [(one.tag, one.onset_s) for one in false] == [("bird", 15.0), ("cat", 5.5)]
    assert found == [("dog", True), ("bark", False), ("cat", False)]


def test_f1_and_psds_of_the_fields_packages():
    one = heard(np.zeros((20, 2)), placed("dog", 2.0, 3.0), placed("cat", 6.0, 8.0))
    right = [event("dog", 2.3, 3.0), event("cat", 6.0, 8.0)]
    assert f1([one], [right], ("cat", "dog"))["event_f1"] == 1.0
    late = [event("dog", 2.3, 3.0), event("cat", 6.9, 8.0)]
    measures = f1([one], [late], ("cat", "dog"))
    assert measures["event_f1"] == 0.5 and measures["segment_f1"] == 1.0
    assert psds([one], [[right]], ("cat", "dog")) == {"psds1": 1.0, "psds2": 1.0}
    assert psds([one], [[[]]], ("cat", "dog")) == {"psds1": 0.0, "psds2": 0.0}
    assert onset_errors([one], [late]) == {"onset_median_s": 0.6, "onset_95_s": 0.87}


def test_the_area_under_a_staircase_ends_at_the_limit():
    x, y = np.array([0.0, 1.0, 3.0]), np.array([0.5, 1.0, 2.0])
    assert area(x, y, 2.0) == 1.5 and area(x, y, 4.0) == 4.5


@pytest.fixture
def streams():
    """A dog that is surer than its false alarms, and a cat that is never surer than they are."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(12):
        rows = np.full((20, 2), -4.0)
        rows[5, 1], rows[10, 0] = 3.0, rng.normal(0.0, 0.3)
        made.append(heard(rows, placed("dog", 5.0, 6.0), placed("cat", 10.0, 11.0), name=f"s{number}"))
        quiet = np.full((20, 2), -4.0)
        quiet[7, 1], quiet[12, 0] = -1.0, rng.normal(1.0, 0.3)
        made.append(heard(quiet, name=f"b{number}"))
    return made


def test_all_tags_are_shifted_alike_to_the_rate_that_is_asked_for(streams):
    tags = ("cat", "dog")
    shift = shift_for(streams, tags, 3.0)
    rates = [counted(streams, tags, shift + more).false / hours(streams) for more in (0.0, 1.0)]
    assert rates[0] <= 3.0 < rates[1]


def test_a_rate_is_found_between_half_of_it_and_twice_it(streams):
    tags = ("cat", "dog")
    half, whole, twice = (highest_shift(streams, tags, rate) for rate in (15.0, 30.0, 60.0))
    assert half < whole < twice
    assert shift_for(streams, tags, 30.0) == pytest.approx((half + whole + twice) / 3.0, abs=0.01)


def test_what_tags_usually_score_is_told_by_scenes_without_them_unnamed(streams):
    tags = ("cat", "dog")
    assert usual_of(streams, tags) == pytest.approx([-4.0, -4.0])
    loud = [dataclasses.replace(one, logits=one.logits + 3.0) for one in streams]
    unnamed = [dataclasses.replace(one, scene=dataclasses.replace(one.scene, may=frozenset({"cat"}))) for one in loud]
    assert usual_of([*streams, *unnamed, *unnamed], tags) == pytest.approx([-4.0, -1.0])


def test_what_is_usual_in_a_scene_raises_no_event_there():
    rows = np.full((20, 2), -0.5)
    rows[15] = 1.0
    one = heard(rows, placed("dog", 15.0, 16.0))
    tags = ("cat", "dog")
    assert len(one.events(tags)) == 2
    usual = with_usual([one], np.array([-0.5, -6.0], np.float32))[0]
    assert [event.tag for event in usual.events(tags)] == ["cat"]
    assert [event.tag for event in usual.events(tags, 0.4)] == ["cat"]


def test_a_shorter_hop_raises_no_more_false_events(streams):
    often = []
    for one in streams:
        rows = np.repeat(one.logits, 10, axis=0)[:191]
        jitter = np.random.default_rng(len(often)).normal(0.0, 1.0, rows.shape)
        often.append(dataclasses.replace(one, logits=(rows + jitter).astype(np.float32), hop_s=0.1))
    tags = ("cat", "dog")
    tuning = tune({1.0: streams, 0.1: often}, tags)
    hops = {hop["hop_s"]: hop["logits"] for hop in tuning.sensitivity["hops"]}
    known = [with_usual(of_hop, tuning.usual - np.float32(tuning.shift)) for of_hop in (streams, often)]
    rates = [counted(known[0], tags, tuning.shift), counted(known[1], tags, tuning.shift + hops[0.1])]
    assert hops[1.0] == 0.0 and hops[0.1] < 0.0
    assert rates[1].false <= rates[0].false + 1
    usual = next(c for c in tuning.sensitivity["costs"] if (c["hop_s"], c["sensitivity"]) == (1.0, 0.5))
    assert usual["recall"] == pytest.approx(rates[0].recall, abs=1e-4)


def test_a_bundle_hears_a_scene_as_replay_does(bundle, bundle_path):
    samples = noise(3.05, 0.1, 0)
    one = by_bundle(bundle_path, 1.0, Scene("x", samples, (), frozenset(), None, len(samples)))
    expected = bowstream.Tagger(bundle).tag(samples).scores
    assert sigmoid(one.logits) == pytest.approx(expected, abs=1e-5)
    assert len(one.levels) == 30 and one.scene.samples.size == 0 and one.scene.duration_s == pytest.approx(3.05)


@pytest.fixture
def here(tmp_path, monkeypatch, bundle_path):
    """Clips of two places, negatives, and a bundle that learned from neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(made_up, "MADE_S", 1)
    rows = []
    for number in range(12):
        soundfile.write(f"{number}.wav", noise(1.0, 0.1, number), RATE)
        rows.append(
            (f"{number}.wav", "Dog", f"place {number % 4 // 2}") if number % 2 else (f"{number}.wav", "Siren", "x")
        )
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "tags", "source"), *rows])
    for number in range(5):
        (tmp_path / "negatives").mkdir(exist_ok=True)
        soundfile.write(f"negatives/room_{number}.wav", noise(10.0, 0.01, 50 + number), RATE)
    shutil.copytree(bundle_path, "final")
    shipped = bowstream.load_bundle("final").description
    # As it was trained: nothing is left out yet.
    rewrite(tmp_path / "final", [TagCalibration()] * len(shipped["tags"]), None, {})
    shutil.copytree("final", "fold")
    description = json.loads((tmp_path / "fold" / DESCRIPTION).read_text()) | {"negatives_held_back": 0}
    description["sha256"] = digest(description)
    (tmp_path / "fold" / DESCRIPTION).write_text(json.dumps(description))
    return tmp_path


ASKED = ["--data", "mine.csv", "--vocabulary", "everyday", "--negatives", "negatives"]


def test_what_may_have_learned_from_the_backgrounds_tells_nothing_of_false_events(here, sounds):
    data, bed = sounds
    final, fold = (bowstream.load_bundle(here / name) for name in ("final", "fold"))
    other = dataclasses.replace(fold, path=here / "other", description={**fold.description, "sources": ["place 0"]})
    final = dataclasses.replace(final, description={**final.description, "sources": ["place 1", "place 2"]})
    made = scenes_for(data, [bed], [final, other])
    assert [any(scene.alone for scene in made[bundle.path]) for bundle in (final, other)] == [False, True]
    assert any(scene.alone for scene in scenes_for(data, [bed], [final])[final.path])


def test_streams_command(here, capsys):
    assert main(["streams", "fold", *ASKED, "--hop-s", "1", "--out", "streams.json"]) == 0
    assert "| event-based F1 | " in capsys.readouterr().out
    metrics = json.loads((here / "streams.json").read_text())
    assert metrics["placed"] == 12
    measures = {"event_f1", "segment_f1", "psds1", "psds2", "costs", "brief_first", "brief_raised"}
    assert measures <= set(metrics["ours"]["1"])


def test_tune_command(here, capsys, monkeypatch):
    with monkeypatch.context() as strict:
        strict.setattr(support, "FEWEST_CLIPS", 7)
        assert main(["tune", "final", "fold", *ASKED]) == 2
    assert "final: no tag works: of dog, 6 held-out clips" in capsys.readouterr().err
    n_tags = len(bowstream.load_bundle(here / "final").tags)
    (here / "groups.json").write_text(json.dumps({"clip_ap_by_tag": {"siren": 0.9, "wind": 0.05}}))
    assert main(["tune", "final", "fold", *ASKED, "--by-group", "groups.json"]) == 0
    assert f"final: tuned; {n_tags - 2} tags do not work: cat, " in capsys.readouterr().out
    tuned = bowstream.load_bundle(here / "final")
    # The dogs are of two places; what is said of sirens is said of ESC-50's.
    assert {(tag.name, tag.on, tag.off) for tag in tuned.tags} == {("dog", 0.5, 0.25), ("siren", 0.5, 0.25)}
    assert all(tag.usual is not None and tag.usual < 0.0 for tag in tuned.tags)
    assert len(tuned.description["tags"]) == n_tags
    assert [hop["hop_s"] for hop in tuned.description["sensitivity"]["hops"]] == [0.1, 1.0]
    assert "A tag ships if" in tuned.description["metrics"]["rule"]
    fold = bowstream.load_bundle(here / "fold")
    assert {tag.name for tag in fold.tags} == {"dog", "siren"}
    # Tuned again it is the same.
    assert main(["tune", "final", "fold", *ASKED, "--by-group", "groups.json"]) == 0
    assert bowstream.load_bundle(here / "final").description == tuned.description
    # What was left out is judged again.
    monkeypatch.setattr(support, "LEAST_PRECISION", 0.0)
    assert main(["tune", "final", "fold", *ASKED, "--by-group", "groups.json"]) == 0
    again = bowstream.load_bundle(here / "final")
    assert {tag.name for tag in again.tags} == {"dog", "siren", "wind"}
    assert again.output_names == tuned.output_names
    tags = [{**tag, "untuned": None} for tag in again.description["tags"]]
    seal(here / "final", {**again.description, "tags": tags})
    assert main(["tune", "final", "fold", *ASKED]) == 2
    assert "final was tuned by an earlier version: tune it as `run` wrote it" in capsys.readouterr().err

"""How teaching is measured: what is learned from is apart from what is tried."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bowstream import UsageError
from bowstream.learn.fit import Background
from train.dataset.data import Clip, data_set
from train.measure.fewshot import LIKE, Verifier, average_precision, few_shot, means, measure, recall_at
from train.measure.kinds import TAG, THING, a_tag, fewer, tags_outside, things_outside
from train.measure.lessons import Heard
from train.report.fewshot import read, told, write

pytest.importorskip("matplotlib", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")


def test_average_precision_is_of_a_quarter():
    truth = np.array([True, False, True, False, False, False, False, False])
    perfect, worst = np.arange(8, 0, -1.0) + 9 * truth, np.arange(8.0) - 9 * truth
    assert average_precision(truth, perfect) == 1.0
    # All six others, which weigh as much as six, come before the two.
    assert average_precision(truth, worst) == pytest.approx((1 / 7 + 2 / 8) / 2)


def test_recall_is_at_a_share_of_the_others():
    scores = np.arange(1000.0)
    truth = np.zeros(1000, bool)
    truth[[500, 995]] = True
    assert recall_at(truth, scores) == 0.5


def clips_of(tag, n, source):
    return [Clip(f"{tag}{i}", None, (tag,), "1", source=f"{source}{i % 4}", group=f"{tag}{i}") for i in range(n)]


def test_a_tag_that_features_tell_is_learned_and_one_that_they_do_not_is_not(tmp_path):
    clips = [*clips_of("clear", 24, "a"), *clips_of("vague", 20, "b"), *clips_of("rest", 200, "c")]
    rng = np.random.default_rng(0)
    heard = []
    for clip in clips:
        features = rng.standard_normal((3, 8)).astype(np.float32)
        features[:, 0] += 8.0 * ("clear" in clip.tags)
        heard.append(Heard(features, np.ones(3, bool)))
    kinds = [a_tag(data_set("made up", clips, "MIT"), name) for name in ("clear", "vague")]
    measured = measure(clips, heard, kinds, 2)
    by = {(each.name, each.k): each for each in measured}
    assert by["clear", 5].average_precision > 0.95 and by["clear", 5].recall > 0.9
    assert by["vague", 5].average_precision < 0.5 and by["vague", 5].recall < 0.3
    verified = {(each.name, each.k): each for each in measure(clips, heard, kinds[:1], 1, learner=Verifier)}
    assert verified["clear", 5].average_precision > 0.9
    assert ("clear", 20) in by and ("vague", 20) not in by  # two recordings must be left to try
    assert means(measured, TAG)[5][0] == 2
    write(tmp_path, {"ours": measured})
    assert (tmp_path / "fewshot.png").stat().st_size and len(read(tmp_path / "fewshot.json")["ours"]) == len(measured)
    assert read(tmp_path / "fewshot.json")["ours"][0].recall == pytest.approx(measured[0].recall, abs=1e-4)
    heading, _, tags, ours = told({"ours": measured}).splitlines()
    assert heading == "| a tag | 1 example | 3 examples | 5 examples | 10 examples | 20 examples |"
    assert tags == "| tags | 2 | 2 | 2 | 2 | 1 |" and ours.startswith("| ours | 0.")


def test_of_each_source_so_many_clips_are_heard_and_all_of_the_tags():
    clips = [*clips_of("clear", 24, "a"), *clips_of("rest", 200, "c")]
    kept = fewer(clips, [a_tag(data_set("made up", clips, "MIT"), "clear")], 5)
    assert [clip.name for clip in kept if "clear" in clip.tags] == [f"clear{i}" for i in range(24)]
    assert Counter(clip.source for clip in kept if "rest" in clip.tags) == {f"c{i}": 5 for i in range(4)}


def test_tags_that_the_bundle_knows_or_that_may_be_anywhere_are_not_taught(bundle_path):
    clips = [*clips_of("Dog", 24, "a"), *clips_of("drill", 24, "b"), *clips_of("rare", 4, "c")]
    assert [kind.name for kind in tags_outside(data_set("made up", clips, "MIT"), ["dog"])] == ["drill"]
    vague = [replace(clip, may=frozenset(["drill"])) for clip in clips]
    assert tags_outside(data_set("made up", vague, "MIT"), ["dog"]) == []
    with pytest.raises(UsageError, match="may sound in most clips"):
        few_shot(data_set("made up", vague, "MIT"), bundle_path, ["drill"], 1)


def bells(n, source):
    """Clips of two bells and of other things, of a source."""
    names = [*("ours", "theirs") * n, *("rest",) * n]
    tags = {"ours": ("bell",), "theirs": ("bell",), "rest": ("door",)}
    return [
        Clip(f"{source}{i}", None, tags[name], "1", source=source, group=f"{source} {name}")
        for i, name in enumerate(names)
    ]


def heard_as(clips, tag):
    """What is heard of clips: noise, but for the first feature, by which those of a tag are told."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((len(clips), 3, 6)).astype(np.float32)
    noise[[tag in clip.tags for clip in clips], :, 0] += 8.0
    return [Heard(features, np.ones(3, bool)) for features in noise]


def test_a_thing_is_told_from_all_and_from_its_like():
    clips = [*bells(8, "house"), *bells(30, "learned")]
    kinds = things_outside(data_set("made up", clips, "MIT"), {"learned"})
    assert [kind.name for kind in kinds] == ["house ours", "house rest", "house theirs"]
    assert all(kind.what == THING and len(kind.clips) == 8 for kind in kinds)
    few = measure(clips, heard_as(clips, "bell"), kinds, 1, {"learned"})
    assert {each.what for each in few} == {THING}  # there are too few other bells
    clips += bells(20, "other")
    many = measure(clips, heard_as(clips, "bell"), kinds, 1, {"learned"})
    by = {(each.what, each.name, each.k): each.average_precision for each in many}
    assert by[THING, "house rest", 5] > by[LIKE, "house rest", 5]
    # A bell is told from what is none, but not from other bells.
    assert by[THING, "house ours", 5] > by[LIKE, "house ours", 5]


def test_background_is_of_the_sources_that_were_learned():
    clips = [*bells(8, "house"), *bells(30, "learned")]
    kinds = things_outside(data_set("made up", clips, "MIT"), {"learned"})
    drawn = []

    class Recorder(Background):
        def __init__(self, features):
            drawn.append({*features[:, 0].tolist()})
            super().__init__(features)

    heard = [
        Heard(
            np.full((2, 2), float(clip.source == "house"), np.float32) + np.eye(2, dtype=np.float32), np.ones(2, bool)
        )
        for clip in clips
    ]
    measure(clips, heard, kinds[:1], 2, {"learned"}, Recorder)
    assert drawn == [{0.0, 1.0}] * 2


def test_what_was_learned_under_another_tag_is_not_taught():
    owls = [replace(clip, tags=("owl", "bird")) for clip in clips_of("owl", 8, "a")]
    clips = [*owls, *clips_of("rest", 20, "c")]
    data = data_set("made up", clips, "MIT")
    assert [len(kind.clips) for kind in tags_outside(data, ["bird", "rest"])] == [8]
    (kind,) = tags_outside(data, ["bird", "rest"], {"a0"})
    assert len(kind.clips) == 6 and kind.unclear == {"owl0", "owl4"}
    assert [kind.name for kind in tags_outside(data, ["rest"], {"a0"})] == ["bird", "owl"]

"""How teaching is measured: what is learned from is apart from what is tried."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bowstream import UsageError
from train.dataset.data import Clip, data_set
from train.measure.fewshot import Verifier, average_precision, few_shot, fewer, means, measure, recall_at, unknown_tags
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
    measured = measure(clips, heard, ["clear", "vague"], 2)
    by = {(each.tag, each.k): each for each in measured}
    assert by["clear", 5].average_precision > 0.95 and by["clear", 5].recall > 0.9
    assert by["vague", 5].average_precision < 0.5 and by["vague", 5].recall < 0.3
    verified = {(each.tag, each.k): each for each in measure(clips, heard, ["clear"], 1, Verifier)}
    assert verified["clear", 5].average_precision > 0.9
    assert ("clear", 20) in by and ("vague", 20) not in by  # two recordings must be left to try
    assert means(measured)[5][0] == 2
    write(tmp_path, {"ours": measured})
    assert (tmp_path / "fewshot.png").stat().st_size and read(tmp_path / "fewshot.json") == {"ours": measured}
    heading, _, tags, ours = told({"ours": measured}).splitlines()
    assert heading == "| learned from | 1 example | 3 examples | 5 examples | 10 examples | 20 examples |"
    assert tags == "| tags | 2 | 2 | 2 | 2 | 1 |" and ours.startswith("| ours | 0.")


def test_of_each_source_so_many_clips_are_heard_and_all_of_the_tags():
    clips = [*clips_of("clear", 24, "a"), *clips_of("rest", 200, "c")]
    kept = fewer(clips, ["clear"], 5)
    assert [clip.name for clip in kept if "clear" in clip.tags] == [f"clear{i}" for i in range(24)]
    assert Counter(clip.source for clip in kept if "rest" in clip.tags) == {f"c{i}": 5 for i in range(4)}


def test_tags_that_the_bundle_knows_or_that_may_be_anywhere_are_not_taught(bundle_path):
    clips = [*clips_of("Dog", 24, "a"), *clips_of("drill", 24, "b"), *clips_of("rare", 4, "c")]
    assert unknown_tags(data_set("made up", clips, "MIT"), ["dog"]) == ["drill"]
    vague = [replace(clip, may=frozenset(["drill"])) for clip in clips]
    assert unknown_tags(data_set("made up", vague, "MIT"), ["dog"]) == []
    with pytest.raises(UsageError, match="may sound in most clips"):
        few_shot(data_set("made up", vague, "MIT"), bundle_path, ["drill"], 1)

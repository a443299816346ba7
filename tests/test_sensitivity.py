"""Groups of tags, tags that do not work, and the one setting that moves all scores."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

from bowstream.cli.main import main
from bowstream.cli.setup import personalise
from bowstream.config.fields import SettingError
from bowstream.config.file import Config
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import ClipsSettings, EventSinkSettings
from bowstream.errors import BundleError, UsageError
from bowstream.model.bundle import DESCRIPTION, digest, read
from bowstream.model.sensitivity import SPAN, Cost, Sensitivity
from bowstream.model.tags import Tag, named, names_of
from bowstream.sinks import with_tags
from bowstream.tagger import Tagger

TAGS = (Tag("siren", 0.5, 0.25, "alarms"), Tag("dog", 0.5, 0.25, "animals"), Tag("beep", 0.5, 0.25, "alarms"))
NOISE = np.random.default_rng(0).normal(0.0, 0.1, 32_000).astype(np.float32)


@pytest.fixture
def changed(bundle_path, tmp_path):
    """A copy of the shipped bundle with another description."""

    def change(**content):
        path = tmp_path / "changed"
        shutil.copytree(bundle_path, path, dirs_exist_ok=True)
        description = json.loads((path / DESCRIPTION).read_text("utf-8")) | content
        description["sha256"] = digest(description)
        (path / DESCRIPTION).write_text(json.dumps(description), "utf-8")
        return path

    return change


def test_a_group_stands_for_its_tags():
    assert named(["alarms", "dog", "siren"], TAGS) == ("siren", "beep", "dog")
    assert names_of(TAGS) == ["siren", "dog", "beep", "alarms", "animals"]


def grouped(bundle):
    group = {"dog": "animals", "cat": "animals", "siren": "alarms"}
    tags = tuple(dataclasses.replace(tag, group=group.get(tag.name, "")) for tag in bundle.tags)
    return dataclasses.replace(bundle, tags=tags)


def test_only_groups_and_tags_are_listened_for(bundle):
    config = Config(Settings(only=("animals", "rain"), tags={"cat": TagSettings(muted=True)}))
    kept = personalise(config, grouped(bundle))
    assert [tag.name for tag in kept.tags] == ["dog", "rain"]
    everything = Tagger(bundle).push(NOISE)[-1]
    assert dict(Tagger(kept).push(NOISE)[-1]) == {tag: everything[tag] for tag in ("dog", "rain")}
    with pytest.raises(UsageError, match="the bundle has no tag or group 'animal'; did you mean 'animals'"):
        personalise(Config(Settings(only=("animal",))), grouped(bundle))


def test_a_sink_gets_groups(bundle):
    personalise(Config(Settings(sinks={"command": EventSinkSettings(only=("alarms",))})), grouped(bundle))
    assert with_tags(EventSinkSettings(only=("alarms",)), TAGS).only == ("siren", "beep")
    clips = with_tags(ClipsSettings(folder="x", only=("alarms",), never=("siren",)), TAGS)
    assert (clips.only, clips.never) == (("beep",), ("siren",))
    with pytest.raises(SettingError, match="never must be without what only names"):
        with_tags(ClipsSettings(folder="x", only=("siren",), never=("alarms",)), TAGS)


def test_tags_that_do_not_work_are_left_out_and_the_others_score_as_before(bundle, changed):
    every = bundle.description["tags"]
    tags = [{**tag, "works": tag["works"] and tag["name"] != "dog", "group": "x"} for tag in every]
    quieter, _ = read(changed(tags=tags))
    scores, whole = Tagger(quieter).push(NOISE)[-1], Tagger(bundle).push(NOISE)[-1]
    assert "dog" not in scores and dict(scores) == {tag: score for tag, score in whole.items() if tag != "dog"}
    assert quieter.tags[0].group == "x"
    only = quieter.with_tags({10: quieter.tags[10]})
    assert dict(Tagger(only).push(NOISE)[-1]) == {quieter.tags[10].name: whole[quieter.tags[10].name]}


def logit(scores):
    return np.log(scores.astype(np.float64) / (1.0 - scores))


@pytest.mark.parametrize(("sensitivity", "shift"), [(0.5, 0.0), (1.0, SPAN / 2), (0.25, -SPAN / 4)])
def test_sensitivity_moves_all_scores_alike(bundle, sensitivity, shift):
    usual, moved = (Tagger(bundle, 1.0, value).push(NOISE)[-1].array for value in (0.5, sensitivity))
    assert logit(moved) - logit(usual) == pytest.approx(shift, abs=1e-3)
    assert Tagger(bundle, 1.0, sensitivity).tag(NOISE).windows[-1].array == pytest.approx(moved)


def test_each_hop_has_its_shift(changed):
    sensitivity = {"hops": [{"hop_s": 1.0, "logits": 0.0}, {"hop_s": 0.1, "logits": -1.0}], "costs": []}
    bundle, _ = read(changed(sensitivity=sensitivity))
    assert bundle.sensitivity.shift(0.1, 0.5) == -1.0 and bundle.sensitivity.shift(1.0, 0.5) == 0.0
    assert bundle.sensitivity.shift(math.sqrt(0.1), 0.5) == pytest.approx(-0.5)
    often, seldom = Tagger(bundle, 0.1).push(NOISE), Tagger(bundle).push(NOISE)
    assert logit(often[0].array) - logit(seldom[0].array) == pytest.approx(-1.0, abs=1e-3)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_sensitivity_out_of_range_is_refused(bundle, value):
    with pytest.raises(UsageError, match="sensitivity must be 0 … 1"):
        Tagger(bundle, 1.0, value)


def test_a_broken_sensitivity_is_refused(changed):
    with pytest.raises(BundleError, match="finite shifts at hops above 0"):
        Sensitivity({0.0: 1.0}, ())
    with pytest.raises(BundleError, match="lacks or misstates"):
        read(changed(sensitivity={"hops": [{"hop_s": 1.0}], "costs": []}))


def test_check_shows_what_it_costs(changed, capsys):
    cost = Cost(1.0, 0.5, 3.04, 0.351)
    path = changed(sensitivity={"hops": [], "costs": [dataclasses.asdict(cost)]})
    assert main(["check", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "sensitivity 0.5, hop 1 s 3.0 false events per hour, 35 % of sounds raised (the default)" in out

"""Bundles on clips of other places: what is counted, who may be tried on what, and which tags ship."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import soundfile
from spoiling import Copy

import bowstream
from train.cli import main
from train.dataset.data import ALWAYS, Clip, data_set
from train.dataset.errors import DataError
from train.dataset.published import ESC50_KINDS
from train.dataset.vocabulary import read_vocabulary
from train.measure.places import Said, learned_from, of_kinds, of_tags, said_by_strangers, stranger
from train.report.support import evidence_of, wanting

pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")

NAN = np.nan


def clips(*rows):
    return data_set(
        "set",
        [
            Clip(f"{number}", f"{number}.wav", tags, "1", source, may=may)
            for number, (tags, source, may) in enumerate(rows)
        ],
        "",
        single_label=False,
        tags=("cat", "dog", "music"),
    )


def said(*rows):
    scores = np.array(rows, np.float32)
    return Said(np.arange(len(rows)), scores, scores)


def test_of_kinds_counts_clips_that_have_one_of_them():
    data = clips(
        (("dog", "music"), "a", frozenset()),
        (("cat",), "a", frozenset()),
        (("dog",), "b", frozenset()),
        (("dog", "cat"), "b", frozenset()),
        (("music",), "b", frozenset()),
    )
    scores = said((0.1, 0.2, 0.9), (0.1, 0.2, 0.0), (NAN, 0.2, 0.9), (0.0, 0.0, 0.0), (0.9, 0.9, 0.9))
    table = of_kinds(data, scores, ("cat", "dog", "frog"))
    assert (table["clips"], table["top1"], table["top5"], table["macro"]) == (3, 0.6667, 1.0, 0.5)
    assert table["sources"] == {"a": {"clips": 2, "top1": 0.5}, "b": {"clips": 1, "top1": 1.0}}
    assert table["by_source"] == 0.75 and table["kinds"] == {"cat": 0.0, "dog": 1.0}


def test_what_is_unknown_has_no_part_in_a_tags_evidence():
    nothing, maybe = frozenset(), frozenset({"music"})
    data = clips((("dog",), "a", maybe), (("dog",), "b", nothing), (("music",), "b", nothing), (("cat",), "c", nothing))
    table = of_tags(data, said((0.0, 0.9, 1.0), (0.0, 0.4, 0.6), (0.0, 0.5, 0.5), (NAN, 0.1, 0.1)), {"dog": 0.5})
    assert set(table) == {"dog", "music"}
    assert table["music"] == {"clips": 1, "average_precision": 0.5, "sources": {"b": 1}}
    assert table["dog"]["recall"] == 0.5 and table["dog"]["recalls"] == {"a": 1.0, "b": 0.0}
    assert table["dog"]["average_precision"] == pytest.approx(0.8333, abs=1e-4)


def test_a_bundle_is_tried_on_sources_that_it_did_not_learn_from():
    shipped = bowstream.load_bundle()
    other = dataclasses.replace(shipped, description={**shipped.description, "sources": {"place": 3}})
    assert learned_from(other) == {"place"}
    street, place = Clip("a", "a.wav", (), "1", "street"), Clip("b", "b.wav", (), "1", "place")
    shared = dataclasses.replace(street, twin="place")
    assert stranger(street, [other, shipped]) is other and stranger(place, [other]) is None
    assert stranger(place, [other, shipped]) is stranger(shared, [other, shipped]) is shipped
    assert stranger(dataclasses.replace(street, fold=ALWAYS), [shipped]) is None
    with pytest.raises(DataError, match="the bundles have learned from each of its sources"):
        said_by_strangers(None, data_set("x", [place], ""), [other])


GOOD = {
    "clips": 9,
    "average_precision": 0.5,
    "recall": 0.6,
    "sources": {"a": 5, "b": 4},
    "recalls": {"a": 0.9, "b": 0.1},
}


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, ""),
        ({"clips": 2}, "2 held-out clips"),
        ({"average_precision": 0.09}, "average precision 0.09"),
    ],
)
def test_a_tag_ships_only_if_held_out_evidence_says_that_it_works(changes, lacks):
    assert wanting(GOOD | changes) == lacks


def test_a_tag_of_one_source_is_judged_by_group():
    lone = {**GOOD, "sources": {"a": 9}}
    assert evidence_of("dog", {"dog": GOOD}, {"dog": lone}) is GOOD
    assert evidence_of("dog", {"dog": lone}, {"dog": GOOD}) is GOOD
    assert evidence_of("dog", {}, {}) is None and wanting(None) == "0 held-out clips"


def test_the_kinds_are_fifty_everyday_tags():
    """Whether a bundle ships each of them or not, they are told apart by the names that it has."""
    assert len(set(ESC50_KINDS)) == len(ESC50_KINDS) == 50
    assert set(ESC50_KINDS) <= read_vocabulary("everyday").by_tag.keys()


def test_evaluate_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, (tags, source) in enumerate([("Dog", "a"), ("Siren", "a"), ("Dog", "b"), ("Speech", "esc")]):
        samples = np.random.default_rng(number).uniform(-0.1, 0.1, 20_000)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
        rows.append((f"{number}.wav", tags, source))
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "tags", "source"), *rows])
    shipped = str(bowstream.load_bundle().path)
    command = ["evaluate", shipped, "--data", "mine.csv", "--vocabulary", "everyday", "--out", "places.json"]
    assert main([*command, "--learn-only", "esc"]) == 0
    assert "| 3 clips of 2 kinds from 2 sources | ours |" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "places.json").read_text())
    assert metrics["sources"] == ["a", "b"] and metrics["ours"]["kinds"]["clips"] == 3
    assert set(metrics["ours"]["tags"]) == {"dog", "siren"}
    assert main([*command, "--sources", "b*"]) == 0
    assert json.loads((tmp_path / "places.json").read_text())["ours"]["kinds"]["clips"] == 1
    other = Copy(bowstream.load_bundle().path, tmp_path / "other")
    other.describe({**other.description, "name": "other", "sources": {"b": 1}})
    assert main([*command, "--apart-from", str(other.path)]) == 0
    metrics = json.loads((tmp_path / "places.json").read_text())
    assert metrics["sources"] == ["a", "esc"] and list(metrics["apart_from"]) == ["other"]
    assert main([*command, "--sources", "b", "--apart-from", str(other.path)]) == 2
    assert "--apart-from must leave sources that no bundle learned from (got none)" in capsys.readouterr().err
    assert main([*command, "--sources", "c*"]) == 2
    assert "no clip that can be tried is from there" in capsys.readouterr().err
    assert main([*command, "--against", "x.tflite"]) == 2
    assert "--against and --labels go together" in capsys.readouterr().err

"""Artefacts are made once, go on where they were cut, and follow what they were made from."""

import json

import pytest

from train.store import artefact, lineage, record


def counted(made, name):
    def make(path):
        made.append(name)
        (path / "result").write_text(name)

    return make


def chain(root, made):
    first = artefact(root, "first", {"knob": 1}, counted(made, "first"))
    return artefact(root, "second", {"first": first.name}, counted(made, "second"))


def test_what_is_there_is_not_made_again(tmp_path):
    made = []
    assert chain(tmp_path, made) == chain(tmp_path, made)
    assert made == ["first", "second"]


def test_another_setting_is_another_artefact(tmp_path):
    made = []
    one, other = (artefact(tmp_path, "stage", {"knob": value}, counted(made, "stage")) for value in (1, 2))
    assert one != other and len(made) == 2


def test_an_interrupted_stage_finds_what_it_had_done(tmp_path):
    def cut(path):
        (path / "half").write_text("done")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artefact(tmp_path, "stage", {}, cut)
    found = []
    artefact(tmp_path, "stage", {}, lambda path: found.extend(file.name for file in path.iterdir()))
    assert found == ["half"]


def test_a_stage_made_anew_takes_what_depends_on_it_along(tmp_path):
    made = []
    second = chain(tmp_path, made)
    first = lineage(tmp_path, second)[0]
    (first / "result").unlink()
    (first / "stage.json").unlink()
    first.rmdir()
    chain(tmp_path, made)
    assert made == ["first", "second", "first", "second"]


def test_the_record_says_what_went_in_and_what_it_took(tmp_path):
    second = chain(tmp_path, [])
    first = lineage(tmp_path, second)[0]
    content = record(second)
    assert content["inputs"]["first"] == first.name
    assert content["seconds"] >= 0 and content["peak_memory_mb"] > 0 and content["git_revision"]
    assert json.loads((second / "stage.json").read_text()) == content

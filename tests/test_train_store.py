"""Artefacts are made once, go on where they were cut, and follow what they were made from."""

import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from train.common import store
from train.common.store import artefact, git_revision, lineage, record


def counted(made, name):
    def make(path):
        made.append(name)
        (path / "result").write_text(name)

    return make


def chain(root, made):
    first = artefact(root, "first", {"knob": 1}, counted(made, "first"))
    return artefact(root, "second", {"first": first.name}, counted(made, "second"))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 7])
def test_rows_have_the_digest_of_their_list(monkeypatch, rows):
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 3)
    array = np.random.default_rng(rows).integers(-1, 2, (rows, 4)).astype(np.float32) / 3
    assert store.digest_of_rows(array) == store.digest(array.tolist())


def test_what_is_there_is_not_made_again(tmp_path):
    made = []
    assert chain(tmp_path, made) == chain(tmp_path, made)
    assert made == ["first", "second"]


def test_other_processes_find_it_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert artefact(Path("runs"), "stage", {}, lambda path: None).parents[1] == tmp_path / "runs"


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
    assert sorted(found) == ["half", "stage.json"]


def test_a_second_run_waits_for_what_the_first_one_makes(tmp_path, monkeypatch):
    made, said, waiting = [], [], threading.Event()
    monkeypatch.setattr(store, "say", lambda line: (said.append(line), waiting.set()))

    def slow(path):
        made.append(path)
        assert waiting.wait(10)

    runs = [threading.Thread(target=artefact, args=(tmp_path, "stage", {}, slow)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(made) == 1
    assert [line.partition(str(tmp_path))[0] for line in said] == ["waiting for another process that makes "]


def test_a_stage_made_anew_takes_what_depends_on_it_along(tmp_path):
    made = []
    second = chain(tmp_path, made)
    first = lineage(tmp_path, second)[0]
    shutil.rmtree(first)
    chain(tmp_path, made)
    assert made == ["first", "second", "first", "second"]


def test_what_was_begun_with_a_stage_that_is_made_anew_meanwhile_is_begun_anew(tmp_path):
    first = artefact(tmp_path, "first", {}, lambda path: None)

    def cut(path):
        (path / "half").write_text("of the old first")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artefact(tmp_path, "second", {"first": first.name}, cut)
    shutil.rmtree(first)
    artefact(tmp_path, "first", {}, lambda path: None)
    second = artefact(tmp_path, "second", {"first": first.name}, lambda path: None)
    assert not (second / "half").exists() and record(second)["resumed"] is False


@pytest.mark.parametrize("content", ["", "{}", '{"inputs": {}}'])
def test_a_record_that_is_damaged_or_of_an_older_form_has_its_stage_made_anew(tmp_path, content):
    made = []
    whole = artefact(tmp_path, "stage", {}, counted(made, "stage"))
    (whole / "stage.json").write_text(content)
    artefact(tmp_path, "stage", {}, counted(made, "stage"))
    assert made == ["stage", "stage"] and record(whole)["made_from"] == {}


def test_what_outlived_the_making_anew_of_its_stage_is_made_anew(tmp_path):
    """It finished after the stage that it was begun with had been made anew by another process."""
    made = []
    first = artefact(tmp_path, "first", {}, counted(made, "first"))

    def overtaken(path):
        shutil.rmtree(first)
        artefact(tmp_path, "first", {}, counted(made, "first"))
        made.append("second of the old first")

    artefact(tmp_path, "second", {"first": first.name}, overtaken)
    artefact(tmp_path, "second", {"first": first.name}, counted(made, "second"))
    assert made == ["first", "first", "second of the old first", "second"]


def test_the_record_says_what_went_in_and_what_it_took(tmp_path):
    second = chain(tmp_path, [])
    first = lineage(tmp_path, second)[0]
    content = record(second)
    assert content["inputs"]["first"] == first.name
    assert content["seconds"] >= 0 and content["peak_memory_mb"] > 0 and content["git_revision"]
    assert json.loads((second / "stage.json").read_text()) == content


def test_the_revision_says_whether_the_code_is_as_it_was_committed(tmp_path, monkeypatch):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", "-C", tmp_path, *who, *arguments], check=True, capture_output=True, text=True)

    (tmp_path / "train" / "sub").mkdir(parents=True)
    for name in ("train/store.py", "train/sub/more.py"):
        (tmp_path / name).write_text("1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(store, "__file__", str(tmp_path / "train" / "common" / "store.py"))
    head = git("rev-parse", "HEAD").stdout[:12]
    (tmp_path / "train" / "metrics.json").write_text("{}")  # no code
    assert git_revision.__wrapped__() == head
    (tmp_path / "train" / "sub" / "more.py").write_text("2\n")
    assert git_revision.__wrapped__() == f"{head}+"


def test_a_stage_that_was_interrupted_says_that_its_seconds_are_not_all(tmp_path):
    whole = artefact(tmp_path, "stage", {}, lambda path: None)
    assert record(whole)["resumed"] is False
    whole.rename(whole.with_suffix(".partial"))
    assert record(artefact(tmp_path, "stage", {}, lambda path: None))["resumed"] is True

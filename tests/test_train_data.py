"""Data sets: the official layouts, made up small, and what is wrong with broken ones."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from train.cli import main
from train.dataset import own, problems
from train.dataset.deal import FOLDS, deal
from train.dataset.errors import DataError
from train.dataset.layouts import esc50, folder, fsd50k, table, urbansound8k
from train.dataset.problems import check


def write_sound(path, seed, seconds=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.3, 0.3, int(16_000 * seconds))
    soundfile.write(path, samples, 16_000)


def write_rows(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)


@pytest.fixture
def esc50_root(tmp_path):
    rows = []
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "crying_baby")):
            name = f"{fold}-{100 + fold}-A-{target}.wav"
            write_sound(tmp_path / "audio" / name, len(rows))
            rows.append((name, fold, target, category, "False", 100 + fold, "A"))
    write_rows(
        tmp_path / "meta" / "esc50.csv", ("filename", "fold", "target", "category", "esc10", "src_file", "take"), rows
    )
    return tmp_path


@pytest.fixture
def fsd50k_root(tmp_path):
    truth = tmp_path / "FSD50K.ground_truth"
    write_rows(truth / "vocabulary.csv", None, [(0, "Bark", "/m/05tny_"), (1, "Acoustic_guitar", "/m/042v_gx")])
    dev = [(1, "Bark", "/m/05tny_", "train"), (2, "Acoustic_guitar", "/m/042v_gx", "train"), (3, "Bark", "x", "val")]
    write_rows(truth / "dev.csv", ("fname", "labels", "mids", "split"), dev)
    write_rows(truth / "eval.csv", ("fname", "labels", "mids"), [(9, "Bark,Acoustic_guitar", "/m/05tny_,/m/042v_gx")])
    for part, name in (("dev", 1), ("dev", 2), ("dev", 3), ("eval", 9)):
        write_sound(tmp_path / f"FSD50K.{part}_audio" / f"{name}.wav", name)
    return tmp_path


@pytest.fixture
def urbansound8k_root(tmp_path):
    rows = []
    for fold in range(1, 11):
        for class_id, name in enumerate(("air_conditioner", "car_horn")):
            file = f"{1000 + 10 * fold + class_id}-{class_id}-0-0.wav"
            write_sound(tmp_path / "audio" / f"fold{fold}" / file, len(rows))
            rows.append((file, 1000 + 10 * fold + class_id, 0.0, 0.3, 1, fold, class_id, name))
    header = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_rows(tmp_path / "metadata" / "UrbanSound8K.csv", header, rows)
    return tmp_path


@pytest.fixture
def folder_root(tmp_path):
    root = tmp_path / "mine"
    for kind, tag in enumerate(("door_bell", "kettle")):
        for number in range(5):
            write_sound(root / tag / f"{number}.wav", 10 * kind + number)
    return root


def test_esc50_folds(esc50_root):
    data = esc50(esc50_root)
    check(data)
    assert data.tags == ("crying baby", "dog") and data.single_label
    assert [split.name for split in data.splits()] == [f"fold {fold}" for fold in range(1, 6)]
    for split in data.splits():
        assert len(split.fit) == 8 and len(split.held) == 2
        assert not {data.clips[clip].fold for clip in split.fit} & {data.clips[clip].fold for clip in split.held}
    assert len(data.final().fit) == 10


def test_esc50_may_have_its_table_beside_the_audio(esc50_root):
    (esc50_root / "meta" / "esc50.csv").rename(esc50_root / "esc50.csv")
    assert len(esc50(esc50_root).clips) == 10


def test_fsd50k_keeps_its_own_split_and_several_labels(fsd50k_root):
    data = fsd50k(fsd50k_root)
    check(data)
    assert data.tags == ("Acoustic guitar", "Bark") and not data.single_label
    (split,) = data.splits()
    assert [data.clips[clip].name for clip in split.fit] == ["dev/1", "dev/2"]
    assert [data.clips[clip].name for clip in split.held] == ["eval/9"]
    (calibration,) = data.calibration_splits()
    assert [data.clips[clip].name for clip in calibration.held] == ["dev/3"]
    assert data.final().fit.tolist() == split.fit.tolist()
    assert data.targets()[split.held].tolist() == [[1.0, 1.0]]


def test_urbansound8k_has_ten_folds_in_order(urbansound8k_root):
    data = urbansound8k(urbansound8k_root)
    check(data)
    assert data.tags == ("air conditioner", "car horn")
    assert [split.name for split in data.splits()] == [f"fold {fold:02}" for fold in range(1, 11)]


def test_folder_deals_each_tag_evenly_whatever_else_is_there(folder_root):
    data = folder(folder_root)
    check(data)
    assert data.tags == ("door bell", "kettle")
    for split in data.splits():
        assert sorted(data.clips[clip].tags for clip in split.held) == [("door bell",), ("kettle",)]
    folds = {clip.name: clip.fold for clip in data.clips}
    for number in range(5):
        write_sound(folder_root / "rain" / f"{number}.wav", 50 + number)
    assert folds.items() <= {clip.name: clip.fold for clip in folder(folder_root).clips}.items()


def test_csv_keeps_groups_together_and_takes_several_tags(tmp_path):
    rows = []
    for number in range(20):
        write_sound(tmp_path / f"{number}.wav", number)
        rows.append((f"{number}.wav", ("rain;wind", "rain", "wind")[number % 3], f"tape {number // 4}"))
    write_rows(tmp_path / "labels.csv", ("file", "tags", "group"), rows)
    data = table(tmp_path / "labels.csv")
    check(data)
    assert data.tags == ("rain", "wind") and not data.single_label
    folds = {clip.name: clip.fold for clip in data.clips}
    for number in range(20):
        assert folds[f"{number}.wav"] == folds[f"{number // 4 * 4}.wav"]


@pytest.mark.parametrize("seed", range(5))
def test_clips_of_several_tags_are_dealt_evenly(tmp_path, seed):
    """Each tag is in as many folds as it can be, and each fold has about a fifth of each tag and of all."""
    rng = np.random.default_rng(seed)
    names = [f"tag {number}" for number in range(12)]
    rows = []
    for number in range(300):
        tags = rng.choice(names, rng.integers(1, 4), replace=False, p=np.arange(12, 0, -1) / 78)
        rows.append((tmp_path / f"{number}.wav", tuple(tags), ""))
    folds = deal(tmp_path, rows)
    assert [clip.path for clip in folds] == [path for path, _, _ in rows]
    sizes = [sum(clip.fold == str(fold + 1) for clip in folds) for fold in range(FOLDS)]
    assert max(sizes) <= 1.25 * min(sizes)
    for name in names:
        of_tag = [sum(clip.fold == str(fold + 1) and name in clip.tags for clip in folds) for fold in range(FOLDS)]
        assert min(of_tag) > 0
        assert max(of_tag) - min(of_tag) <= max(3, 0.25 * sum(of_tag))


@pytest.mark.parametrize("name", range(30))
def test_a_tag_whose_clips_are_all_dealt_for_rarer_ones_is_not_left_in_one_fold(tmp_path, name):
    tags = [("A", "z"), ("A",), ("B", "z"), ("B",)]
    clips = deal(tmp_path, [(tmp_path / f"{name} {number}.wav", of, "") for number, of in enumerate(tags)])
    assert len({clip.fold for clip in clips if "z" in clip.tags}) == 2


def test_tags_with_few_clips_do_not_all_lie_in_the_first_folds(tmp_path):
    rows = [(tmp_path / f"{tag} {number}.wav", (f"tag {tag}",), "") for tag in range(40) for number in range(2)]
    clips = deal(tmp_path, rows)
    sizes = [sum(clip.fold == str(fold + 1) for clip in clips) for fold in range(FOLDS)]
    assert min(sizes) >= 8
    for tag in range(40):
        assert len({clip.fold for clip in clips if clip.tags == (f"tag {tag}",)}) == 2


ODD_COLUMNS = {
    "another case": ("file,tags,Fold", "there is a column 'Fold': call it 'fold' if it is that"),
    "plural": ("file,tags,groups", "there is a column 'groups': call it 'group' if it is that"),
    "another word": ("file,tags,split", "there is a column 'split': call it 'fold'"),
    "twice": ("file,tags,fold,fold", "two columns 'fold'"),
    "a group in two folds": ("file,tags,fold,group", "wanted one fold for group 'tape', found 0, 1"),
}


@pytest.mark.parametrize("case", ODD_COLUMNS)
def test_columns_that_would_be_misunderstood_are_refused(tmp_path, case):
    header, said = ODD_COLUMNS[case]
    rows = [(f"{number}.wav", ("rain", "wind")[number % 2], number // 2 % 2, "tape") for number in range(8)]
    columns = header.split(",")
    write_rows(tmp_path / "labels.csv", columns, [row[: len(columns)] for row in rows])
    with pytest.raises(DataError, match=said):
        table(tmp_path / "labels.csv")


def test_columns_that_are_not_used_are_named(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(own, "say", said.append)
    rows = [(f"{number}.wav", ("rain", "wind")[number % 2], "wet") for number in range(8)]
    write_rows(tmp_path / "labels.csv", ("file", "tags", "folder"), rows)
    assert len(table(tmp_path / "labels.csv").clips) == 8
    assert said == [f"note: {tmp_path / 'labels.csv'}: not used: folder"]


ODD_FOLDS = {
    "words": (("Train", "Val", "Eval"), "wanted train, val and eval"),
    "other words": (("training", "validation", "test"), "wanted train, val and eval"),
    "numbers": (("1", "01", "2"), "wanted each number written in one way"),
}


def test_folds_may_have_names(tmp_path):
    folds = ("valley", "device A", "trainyard", "1_0", "10", "inf")
    rows = [(f"{fold}{tag}.wav", tag, fold) for fold in folds for tag in ("a", "b")]
    for number, (name, _, _) in enumerate(rows):
        write_sound(tmp_path / name, number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    check(table(tmp_path / "labels.csv"))


@pytest.mark.parametrize("case", ODD_FOLDS)
def test_folds_that_would_be_misunderstood_are_refused(tmp_path, case):
    folds, said = ODD_FOLDS[case]
    rows = [(f"{fold}{tag}.wav", tag, fold) for fold in folds for tag in ("a", "b")]
    for number, (name, _, _) in enumerate(rows):
        write_sound(tmp_path / name, number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    with pytest.raises(DataError, match=said):
        check(table(tmp_path / "labels.csv"))


def test_what_is_left_out_of_a_folder_is_said(folder_root, monkeypatch):
    said = []
    monkeypatch.setattr(own, "say", said.append)
    for number in range(3):
        (folder_root / "kettle" / f"{number}.m4a").write_bytes(b"music")
    assert len(folder(folder_root).clips) == 10
    assert said == ["note: left out, as no recordings that can be read: 3 files of .m4a"]


def test_hidden_things_are_no_recordings_and_links_stay_closed(folder_root, monkeypatch):
    said = []
    monkeypatch.setattr(own, "say", said.append)
    write_sound(folder_root / "kettle" / ".trash" / "old.wav", 7)
    for name in (".DS_Store", "._0.wav"):
        (folder_root / "kettle" / name).write_bytes(b"junk")
    (folder_root / "kettle" / "elsewhere").symlink_to(folder_root / "door_bell")
    data = folder(folder_root)
    check(data)
    assert len(data.clips) == 10
    assert said == ["note: left out, as no recordings that can be read: 1 folders elsewhere"]


def test_two_folders_of_one_tag_and_a_name_that_is_no_text(folder_root):
    write_sound(folder_root / "door bell" / "9.wav", 9)
    (folder_root / "kettle" / "0.wav").rename(folder_root / "kettle" / os.fsdecode(b"\xff.wav"))
    with pytest.raises(DataError) as caught:
        folder(folder_root)
    said = "\n".join(caught.value.problems)
    assert "another folder's tag is the same" in said and "must have a name in UTF-8" in said


def test_csv_may_bring_its_own_split(tmp_path):
    rows = [(f"{fold}{tag}.wav", tag, fold) for fold in ("train", "val", "eval") for tag in ("a", "b")]
    for number, (name, _, _) in enumerate(rows):
        write_sound(tmp_path / name, number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    data = table(tmp_path / "labels.csv")
    check(data)
    assert data.own_split and len(data.final().fit) == 2


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def write_nan(path):
    soundfile.write(path, np.array([0.1, np.nan, 0.1], np.float32), 16_000, "FLOAT")


ESC50_DAMAGE = {
    "no table": (lambda root: (root / "meta" / "esc50.csv").unlink(), "no meta/esc50.csv"),
    "column gone": (lambda root: edit(root / "meta" / "esc50.csv", "category", "kind"), "category not found"),
    "rows gone": (lambda root: (root / "meta" / "esc50.csv").write_text("filename,fold,target,category\n"), "no rows"),
    "fold": (lambda root: edit(root / "meta" / "esc50.csv", "0.wav,1", "0.wav,7"), "fold '7', wanted 1 … 5"),
    "another fold": (
        lambda root: edit(root / "meta" / "esc50.csv", "0.wav,1", "0.wav,2"),
        "in fold 2, its name says 1",
    ),
    "empty table": (lambda root: (root / "meta" / "esc50.csv").write_text(""), "its first line: it is empty"),
    "semicolons": (
        lambda root: (root / "meta" / "esc50.csv").write_text("filename;fold;target;category\n"),
        "its first line: filename;fold;target;category",
    ),
    "two tags of a target": (lambda root: edit(root / "meta" / "esc50.csv", "dog", "cat"), "wanted one category for"),
    "a fold gone": (
        lambda root: (root / "meta" / "esc50.csv").write_text("filename,fold,target,category\n1-1-A-0.wav,1,0,dog\n"),
        "nothing in fold 5",
    ),
    "a pipe": (lambda root: as_pipe(root / "audio" / "1-101-A-0.wav"), "wanted a file, found something else"),
    "not finite": (lambda root: write_nan(root / "audio" / "1-101-A-0.wav"), "got NaN or infinity"),
    "no fold": (lambda root: edit(root / "meta" / "esc50.csv", "1-101-A-0.wav,1", "1-101-A-0.wav,"), "has no fold"),
    "two folds": (lambda root: edit(root / "meta" / "esc50.csv", "1-101-A-0.wav,1", "1-101-A-0.wav,12"), "fold '12'"),
    "no name": (lambda root: edit(root / "meta" / "esc50.csv", "1-101-A-0.wav", ""), "line 2 has no filename"),
    "column twice": (lambda root: edit(root / "meta" / "esc50.csv", "esc10", "fold"), "two columns 'fold'"),
    "too many cells": (lambda root: edit(root / "meta" / "esc50.csv", "101,A", "101,A,7,8"), "line 2 has more cells"),
    "label": (lambda root: edit(root / "meta" / "esc50.csv", "wav,2,0,dog", "wav,2,0,crying_baby"), "target"),
    "file gone": (lambda root: (root / "audio" / "1-101-A-0.wav").unlink(), "no such file"),
    "file empty": (lambda root: (root / "audio" / "1-101-A-0.wav").write_bytes(b""), "empty"),
    "no sound": (lambda root: (root / "audio" / "1-101-A-0.wav").write_text("hello, this is text"), "no recording"),
    "no samples": (lambda root: write_sound(root / "audio" / "1-101-A-0.wav", 0, seconds=0), "0 samples"),
    "truncated": (
        lambda root: (root / "audio" / "1-101-A-0.wav").write_bytes(
            (root / "audio" / "1-101-A-0.wav").read_bytes()[:2000]
        ),
        "truncated",
    ),
    "listed twice": (
        lambda root: edit(root / "meta" / "esc50.csv", "5-105-A-0.wav,5", "1-101-A-0.wav,1"),
        "listed 2 times",
    ),
}


@pytest.mark.parametrize("damage", ESC50_DAMAGE)
def test_what_is_wrong_with_esc50_is_said_before_training(esc50_root, damage, capsys):
    break_it, said = ESC50_DAMAGE[damage]
    break_it(esc50_root)
    assert main(["data", "--data", "esc50", "--root", str(esc50_root)]) == 1
    printed = capsys.readouterr()
    assert said in printed.err and "Traceback" not in printed.err and not printed.out


def test_all_problems_are_listed_together(esc50_root, capsys):
    for name in ("1-101-A-0.wav", "2-102-A-1.wav"):
        (esc50_root / "audio" / name).unlink()
    assert main(["data", "--data", "esc50", "--root", str(esc50_root)]) == 1
    said = capsys.readouterr().err
    assert "2 problems" in said and "1-101-A-0.wav" in said and "2-102-A-1.wav" in said


def test_a_tag_that_is_named_twice_is_one_tag(tmp_path):
    rows = [("a.wav", "rain;rain", 1), ("b.wav", "wind", 1), ("c.wav", "rain", 2), ("d.wav", "wind", 2)]
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    assert table(tmp_path / "labels.csv").single_label


def test_one_tag_alone_is_nothing_to_learn(tmp_path):
    for number in range(4):
        write_sound(tmp_path / f"{number}.wav", number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), [(f"{n}.wav", "rain", n % 2) for n in range(4)])
    with pytest.raises(DataError, match="nothing to tell it from"):
        check(table(tmp_path / "labels.csv"))


def test_a_tag_that_all_clips_have_among_others_is_noted(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(problems, "say", said.append)
    rows = [(f"{number}.wav", ("bird;crow", "bird;robin")[number % 2], number // 2) for number in range(4)]
    for number, (name, _, _) in enumerate(rows):
        write_sound(tmp_path / name, number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    check(table(tmp_path / "labels.csv"))
    assert len(said) == 1 and "all clips have the tag 'bird'" in said[0]


def test_a_label_outside_the_vocabulary(fsd50k_root):
    edit(fsd50k_root / "FSD50K.ground_truth" / "dev.csv", "Bark", "Meow")
    with pytest.raises(DataError, match="'Meow', not in vocabulary"):
        fsd50k(fsd50k_root)


@pytest.mark.parametrize("content", [b"", b"0;Bark;/m/05tny_", "0,Bark,x".encode("utf-16")])
def test_a_vocabulary_that_is_none(fsd50k_root, content):
    (fsd50k_root / "FSD50K.ground_truth" / "vocabulary.csv").write_bytes(content)
    with pytest.raises(DataError, match="vocabulary"):
        fsd50k(fsd50k_root)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",1,0,air", ",11,0,air", "in fold '11', wanted 1 … 10"),
        (",10,1,car", ",10,0,car", "wanted one class for classID '0'"),
    ],
)
def test_an_urbansound8k_that_is_not_as_published(urbansound8k_root, old, new, said):
    edit(urbansound8k_root / "metadata" / "UrbanSound8K.csv", old, new)
    with pytest.raises(DataError, match=said):
        urbansound8k(urbansound8k_root)


def test_a_recording_cut_across_folds(urbansound8k_root):
    edit(urbansound8k_root / "metadata" / "UrbanSound8K.csv", ",1020,", ",1010,")
    with pytest.raises(DataError, match="wanted one fold for fsID '1010', found 1, 2"):
        urbansound8k(urbansound8k_root)


def test_the_same_recording_under_two_tags(folder_root):
    (folder_root / "kettle" / "copy.wav").write_bytes((folder_root / "door_bell" / "0.wav").read_bytes())
    with pytest.raises(DataError, match="same recording with different tags"):
        check(folder(folder_root))


def test_a_tag_with_one_recording(folder_root):
    write_sound(folder_root / "rain" / "only.wav", 99)
    with pytest.raises(DataError, match="'rain' has clips in fewer than two folds"):
        check(folder(folder_root))


def test_half_a_split_of_its_own(tmp_path):
    rows = [(f"{fold}{tag}.wav", tag, fold) for fold in ("train", "test") for tag in ("a", "b")]
    for number, (name, _, _) in enumerate(rows):
        write_sound(tmp_path / name, number)
    write_rows(tmp_path / "labels.csv", ("file", "tags", "fold"), rows)
    with pytest.raises(DataError, match="wanted train, val and eval"):
        check(table(tmp_path / "labels.csv"))


def test_a_table_that_is_no_text(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(DataError, match="no CSV in UTF-8"):
        table(tmp_path / "labels.csv")


def test_looking_at_data_needs_no_training_library():
    libraries = {"tensorflow", "sklearn", "librosa", "scipy"}
    code = f"import sys, train.cli, train.dataset.problems; print({libraries} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize("name", ["nowhere", "empty", "loose", "hollow"])
def test_a_folder_that_is_no_data_set(tmp_path, name):
    if name != "nowhere":
        (tmp_path / name).mkdir()
    if name == "loose":
        write_sound(tmp_path / name / "a.wav", 1)
    if name == "hollow":
        (tmp_path / name / "rain").mkdir()
    with pytest.raises(DataError):
        folder(tmp_path / name)

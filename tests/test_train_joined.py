"""Several data sets as one: labels mapped, licences kept, groups and sources held apart; and a teacher's file."""

import csv

import numpy as np
import pytest
import soundfile

from bowstream.errors import UsageError
from train.cli import main
from train.dataset.data import ALWAYS
from train.dataset.errors import DataError
from train.dataset.joined import SOURCES, Joining
from train.dataset.layouts import layout_of, read_sets
from train.dataset.teacher import as_stored
from train.model.bundle import licence_text

COLUMNS = ("id", "file", "tags", "group", "source", "label", "seconds", "licence", "free", "weak", "esc50_id", "qc")
# Five places of five clips of each of two tags, and a sixth whose licence nobody states.
PLACES = [*(f"place{number}" for number in range(5)), "street"]


def write_sound(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.3, 0.3, 4_800), 16_000)


def write_rows(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def corpus(tmp_path):
    rows = []
    for place in PLACES:
        for number in range(5):
            for tags in ("Dog;Bark", "Siren"):
                name = f"{place}_{tags[:3]}_{number}"
                write_sound(tmp_path / "audio" / f"{name}.wav", len(rows))
                licence = "none stated" if place == "street" else "CC BY 4.0"
                twin = int(number == 0 and place == "place0")
                free = int(licence != "none stated")
                group = f"{place}:{number // 2}"
                row = (name, f"audio/{name}.wav", tags, group, place, "x", 0.3, licence, free, 0, twin, "ok")
                rows.append(row)
    write_rows(tmp_path / "corpus.csv", COLUMNS, rows)
    return tmp_path / "corpus.csv"


@pytest.fixture
def esc50(tmp_path):
    root, rows = tmp_path / "esc", []
    for fold in range(1, 6):
        for target, category in enumerate(("dog", "chainsaw")):
            for take in "AB":
                name = f"{fold}-{100 + fold}-{take}-{target}.wav"
                write_sound(root / "audio" / name, 1000 + len(rows))
                rows.append((name, fold, target, category))
    write_rows(root / "esc50.csv", ("filename", "fold", "target", "category"), rows)
    return root


def named(data, clips):
    return [data.clips[clip].name for clip in clips]


def test_two_sets_are_mapped_onto_one_vocabulary(corpus, esc50):
    data = read_sets([f"esc50:{esc50}", str(corpus)], None, Joining("everyday"))
    assert data.tags == ("dog", "siren", "chainsaw") and data.name == "ESC-50 + corpus"
    assert {clip.tags for clip in data.clips} == {("dog",), ("siren",), ("chainsaw",)}
    assert {clip.source for clip in data.clips} == {"ESC-50", *PLACES}
    presence = data.presence()
    assert presence.dtype == np.float32 and np.nansum(presence) == len(data.clips) and not np.isnan(presence).any()


def test_what_a_label_leaves_open_is_nan(corpus, tmp_path):
    write_rows(
        tmp_path / "few.csv",
        ("tag", "group", "labels", "near", "ambient"),
        [
            ("dog", "animals", "Bark", "", ""),
            ("siren", "alarms", "Siren", "", "yes"),
            ("horn", "x", "Siren", "Bark", ""),
        ],
    )
    data = read_sets([str(corpus)], None, Joining(str(tmp_path / "few.csv")))
    of_dog = data.presence()[[clip.tags == ("dog",) for clip in data.clips]]
    assert data.tags == ("dog", "siren", "horn") and np.array_equal(of_dog[0], [1.0, np.nan, np.nan], equal_nan=True)


def test_a_published_set_of_one_label_a_clip_chose_among_its_own(esc50):
    """Rain is ambient, but a clip of ESC-50 that is called a dog is none of rain; it may be one of birds."""
    table = esc50 / "esc50.csv"
    table.write_text(table.read_text().replace("chainsaw", "rain"))
    data = read_sets([f"esc50:{esc50}"], None, Joining("everyday", fewest=0))
    row = dict(zip(data.tags, data.presence()[[clip.tags == ("dog",) for clip in data.clips]][0]))
    assert (row["dog"], row["rain"], row["cat"]) == (1.0, 0.0, 0.0)
    assert np.isnan(row["chirping birds"]) and np.isnan(row["speech"])


def test_without_a_vocabulary_what_a_set_has_no_clip_of_is_unknown_there(corpus, esc50):
    data = read_sets([f"esc50:{esc50}", str(corpus)], None, Joining())
    assert data.tags == ("Bark", "Dog", "Siren", "chainsaw", "dog")
    row = data.presence()[named(data, range(len(data.clips))).index("1-101-A-0.wav")]
    assert np.array_equal(row, [np.nan, np.nan, np.nan, 0.0, 1.0], equal_nan=True)


def test_what_no_licence_is_stated_for_is_tried_on_only(corpus):
    for licences, left_out in (("stated", "street"), ("free", "street"), ("all", None)):
        data = read_sets([str(corpus)], None, Joining("everyday", licences))
        learned = {data.clips[clip].source for split in (*data.splits(), data.final()) for clip in split.fit}
        held = {data.clips[clip].source for split in data.splits() for clip in split.held}
        assert learned == set(PLACES) - {left_out} and held == set(PLACES)


def test_free_licences_leave_nothing_of_esc50(esc50):
    with pytest.raises(DataError, match="--licences free leaves nothing to learn from"):
        read_sets([f"esc50:{esc50}"], None, Joining(licences="free"))


def test_groups_stay_together_and_twins_of_what_is_held_are_not_learned(corpus, esc50):
    data = read_sets([f"esc50:{esc50}", str(corpus)], None, Joining("everyday"))
    group = [clip.group or clip.name for clip in data.clips]
    twins = {name for name in named(data, range(len(data.clips))) if name in ("place0_Dog_0", "place0_Sir_0")}
    for split in data.splits():
        assert not {group[clip] for clip in split.fit} & {group[clip] for clip in split.held}
        assert not twins & {*named(data, split.fit), *named(data, split.held)}
    assert twins < set(named(data, data.final().fit))


def test_whole_sources_are_held_out_and_esc50_is_always_learned_from(corpus, esc50):
    data = read_sets([f"esc50:{esc50}", str(corpus)], None, Joining("everyday", hold_out=SOURCES))
    held = [{data.clips[clip].source for clip in split.held} for split in data.splits()]
    assert set().union(*held) == set(PLACES) and sum(map(len, held)) == len(PLACES)
    for split, sources in zip(data.splits(), held):
        fit = {data.clips[clip].source for clip in split.fit}
        assert "ESC-50" in fit and not fit & sources
    assert {clip.fold for clip in data.clips if clip.source == "ESC-50"} == {ALWAYS}


def test_folds_are_the_same_whatever_licences_are_learned_from(corpus):
    rows = list(csv.reader(corpus.open()))
    for row in rows[1:]:
        if row[4] in ("place2", "place3", "street") and row[2] == "Siren":
            row[2], row[7] = "Rain", "none stated"
    write_rows(corpus, rows[0], rows[1:])
    stated, every = (read_sets([str(corpus)], None, Joining("everyday", how, SOURCES)) for how in ("stated", "all"))
    assert "rain" in every.tags and "rain" not in stated.tags
    assert [clip.fold for clip in stated.clips] == [clip.fold for clip in every.clips]


def test_a_lone_source_cannot_be_held_out(esc50):
    with pytest.raises(DataError, match="needs at least two sources, found 0"):
        read_sets([f"esc50:{esc50}"], None, Joining(hold_out=SOURCES))


def test_what_is_only_learned_from_are_sources_that_there_are(corpus):
    data = read_sets([str(corpus)], None, Joining("everyday", learn_only=("place1",)))
    assert {clip.source for clip in data.clips if clip.fold == ALWAYS} == {"place1"}
    with pytest.raises(DataError, match="--learn-only nowhere: no clip is from there; there are place0, "):
        read_sets([str(corpus)], None, Joining(learn_only=("nowhere",)))


def test_a_teacher_says_what_is_unknown(corpus, tmp_path):
    np.savez(
        tmp_path / "teacher.npz",
        labels=["Siren", "Dog", "Speech"],
        corpus_ids=["place0_Dog_1", "place1_Dog_1"],
        corpus=as_stored(np.array([[0.6, 0.9, 0.0], [0.0, 0.9, 0.5]], np.float32)),
        windows_ids=["a", "b"],
        windows=as_stored(np.array([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0], [0.5, 0.0, 0.0]], np.float32)),
        windows_first=[0, 2, 3],
    )
    data = read_sets([str(corpus)], None, Joining("everyday", teacher=tmp_path / "teacher.npz"))
    rows = dict(zip(named(data, range(len(data.clips))), data.presence()))
    assert np.array_equal(rows["place0_Dog_1"], [1.0, np.nan], equal_nan=True)
    assert rows["place1_Dog_1"].tolist() == [1.0, 0.0]
    scores, asked = data.teacher.of(["place1_Dog_1", "place2_Dog_1"])
    of_windows, _ = data.teacher.of(["a.wav", "b"])
    assert of_windows == pytest.approx(np.array([[0.1, 0.2, 0.0], [0.5, 0.0, 0.0]]), abs=0.005)
    assert asked.tolist() == [True, False] and scores == pytest.approx(np.array([[0, 0.9, 0.5], [0, 0, 0]]), abs=0.005)
    assert data.teacher.of([])[0].shape == (0, 3)


def test_how_a_set_is_named(tmp_path):
    assert layout_of("esc50:/a:b", None)[1].as_posix() == "/a:b"
    assert layout_of("esc50", tmp_path) == ("esc50", tmp_path)
    assert layout_of("mine.csv", None)[0] == "csv" and layout_of(str(tmp_path), None) == ("folder", tmp_path)
    for wrong in ("esc50", "esc", "esc50:"):
        with pytest.raises(UsageError, match="--data"):
            layout_of(wrong, None)


def test_broken_columns_are_refused(corpus, tmp_path):
    text = corpus.read_text().replace(",1,0,0,ok", ",yes,0,0,ok", 1)
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(DataError, match="has free 'yes': must be 0 or 1"):
        read_sets([str(tmp_path / "odd.csv")], None, Joining())


def test_data_command_reads_several_sets(corpus, esc50, capsys):
    command = ["data", "--data", f"esc50:{esc50}", "--data", str(corpus), "--vocabulary", "everyday"]
    assert main([*command, "--hold-out", "sources"]) == 0
    assert "ESC-50 + corpus: 80 clips, 3 tags, folds 1, 2, 3, 4, 5: nothing is wrong" in capsys.readouterr().out
    assert main([*command, "--root", str(esc50)]) == 2
    assert "--root is the place of --data LAYOUT alone" in capsys.readouterr().err


def test_the_licence_of_a_bundle_names_what_each_source_states(corpus, esc50):
    data = read_sets([f"esc50:{esc50}", str(corpus)], None, Joining("everyday"))
    text = licence_text(data, data.final().fit)
    assert "trained on ESC-50 + corpus" in text and "CC BY-NC 3.0 (https://" in text
    assert "corpus: clip by clip, as its table states" in text
    assert "place1 (10 clips): CC BY 4.0\n" in text and "street" not in text

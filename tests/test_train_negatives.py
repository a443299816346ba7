"""Negatives: how they are dealt out, what they measure, and which thresholds they choose."""

import dataclasses

import numpy as np
import pytest
import soundfile

pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")

from bowstream.model.front_end import FrontEnd
from train.dataset.data import Clip, DataSet
from train.dataset.errors import DataError
from train.dataset.made_up import made_sounds
from train.dataset.negatives import Negative, find_negatives, held_back, made_up, to_learn_from
from train.dataset.problems import content_hash
from train.dataset.teacher import Teacher
from train.dataset.vocabulary import read_vocabulary
from train.measure.evaluate import Held
from train.measure.false_events import Point, choose, false_events
from train.measure.trial import Model, Study, Trial
from train.model.bundle import TagCalibration
from train.model.calibrate import calibrate, shifted
from train.run import model_of

DATA = DataSet(
    "two tags", tuple(Clip(f"{n}.wav", None, (tag,), str(n)) for n, tag in enumerate(("bell", "rain"))),
    ("bell", "rain"), single_label=True, licence="none", published=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "negatives"
    path.mkdir()
    for number, kind in enumerate(("speech",) * 4 + ("music",) * 3 + ("street",)):
        soundfile.write(path / f"{kind}_{number}.wav", np.random.default_rng(number).uniform(-0.1, 0.1, 8000), 16_000)
    return path


def test_files_are_dealt_out_kind_by_kind_and_the_same_again(runs, folder):
    found = find_negatives(runs, folder, DATA, {})
    assert found == find_negatives(runs, folder, DATA, {})
    recorded = [negative for negative in found if not negative.made]
    assert sorted(negative.path.name for negative in recorded) == sorted(path.name for path in folder.iterdir())
    assert [sum(negative.part == part for negative in recorded) for part in (0, 1)] == [4, 4]
    for those in (recorded, [n for n in recorded if n.kind == "speech"], [n for n in found if n.made]):
        assert {n.part for n in those} == {0, 1}


def test_a_model_is_tried_on_the_negatives_that_it_did_not_learn_from_and_the_last_one_learns_from_all(runs, folder):
    found = find_negatives(runs, folder, DATA, {})
    tried = [held_back(found, split) for split in DATA.splits()]
    assert sorted(number for numbers in tried for number in numbers) == list(range(len(found)))
    for split, numbers in zip(DATA.splits(), tried):
        learned = {negative.content for negative in to_learn_from(found, split)}
        assert learned == {n.content for n in found} - {found[number].content for number in numbers}
    assert to_learn_from(found, DATA.final()) == list(found) and not held_back(found, DATA.final())


def test_recordings_of_one_name_in_several_folders_are_several(runs, tmp_path):
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        sound = np.random.default_rng(number).uniform(-0.1, 0.1, 8000)
        soundfile.write(tmp_path / str(number) / "street_01.wav", sound, 16_000)
    found = [negative for negative in find_negatives(runs, tmp_path, DATA, {}) if not negative.made]
    assert sorted(negative.part for negative in found) == [0, 0, 1, 1]


def test_a_made_up_sound_is_in_one_part_at_all_its_levels(runs):
    parts = {}
    for negative in made_up(runs, 5):
        parts.setdefault(negative.path.stem.partition("_-")[0], set()).add(negative.part)
    assert len(parts) == 16 and all(len(of_sound) == 1 for of_sound in parts.values())
    assert set.union(*parts.values()) == set(range(5))


def test_made_up_sounds_have_the_levels_in_their_names():
    sounds = dict(made_sounds(32_000, 16_000))
    assert not sounds.pop("silence_digital").any()
    for name, samples in sounds.items():
        level_dbfs = 10 * np.log10(np.mean(samples.astype(float) ** 2))
        assert np.isfinite(samples).all()
        assert level_dbfs == pytest.approx(int(name.rpartition("_")[2].removesuffix("dbfs")), abs=0.01)
    # White noise has as much power in the upper half of the spectrum as in the lower; brown next to none.
    for name, least, most in (("noise_white_-20dbfs", 0.45, 0.55), ("noise_brown_-20dbfs", 0.0, 0.02)):
        power = np.abs(np.fft.rfft(sounds[name])) ** 2
        assert least < power[len(power) // 2 :].sum() / power.sum() < most


def test_tags_that_may_sound_in_a_negative_are_noted_in_its_folder(runs, folder):
    data = dataclasses.replace(DATA, tags=("bell", "rain", "small birds", "Fill_(with_liquid)"))
    cell = "rain (drops), insects/small_birds; Fill_(with_liquid)"
    (folder / "negatives.csv").write_text(f'path,may_contain\nstreet_7.wav,"{cell}"\n')
    found = {negative.path.name: negative.may for negative in find_negatives(runs, folder, data, {})}
    assert found["street_7.wav"] == {"rain", "small birds", "Fill_(with_liquid)"} and not found["speech_0.wav"]


WORDS = ("speech", "woman speaking", "coughing", "laughing", "rain", "dog", "music", "trumpet", "drum")


def known(runs, folder, kind, teacher=None):
    """What is present in the first negative of a kind, and what may be."""
    data = DataSet("words", DATA.clips, WORDS, False, False, "none", vocabulary=read_vocabulary("everyday"))
    found = find_negatives(runs, folder, dataclasses.replace(data, teacher=teacher), {})
    first = next(negative for negative in found if negative.kind == kind)
    return first.tags, first.may - {*first.tags}


def test_without_a_teacher_much_may_sound_in_a_negative(runs, folder):
    assert known(runs, folder, "speech") == (("speech",), {"woman speaking", "coughing", "laughing", "rain", "music"})
    assert known(runs, folder, "street") == ((), {"speech", "woman speaking", "rain", "music"})


def test_what_a_teacher_does_not_hear_in_a_negative_is_not_there(runs, folder):
    labels = ("Cough", "Laughter", "Rain", "Dog", "Speech", "Music", "Drum")
    scores = np.array([[0.0, 0.05, 0.05, 0.2, 0.9, 0.2, 0.0], [0.0, 0.05, 0.2, 0.4, 0.05, 0.9, 0.05]], np.float32)
    rows = {path.stem: int(path.stem.startswith("music")) for path in folder.iterdir()}
    teacher = Teacher(labels, rows, scores, np.arange(3))
    of_speech, of_music = (known(runs, folder, kind, teacher) for kind in ("speech", "music"))
    assert of_speech == (("speech",), {"woman speaking", "laughing", "music"})
    assert of_music == (("music",), {"rain", "dog", "trumpet", "drum"})


def test_in_a_made_up_sound_nothing_is_but_what_its_kind_means(runs, folder):
    assert known(runs, folder, "made music") == ((), {"music", "trumpet"})
    assert known(runs, folder, "made noise") == ((), set())


def test_a_note_about_a_recording_that_is_not_there_is_said(runs, folder):
    (folder / "negatives.csv").write_text("path,may_contain\nstreet_8.wav,rain\n")
    with pytest.raises(DataError, match="there is no recording street_8"):
        find_negatives(runs, folder, DATA, {})


def test_a_note_that_names_a_recording_twice_is_said(runs, folder):
    (folder / "negatives.csv").write_text("path,may_contain\nstreet_7.wav,rain\nstreet_7.wav,bell\n")
    with pytest.raises(DataError, match=r"street_7\.wav is listed 2 times"):
        find_negatives(runs, folder, DATA, {})


@pytest.mark.parametrize("damage", ["too few", "not a sound", "twice", "a clip"])
def test_what_is_wrong_with_negatives_is_said(runs, folder, damage):
    hashes, said = {}, "content of"
    if damage == "too few":
        said = "wanted at least 2 recordings as negatives, one a part, found 1"
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    elif damage == "not a sound":
        (folder / "speech_0.wav").write_text("hello")
        said = "no recording"
    elif damage == "twice":
        (folder / "copy.wav").write_bytes((folder / "speech_0.wav").read_bytes())
    else:
        hashes = {"0.wav": content_hash(folder / "speech_0.wav")}
    with pytest.raises(DataError, match=said):
        find_negatives(runs, folder, DATA, hashes)


def test_thresholds_are_raised_in_logits():
    (tag,) = shifted([TagCalibration(on=0.5, off=0.25)], 2.0)
    assert tag.on == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-4) and tag.off == pytest.approx(tag.on / 2, abs=1e-4)


def test_a_model_is_calibrated_on_what_others_said(runs):
    """The calibration of each fold's scores, by hand from the other fold's."""
    clips = tuple(Clip(f"{n}.wav", None, (("bell", "rain")[n % 2],), str(n // 4)) for n in range(8))
    data = dataclasses.replace(DATA, clips=clips)
    rng = np.random.default_rng(1)
    trials = [Trial(split, None, None, Held(rng.random((4, 2), np.float32), split.held)) for split in data.splits()]
    study = Study(runs, data, None, None, None)
    for trial, other in (trials, trials[::-1]):
        model = model_of(trial, study, trials, ())
        assert model.tags == calibrate(other.held.scores, data.targets()[other.held.clip])
        assert model.held is trial.held and model.negatives is None


def point(offset, recall, *events):
    return Point(offset, recall, np.array(events, np.float32))


def test_the_lowest_thresholds_that_are_quiet_enough_are_chosen():
    points = [point(0.0, 0.8, 9, 5), point(1.0, 0.6, 1, 3), point(2.0, 0.5, 1, 1), point(3.0, 0.45, 0, 0)]
    hours, made, everything = np.ones(2), np.array([False, True]), np.arange(2)
    assert choose(points, hours, made, everything).offset == 2.0
    assert choose(points, hours, made, everything[:1]).offset == 1.0  # does not look at what is made up
    assert choose(points, hours / 2, made, everything).offset == 3.0


def test_no_more_than_half_of_the_recall_is_given_away():
    points = [point(0.0, 0.8, 99), point(1.0, 0.5, 50), point(2.0, 0.3, 0)]
    assert choose(points, np.ones(1), np.zeros(1, bool), np.arange(1)).offset == 1.0


def test_events_are_counted_as_bowstream_raises_them():
    """Two files of ten and five windows, each heard by the model of another fold, one clip a tag; by hand."""
    front_end, tags = FrontEnd(), [TagCalibration(on=0.6, off=0.3)] * 2
    held = Held(np.array([[0.9, 0.1], [0.1, 0.2], [0.1, 0.5]], np.float32), np.array([0, 1, 1]))
    first = np.array([0.7, 0.4, 0.9, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1, 0.1])  # a lull that is no end, then a new event
    scores = np.zeros((15, 2), np.float32)
    scores[:10, 0], scores[10:, 1], scores[12, 0] = first, 0.99, 0.8
    said = [Held(scores[:10], np.full(10, 0)), Held(scores[10:], np.full(5, 1))]
    negatives = [
        Negative(None, "speech", 0, "a"),
        Negative(None, "made hum", 1, "b", made=True, may=frozenset(["rain"])),
        Negative(None, "music", 2, "c"),  # no model of these is tried on it
    ]
    found = false_events(DATA, front_end, negatives, [Model(tags, held, of_model) for of_model in said])
    assert found["files"] == 2
    assert found["shipped"]["recorded_events"] == 1 and found["shipped"]["recorded_interval_95"] == [9.11, 2005.79]
    assert found["hours"] == {"recorded": round(10 / 3600, 3), "made": round(5 / 3600, 3)}
    begin = found["curve"][0]
    assert begin["recall"] == found["full_recall"] == 0.5  # the bell's clip raises it, the rain's does not
    assert begin["by_kind_per_hour"] == {"made hum": 1 * 720.0, "speech": 2 * 360.0}
    assert begin["recorded_per_hour"] == 720.0 and begin["made_per_hour"] == 720.0
    at = {curve["offset"]: curve["recorded_per_hour"] for curve in found["curve"]}
    assert at[0.5] == 360.0  # 0.712: the two of 0.7 are gone
    # The bell's clip is raised up to 0.9, which is 1.79 logits above 0.6: no more may be given away.
    assert found["shipped"]["offset"] == 1.75 and found["shipped"]["recall"] == 0.5
    # Measured on each file with what the other one alone would have chosen: 1.0 for the recorded, 1.75 for the made.
    assert found["shipped"]["recorded_per_hour"] == 360.0 and found["shipped"]["made_per_hour"] == 0.0

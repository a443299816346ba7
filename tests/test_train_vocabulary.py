"""The vocabulary: labels of data sets become tags, and what they leave open stays open."""

import csv

import pytest

from train.dataset.errors import DataError
from train.dataset.vocabulary import read_vocabulary

ESC50 = [
    "airplane",
    "breathing",
    "brushing_teeth",
    "can_opening",
    "car_horn",
    "cat",
    "chainsaw",
    "chirping_birds",
    "church_bells",
    "clapping",
    "clock_alarm",
    "clock_tick",
    "coughing",
    "cow",
    "crackling_fire",
    "crickets",
    "crow",
    "crying_baby",
    "dog",
    "door_wood_creaks",
    "door_wood_knock",
    "drinking_sipping",
    "engine",
    "fireworks",
    "footsteps",
    "frog",
    "glass_breaking",
    "hand_saw",
    "helicopter",
    "hen",
    "insects",
    "keyboard_typing",
    "laughing",
    "mouse_click",
    "pig",
    "pouring_water",
    "rain",
    "rooster",
    "sea_waves",
    "sheep",
    "siren",
    "sneezing",
    "snoring",
    "thunderstorm",
    "toilet_flush",
    "train",
    "vacuum_cleaner",
    "washing_machine",
    "water_drops",
    "wind",
]
GROUPS = {"animals", "people", "home", "alarms", "vehicles", "nature", "music", "tools"}


@pytest.fixture(scope="module")
def everyday():
    return read_vocabulary("everyday")


def vocabulary(path, *rows):
    header = ("tag", "group", "labels", "near", "unless", "implies", "ambient")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row + ("",) * (len(header) - len(row)) for row in rows)])
    return read_vocabulary(str(path))


def test_the_everyday_world_has_a_hundred_tags_and_each_a_group(everyday):
    assert len(everyday.entries) >= 100
    assert {entry.group for entry in everyday.entries} == GROUPS


@pytest.mark.parametrize("kind", ESC50)
def test_each_kind_of_esc50_is_a_tag_and_nothing_more_special(everyday, kind):
    first, *general = everyday.tags_of([kind])
    assert first == kind.replace("_", " ")
    assert not set(general) & {other.replace("_", " ") for other in ESC50}


@pytest.mark.parametrize(
    ("labels", "tags"),
    [
        (("Dog", "Bark"), ("dog",)),
        (("Canidae, dogs, wolves", "Howl"), ("howl",)),
        (("Chicken, rooster", "Cluck"), ("chicken", "hen")),
        (("Chicken, rooster", "Crowing, cock-a-doodle-doo"), ("chicken", "rooster")),
        (("Insect", "Cricket"), ("crickets",)),
        (("Speech", "Female speech, woman speaking"), ("woman speaking", "speech")),
        (("Smoke detector, smoke alarm", "Alarm"), ("smoke alarm", "alarm")),
        (("Flute", "Musical instrument"), ("flute", "woodwind", "music")),
        (("Violin, fiddle", "Musical instrument"), ("violin", "bowed strings", "music")),
        (("Animal",), ()),
    ],
)
def test_audiosets_labels_become_tags_the_special_first(everyday, labels, tags):
    assert everyday.tags_of(labels) == tags


def test_what_labels_leave_open_is_neither_there_nor_absent(everyday):
    siren = everyday.may(("Siren",), everyday.tags_of(("Siren",)))
    assert {"ambulance siren", "police siren", "speech", "traffic"} <= siren
    assert not {"siren", "dog", "chainsaw"} & siren
    assert "dog" in everyday.may(("Animal",), ())


def test_ones_own_vocabulary(tmp_path):
    mine = vocabulary(
        tmp_path / "mine.csv", ("kettle", "home", "Boiling;kessel"), ("hum", "home", "", "", "", "", "yes")
    )
    assert mine.name == "mine" and mine.groups() == {"kettle": "home", "hum": "home"}
    assert mine.tags_of(["kessel"]) == mine.tags_of(["kettle"]) == ("kettle",)
    assert mine.may(["kessel"], ("kettle",)) == {"hum"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x"), ("a", "x")], "tag 'a' is listed twice"),
        ([("a", "x", "", "", "", "b")], "'a' implies b, which is no tag of it"),
        ([("a", "x", "", "", "", "b"), ("b", "x", "", "", "", "a")], "'a' implies itself"),
        ([("a", "x", "", "", "", "", "maybe")], "ambient of 'a' must be yes or nothing (got 'maybe')"),
        ([("a", "")], "line 2 has no group"),
    ],
)
def test_a_broken_vocabulary_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match="^" + str(tmp_path)) as caught:
        vocabulary(tmp_path / "mine.csv", *rows)
    assert message in str(caught.value)


def test_a_vocabulary_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        read_vocabulary("nowhere.csv")

"""A bundle whose description is tampered with, or says what cannot be, is refused with the reason."""

import pytest
from spoiling import assert_refused

from bowstream.model.bundle import HEAD, PROBE


@pytest.mark.parametrize("field", ["on", "off", "slope", "name"])
def test_a_tampered_tag(field, copy, capsys):
    description = copy.description
    tag = description["tags"][0]
    tag[field] = "cat burglar" if field == "name" else tag[field] * 0.5
    copy.describe(description, sign=False)
    assert_refused(copy, "does not match its own sha256", capsys)


def test_a_tampered_licence(copy, capsys):
    description = copy.description
    description["licences"] = {"weights": "anything goes"}
    copy.describe(description, sign=False)
    assert_refused(copy, "does not match its own sha256", capsys)


def test_a_swapped_file_hash(copy, capsys):
    description = copy.description
    description["files"][HEAD] = description["files"][PROBE]
    copy.describe(description)
    assert_refused(copy, f"{HEAD} does not match its sha256", capsys)


@pytest.mark.parametrize(
    "field",
    [
        *("front_end", "level", "tags", "files", "count_transform", "context", "name"),
        *("created", "git_revision", "trained_on", "licences", "metrics"),
    ],
)
def test_a_description_that_lacks_a_field(field, copy, capsys):
    description = copy.description
    del description[field]
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|does not match", capsys)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("front_end", {"colour": "red"}),
        ("front_end", {"n_mels": "many"}),
        ("front_end", {"n_mels": 40}),
        ("front_end", {"hop_length": 0}),
        ("front_end", {"frames_per_column": 0}),
        ("front_end", {"power_floor": -1.0}),
        ("front_end", {"win_length": 481}),
        ("front_end", []),
        ("level", {"range_db": "loud"}),
        ("level", {"range_db": 0}),
        ("level", {"quietest": None}),
        ("level", 3),
        ("tags", []),
        ("tags", {}),
        ("tags", [{"name": "dog"}]),
        ("tags", 7),
        ("files", {}),
        ("files", []),
        ("files", 3),
        ("count_transform", "cube"),
        ("context", 0),
        ("context", "long"),
        ("count_transform", ["sqrt"]),
        ("competition", 1.5),
        ("competition", "much"),
        ("licences", None),
        ("metrics", 0.5),
    ],
    ids=str,
)
def test_a_description_that_misstates_a_field(field, value, copy, capsys):
    description = copy.description
    description[field] = value
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|must be|must have|must map|does not match|fails", capsys)


@pytest.mark.parametrize(
    "tag",
    [
        {"on": 0.3, "off": 0.6},
        {"on": 1.5},
        {"off": -0.1},
        {"on": "high"},
        {"on": float("nan")},
        {"slope": float("inf")},
    ],
    ids=str,
)
def test_senseless_thresholds(tag, copy, capsys):
    description = copy.description
    description["tags"][1].update(tag)
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|must be|must have|must map|fails", capsys)


def test_a_tag_named_twice(copy, capsys):
    description = copy.description
    description["tags"][1]["name"] = description["tags"][0]["name"]
    copy.describe(description)
    assert_refused(copy, "names a tag twice", capsys)


def test_a_tag_too_few(copy, capsys):
    description = copy.description
    description["tags"].pop()
    copy.describe(description)
    assert_refused(copy, f"{HEAD} must map .* values", capsys)

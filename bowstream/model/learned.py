"""What was taught on this device: tags beside a bundle's, and corrections of them, in one file of plain arrays.

A row of weights for each: a learned tag's logit is `row · features + bias`; a correction adds the same to a logit that
there is. Features are what the head's first layer makes of the counts. The bundle itself stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._text import UNPRINTABLE
from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.archive import read_arrays, read_file
from bowstream.model.bundle import Bundle, digest, no_number
from bowstream.model.head import Additions
from bowstream.model.tags import Tag

FORMAT = "bowstream-learned-1"
DESCRIPTION = "description"
# Arrays: rows (n, F) and biases (n,) of tags, then of corrections; hidden (windows, H) of the examples of each in turn;
# samples (N,) of the examples of tags, where they were kept.
ARRAYS: Mapping[str, tuple[str, int]] = {
    "rows": ("float32", 2),
    "biases": ("float32", 1),
    "hidden": ("int8", 2),
    "samples": ("int16", 1),
}
MOST_TAGS = 200
LONGEST_NAME = 60


@dataclass(frozen=True)
class Example:
    """A sound that a tag was learned from: whose, where in it, and how many windows and kept samples it gave.

    name : of the file, or where else it came from
    """

    name: str
    start_s: float
    length_s: float
    windows: int
    samples: int = 0


@dataclass(frozen=True)
class LearnedTag:
    """A tag that was taught.

    Attributes
    ----------
    tag : its name and thresholds
    since : when it was taught, UTC, as ISO 8601
    examples : what it was learned from
    tries, told : how often an example was left out, and how often it was told from background all the same
    mistaken_for : tags of the bundle that rise with it
    """

    tag: Tag
    since: str
    examples: tuple[Example, ...]
    tries: int = 0
    told: int = 0
    mistaken_for: tuple[str, ...] = ()

    @property
    def windows(self) -> int:
        """How many windows its examples have together."""
        return sum(example.windows for example in self.examples)

    @property
    def samples(self) -> int:
        """How many samples are kept of them."""
        return sum(example.samples for example in self.examples)


@dataclass(frozen=True)
class Correction:
    """What verdicts on a tag's events changed of it.

    Attributes
    ----------
    tag : its name, and its thresholds from now on
    events : ids of the events that were judged, and whether each was right
    windows : of each event
    """

    tag: Tag
    events: Mapping[str, bool]
    windows: tuple[int, ...]


@dataclass(frozen=True)
class Learned:
    """All that was taught for one bundle.

    Attributes
    ----------
    bundle : SHA-256 of the bundle that it belongs to
    tags, corrections : what was taught, in the order of the rows
    rows, biases : float32 [shape=(n, F)] and [shape=(n,)]
    hidden : int8 [shape=(windows, H)], the head's first layer of the examples' windows, in the same order
    samples : int16 [shape=(N,)], the kept examples, 16 kHz
    """

    bundle: str
    tags: tuple[LearnedTag, ...] = ()
    corrections: tuple[Correction, ...] = ()
    rows: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32), repr=False)
    biases: Float32 = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    hidden: NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 0), np.int8), repr=False)
    samples: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16), repr=False)

    def __post_init__(self) -> None:
        """Raise `ValueError` unless all parts fit together."""
        entries = len(self.tags) + len(self.corrections)
        if self.rows.shape[:1] != self.biases.shape or len(self.rows) != entries or entries > MOST_TAGS:
            raise ValueError(f"a row for each of {entries} tags and corrections, at most {MOST_TAGS}")
        if not (np.isfinite(self.rows).all() and np.isfinite(self.biases).all()):
            raise ValueError("rows, which must be finite")
        windows = sum(each.windows for each in self.tags) + sum(sum(each.windows) for each in self.corrections)
        if len(self.hidden) != windows or len(self.samples) != sum(each.samples for each in self.tags):
            raise ValueError("windows and samples, which must be those of the examples")
        corrected = [each.tag.name for each in self.corrections]
        for names in ([each.tag.name for each in self.tags], corrected):
            if len(set(names)) != len(names):
                raise ValueError("a tag twice")

    @property
    def names(self) -> tuple[str, ...]:
        """The learned tags' names."""
        return tuple(each.tag.name for each in self.tags)

    @property
    def windows_of_tags(self) -> int:
        """How many of the windows are of tags' examples; those of corrections follow."""
        return sum(each.windows for each in self.tags)

    def hidden_of(self, place: int) -> NDArray[np.int8]:
        """Return the windows of a tag's examples, by its place."""
        first = sum(each.windows for each in self.tags[:place])
        return self.hidden[first : first + self.tags[place].windows]

    def samples_of(self, place: int) -> NDArray[np.int16]:
        """Return the kept sound of a tag's examples, by its place."""
        first = sum(each.samples for each in self.tags[:place])
        return self.samples[first : first + self.tags[place].samples]

    def applied(self, bundle: Bundle) -> Bundle:
        """Return a bundle with what was learned for it.

        Raises
        ------
        BundleError
            If it was learned for another bundle, or has a name that the bundle has.
        """
        if self.bundle != bundle.description["sha256"]:
            raise BundleError(f"what was learned belongs to another bundle than {bundle.name!r}")
        if not len(self.rows):
            return bundle
        places = {tag["name"]: place for place, tag in enumerate(bundle.description["tags"])}
        if taken := set(places) & set(self.names):
            raise BundleError(f"the bundle has a tag {min(taken)!r}, too")
        n_outputs = len(places)
        places.update({name: n_outputs + place for place, name in enumerate(self.names)})
        names = (*self.names, *(each.tag.name for each in self.corrections))
        rows_at = [places[name] for name in names]
        additions = Additions(self.rows, self.biases, tuple(rows_at), len(self.tags))
        corrected = {each.tag.name: each.tag for each in self.corrections}
        tags = (*bundle.tags, *(each.tag for each in self.tags))
        known = bundle.head.outputs or tuple(range(n_outputs))
        head = replace(bundle.head, additions=additions, outputs=(*known, *range(n_outputs, len(places))))
        return replace(bundle, tags=tuple(corrected.get(tag.name, tag) for tag in tags), head=head)


def nothing_learned(bundle: Bundle) -> Learned:
    """Return what a device knows beside a bundle at first."""
    return Learned(bundle.description["sha256"])


def read_learned(path: Path) -> Learned:
    """Read a file, and check it.

    Raises
    ------
    BundleError
        If it is damaged, changed or of another format.
    """
    content = read_file(path)
    arrays = read_arrays(content, str(path))
    try:
        description = json.loads(arrays.pop(DESCRIPTION).astype(np.uint8).tobytes(), parse_constant=no_number)
        if description["format"] != FORMAT:
            raise BundleError(f"{path} must have format {FORMAT!r} (got {description['format']!r})")
        if description["sha256"] != digest(description):
            raise ValueError("its own sha256")
        if {name: hash_of(array) for name, array in arrays.items()} != description["arrays"]:
            raise ValueError("the sha256 of its arrays")
        found = {name: (array.dtype.name, array.ndim) for name, array in arrays.items()}
        if found != ARRAYS:
            raise ValueError(f"its arrays, which must be {dict(ARRAYS)}")
        tags = tuple(map(tag_from, description["tags"]))
        corrections = tuple(map(correction_from, description["corrections"]))
        return Learned(str(description["bundle"]), tags, corrections, **arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} lacks or misstates {error}: it is damaged, restore it or delete it") from error


def encoded(learned: Learned) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file."""
    arrays: dict[str, NDArray[Any]] = {name: np.ascontiguousarray(getattr(learned, name)) for name in ARRAYS}
    description = {
        "format": FORMAT,
        "bundle": learned.bundle,
        "tags": [
            {**tag_fields(each.tag), "since": each.since, "tries": each.tries, "told": each.told}
            | {"mistaken_for": list(each.mistaken_for), "examples": [vars(example) for example in each.examples]}
            for each in learned.tags
        ],
        "corrections": [
            {**tag_fields(each.tag), "events": dict(each.events), "windows": list(each.windows)}
            for each in learned.corrections
        ],
        "arrays": {name: hash_of(array) for name, array in arrays.items()},
    }
    description["sha256"] = digest(description)
    text = json.dumps(description, ensure_ascii=False).encode()
    return {DESCRIPTION: np.frombuffer(text, np.uint8), **arrays}


def tag_fields(tag: Tag) -> dict[str, Any]:
    """Return a tag as the file has it."""
    return {"name": tag.name, "on": tag.on, "off": tag.off, "group": tag.group}


def tag_of(fields: Mapping[str, Any]) -> Tag:
    """Return the tag that the file has; raise `ValueError` if its name is none."""
    name = fields["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or UNPRINTABLE.search(name):
        raise ValueError("a name")
    return Tag(name, float(fields["on"]), float(fields["off"]), str(fields["group"]))


def tag_from(fields: Mapping[str, Any]) -> LearnedTag:
    """Return a learned tag that the file has."""
    examples = tuple(
        Example(
            str(one["name"]),
            float(one["start_s"]),
            float(one["length_s"]),
            count(one["windows"]),
            count(one["samples"]),
        )
        for one in fields["examples"]
    )
    mistaken_for = tuple(map(str, fields["mistaken_for"]))
    return LearnedTag(
        tag_of(fields), str(fields["since"]), examples, count(fields["tries"]), count(fields["told"]), mistaken_for
    )


def correction_from(fields: Mapping[str, Any]) -> Correction:
    """Return a correction that the file has."""
    events = {str(event): bool(right) for event, right in fields["events"].items()}
    windows = tuple(map(count, fields["windows"]))
    if len(windows) != len(events):
        raise ValueError("the windows of each event")
    return Correction(tag_of(fields), events, windows)


def count(value: Any) -> int:
    """Return a number of things; raise `ValueError` if it is none."""
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"a count (got {value!r})")
    return value


def hash_of(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array with its shape."""
    return hashlib.sha256(str((array.dtype.str, array.shape)).encode() + array.tobytes()).hexdigest()

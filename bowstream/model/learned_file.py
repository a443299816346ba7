"""The file of what was taught: an npz of plain arrays and one of JSON, with hashes; read without trust in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._ids import ID_DIGITS
from bowstream._text import UNPRINTABLE
from bowstream.errors import BundleError
from bowstream.model.archive import read_arrays, read_file
from bowstream.model.bundle import digest, no_number, usual_of
from bowstream.model.learned import Correction, Example, Hidden, Learned, LearnedTag, Row, Verdict
from bowstream.model.tags import Tag

FORMAT = "bowstream-learned-2"
DESCRIPTION = "description"
# Rows of tags, then of corrections; hidden of each example's windows, then of verdicts; samples of each example.
ARRAYS: Mapping[str, tuple[str, int]] = {
    "rows": ("float32", 2),
    "biases": ("float32", 1),
    "hidden": ("int8", 2),
    "samples": ("int16", 1),
}
LONGEST_NAME = 60


def read_learned(path: Path) -> Learned:
    """Read a file, and check it.

    Raises
    ------
    BundleError
        If it is damaged, changed or of another format.
    """
    arrays = read_arrays(read_file(path), str(path))
    try:
        description = json.loads(arrays.pop(DESCRIPTION).astype(np.uint8).tobytes(), parse_constant=no_number)
        if description["format"] != FORMAT:
            raise BundleError(
                f"{path} must have format {FORMAT!r} (got {description['format']!r}): another version wrote it; "
                "move it away and teach again"
            )
        if description["sha256"] != digest(description):
            raise ValueError("its own sha256")
        if {name: hash_of(array) for name, array in arrays.items()} != description["arrays"]:
            raise ValueError("the sha256 of its arrays")
        found = {name: (array.dtype.name, array.ndim) for name, array in arrays.items()}
        if found != ARRAYS:
            raise ValueError(f"its arrays, which must be {dict(ARRAYS)}")
        return decoded(description, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path} lacks or misstates {error}: it is damaged, restore it or delete it") from error


def encoded(learned: Learned) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file."""
    rows = learned.rows
    examples = [example for tag in learned.tags for example in tag.examples]
    verdicts = [verdict for each in learned.corrections for verdict in each.verdicts]
    hidden = [*(each.hidden for each in examples), *(each.hidden[np.newaxis] for each in verdicts)]
    arrays: dict[str, NDArray[Any]] = {
        "rows": np.array([row.weights for row in rows] or np.empty((0, 0)), np.float32),
        "biases": np.array([row.bias for row in rows], np.float32),
        "hidden": np.concatenate(hidden) if hidden else np.empty((0, 0), np.int8),
        "samples": np.concatenate([np.empty(0, np.int16), *(each.samples for each in examples)]),
    }
    description = {
        "format": FORMAT,
        "bundle": learned.bundle,
        "tags": [tag_fields(each) for each in learned.tags],
        "corrections": [
            {
                "name": each.name,
                "raised": each.raised,
                "events": {one.event: one.right for one in each.verdicts},
            }
            for each in learned.corrections
        ],
        "arrays": {name: hash_of(array) for name, array in arrays.items()},
    }
    description["sha256"] = digest(description)
    text = json.dumps(description, ensure_ascii=False).encode()
    return {DESCRIPTION: np.frombuffer(text, np.uint8), **arrays}


def tag_fields(tag: LearnedTag) -> dict[str, Any]:
    """Return a learned tag as the file has it."""
    return {
        "name": tag.name,
        "on": tag.tag.on,
        "off": tag.tag.off,
        "usual": tag.tag.usual,
        "since": tag.since,
        "tries": tag.tries,
        "told": tag.told,
        "mistaken_for": list(tag.mistaken_for),
        "examples": [
            {
                "name": each.name,
                "start_s": each.start_s,
                "length_s": each.length_s,
                "windows": len(each.hidden),
                "samples": len(each.samples),
                "inside_s": each.inside_s,
            }
            for each in tag.examples
        ],
    }


def decoded(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Learned:
    """Return what a description and its arrays say; raise `KeyError` or the like if they do not fit."""
    rows = iter([Row(*each) for each in zip(arrays["rows"], arrays["biases"].tolist(), strict=True)])
    hidden, samples = Parts(arrays["hidden"]), Parts(arrays["samples"])
    tags = tuple(tag_from(fields, next(rows), hidden, samples) for fields in listed(description["tags"]))
    corrections = tuple(correction_from(fields, next(rows), hidden) for fields in listed(description["corrections"]))
    if next(rows, None) or hidden.left or samples.left:
        raise ValueError("arrays, which must be those of its tags and corrections")
    return Learned(str(description["bundle"]), tags, corrections)


class Parts:
    """An array that is taken apart from its beginning on."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def take(self, count: Any) -> NDArray[Any]:
        """Return the next entries; raise `ValueError` if there are not so many."""
        if not isinstance(count, int) or not 0 <= count <= self.left:
            raise ValueError(f"a count (got {count!r})")
        taken, self._array = self._array[:count], self._array[count:]
        return taken

    @property
    def left(self) -> int:
        """How many entries are left."""
        return len(self._array)


def tag_from(fields: Mapping[str, Any], row: Row, hidden: Parts, samples: Parts) -> LearnedTag:
    """Return a learned tag that the file has."""
    usual = usual_of(fields)  # which files from before taught tags had a floor lack
    tag = Tag(name_from(fields), float(fields["on"]), float(fields["off"]), usual=usual)
    examples = tuple(example_from(each, hidden, samples) for each in listed(fields["examples"]))
    tries, told = fields["tries"], fields["told"]
    if not examples or not all(isinstance(value, int) and value >= 0 for value in (tries, told)):
        raise ValueError(f"examples and tries (got {len(examples)}, {tries} and {told})")
    return LearnedTag(tag, str(fields["since"]), examples, row, tries, told, tuple(map(str, fields["mistaken_for"])))


def example_from(fields: Mapping[str, Any], hidden: Parts, samples: Parts) -> Example:
    """Return an example that the file has."""
    start_s, length_s, inside_s = (float(fields[name]) for name in ("start_s", "length_s", "inside_s"))
    windows: Hidden = hidden.take(fields["windows"])
    if not len(windows):
        raise ValueError("windows of an example")
    return Example(str(fields["name"]), start_s, length_s, windows, samples.take(fields["samples"]), inside_s)


def correction_from(fields: Mapping[str, Any], row: Row, hidden: Parts) -> Correction:
    """Return a correction that the file has."""
    events: Mapping[str, bool] = fields["events"]
    if strange := next((event for event in events if not set(event) <= set(ID_DIGITS)), None):
        raise ValueError(f"the id of an event (got {strange!r})")
    verdicts = tuple(Verdict(event, bool(right), hidden.take(1)[0]) for event, right in events.items())
    raised = float(fields.get("raised", 0.0))  # files from before thresholds moved have none
    return Correction(name_from(fields), verdicts, row, raised)


def name_from(fields: Mapping[str, Any]) -> str:
    """Return a tag's name that the file has; raise `ValueError` if it is none."""
    name = fields["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or UNPRINTABLE.search(name):
        raise ValueError("a name")
    return name


def listed(value: Any) -> list[Any]:
    """Return a list; raise `ValueError` if it is none."""
    if not isinstance(value, list):
        raise ValueError(f"a list (got {type(value).__name__})")
    return value


def hash_of(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array with its shape."""
    return hashlib.sha256(str((array.dtype.str, array.shape)).encode() + array.tobytes()).hexdigest()

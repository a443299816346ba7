"""What was taught on this device: tags beside a bundle's, and corrections of tags. The bundle itself stays as it is.

A learned tag's logit is `features · weights + bias`; a correction lowers the logit that a tag has. Features are what
the head's first layer makes of the counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.additions import Additions
from bowstream.model.bundle import Bundle
from bowstream.model.tags import Tag

MOST_TAGS = 200

Hidden = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Row:
    """Weights and bias of a logit."""

    weights: Float32
    bias: float

    def __call__(self, features: Float32) -> Float32:
        """Return the logits of features (n, F), float32 [shape=(n,)]."""
        logits: Float32 = features @ self.weights + np.float32(self.bias)
        return logits


@dataclass(frozen=True)
class Example:
    """A sound that a tag was learned from.

    Attributes
    ----------
    name : of the file, or where else it came from
    start_s, length_s : where in it the sound is
    hidden : int8 [shape=(windows, H)], what the head's first layer makes of it and its variations
    samples : int16 [shape=(N,)], 16 kHz, with what is around it, if it was kept; else none
    inside_s : where in `samples` the sound begins
    """

    name: str
    start_s: float
    length_s: float
    hidden: Hidden = field(repr=False, compare=False)
    samples: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16), repr=False, compare=False)
    inside_s: float = 0.0


@dataclass(frozen=True)
class LearnedTag:
    """A tag that was taught.

    Attributes
    ----------
    tag : its name and thresholds
    since : when it was taught, UTC, as ISO 8601
    examples : what it was learned from
    row : above 0 it is told apart from background
    tries, told : how often an example was left out, and how often it was told from background all the same
    mistaken_for : tags of the bundle that rise with it
    """

    tag: Tag
    since: str
    examples: tuple[Example, ...]
    row: Row = field(repr=False, compare=False)
    tries: int = 0
    told: int = 0
    mistaken_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its tag's name."""
        return self.tag.name


@dataclass(frozen=True)
class Verdict:
    """An event that the user judged.

    event : its id
    right : whether it was what it was taken for
    hidden : int8 [shape=(H,)], of the window that scored highest
    """

    event: str
    right: bool
    hidden: Hidden = field(repr=False, compare=False)


@dataclass(frozen=True)
class Correction:
    """What verdicts on its events changed of a tag, the bundle's or a learned one.

    name : of the tag
    row : what its logit is lowered by, where it is above 0
    raised : what its logit is lowered by in any case: as much as if its threshold were raised
    """

    name: str
    verdicts: tuple[Verdict, ...]
    row: Row = field(repr=False, compare=False)
    raised: float = 0.0

    def lowers(self, features: Float32) -> Float32:
        """Return what the logits of features (n, F) are lowered by, float32 [shape=(n,)]."""
        lowers: Float32 = np.maximum(self.row(features), np.float32(0.0)) + np.float32(self.raised)
        return lowers

    @property
    def counts(self) -> tuple[int, int]:
        """How many events were right, and how many wrong."""
        right = sum(each.right for each in self.verdicts)
        return right, len(self.verdicts) - right


@dataclass(frozen=True)
class Learned:
    """All that was taught for one bundle.

    Attributes
    ----------
    bundle : SHA-256 of the bundle that it belongs to
    tags : those that were taught, in the order of their scores, after the bundle's
    corrections : of tags

    Raises
    ------
    ValueError
        If a tag is there twice, a row does not fit the others or is not finite, or there are too many.
    """

    bundle: str
    tags: tuple[LearnedTag, ...] = ()
    corrections: tuple[Correction, ...] = ()

    def __post_init__(self) -> None:
        if len(self.tags) > MOST_TAGS:
            raise ValueError(f"tags, which must be at most {MOST_TAGS} (got {len(self.tags)})")
        for names in (self.names, tuple(each.name for each in self.corrections)):
            if len(set(names)) != len(names):
                raise ValueError("a tag twice")
        if len({row.weights.shape for row in self.rows}) > 1:
            raise ValueError("rows, which must be of one length")
        if not all(np.isfinite(row.weights).all() and np.isfinite(row.bias) for row in self.rows):
            raise ValueError("rows, which must be finite")
        if not all(0.0 <= each.raised < np.inf for each in self.corrections):
            raise ValueError("raised, which must be at least 0")

    @property
    def names(self) -> tuple[str, ...]:
        """The learned tags' names."""
        return tuple(each.name for each in self.tags)

    @property
    def rows(self) -> list[Row]:
        """Rows of the tags, then of the corrections."""
        return [*(each.row for each in self.tags), *(each.row for each in self.corrections)]

    def correction(self, name: str) -> Correction | None:
        """Return what was corrected of a tag."""
        return next((each for each in self.corrections if each.name == name), None)

    def with_tag(self, tag: LearnedTag) -> Learned:
        """Return it with a tag added, or in the place of the one of its name."""
        if tag.name in self.names:
            return replace(self, tags=tuple(tag if each.name == tag.name else each for each in self.tags))
        return replace(self, tags=(*self.tags, tag))

    def without_tag(self, name: str) -> Learned:
        """Return it without a tag, and without what was corrected of it."""
        left = replace(self, tags=tuple(each for each in self.tags if each.name != name))
        return left.without_correction(name)

    def with_correction(self, correction: Correction) -> Learned:
        """Return it with a correction added, or in the place of the one of its tag."""
        return replace(self, corrections=(*self.without_correction(correction.name).corrections, correction))

    def without_correction(self, name: str) -> Learned:
        """Return it without what was corrected of a tag."""
        return replace(self, corrections=tuple(each for each in self.corrections if each.name != name))

    def applied(self, bundle: Bundle) -> Bundle:
        """Return a bundle with what was learned for it.

        Raises
        ------
        BundleError
            If it was learned for another bundle, has a name that the bundle has, or corrects a tag that is not there.
        """
        if self.bundle != bundle.description["sha256"]:
            raise BundleError(f"what was learned belongs to another bundle than {bundle.name!r}")
        if not self.tags and not self.corrections:
            return bundle
        known = bundle.output_names
        if taken := set(known) & set(self.names):
            raise BundleError(f"the bundle has a tag {min(taken)!r}, too")
        places = {name: place for place, name in enumerate([*known, *self.names])}
        if unknown := {each.name for each in self.corrections} - places.keys():
            raise BundleError(f"what was learned corrects {min(unknown)!r}, which is not a tag")
        additions = Additions(
            *stacked([each.row for each in self.tags], bundle.head.n_hidden),
            *stacked([each.row for each in self.corrections], bundle.head.n_hidden),
            np.array([each.raised for each in self.corrections], np.float32),
            tuple(places[each.name] for each in self.corrections),
        )
        outputs = bundle.head.outputs or tuple(range(len(known)))
        head = replace(bundle.head, additions=additions, outputs=(*outputs, *range(len(known), len(places))))
        return replace(bundle, tags=(*bundle.tags, *(each.tag for each in self.tags)), head=head)


def stacked(rows: list[Row], n_features: int) -> tuple[Float32, Float32]:
    """Return the weights (n, F) and biases (n,) of rows."""
    weights = [row.weights for row in rows] or np.empty((0, n_features))
    return np.array(weights, np.float32), np.array([row.bias for row in rows], np.float32)


def nothing_learned(bundle: Bundle) -> Learned:
    """Return what a device knows beside a bundle at first."""
    return Learned(bundle.description["sha256"])

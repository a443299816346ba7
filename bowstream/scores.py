"""What one window of sound scores, by the names of the tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from bowstream._given import WHOLE, check
from bowstream._types import Float32
from bowstream.model.codebook import Codes
from bowstream.model.onset import BANDS

SHOWN = 3
ONE = np.float32(1.0)
LEAST = np.float32(1e-7)
MOST = ONE - LEAST


@dataclass(frozen=True, eq=False, repr=False)
class Scores(Mapping[str, float]):
    """How sure the tagger is of each tag in one window: a read-only mapping from names to scores, 0 … 1.

    Attributes
    ----------
    tags : names, in the tagger's order
    array : float32 [shape=(C,)], the scores in the same order
    start_s, end_s : the window, in seconds from the start of the stream
    codes : int [shape=(context, P)], what the head was shown: the codes of earlier windows and, last, of this one,
        each offset by its family's place in the counts
    time : UTC, of the window's end; None where the stream has no date
    levels : float32 [shape=(columns, 12)], log power of bands in each column since the last window
    source : name of what was listened with; empty where only one is heard
    """

    tags: tuple[str, ...]
    array: Float32
    start_s: float
    end_s: float
    codes: Codes
    time: datetime | None = None
    levels: Float32 = field(default_factory=lambda: np.empty((0, BANDS), np.float32))
    source: str = ""

    def __getitem__(self, tag: str) -> float:
        try:
            return float(self.array[self.tags.index(tag)])
        except ValueError:
            raise KeyError(tag) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scores):
            return NotImplemented
        same = (self.tags, self.start_s, self.end_s) == (other.tags, other.start_s, other.end_s)
        return same and np.array_equal(self.array, other.array) and np.array_equal(self.codes, other.codes)

    def top(self, n: int = SHOWN) -> list[tuple[str, float]]:
        """Return the `n` tags with the highest scores, as (tag, score), highest first."""
        return top(self.tags, self.array, n)

    def dated(self, time: datetime | None, source: str = "") -> Scores:
        """Return the same scores with a time and a source; quicker than `dataclasses.replace`, as each hop has them."""
        copy = object.__new__(Scores)
        vars(copy).update(vars(self), time=time, source=source)
        return copy

    def __repr__(self) -> str:
        best = ", ".join(f"{tag}={score:.2f}" for tag, score in self.top())
        return f"Scores(end_s={self.end_s:g}, {best}{', …' * (len(self) > SHOWN)})"


def logits_of(scores: Float32) -> Float32:
    """Return the logits of scores; scores of 0 and 1 are a little less sure."""
    clipped = np.minimum(np.maximum(scores, LEAST), MOST)
    clipped /= ONE - clipped
    logits: Float32 = np.log(clipped, out=clipped)
    return logits


def top(tags: tuple[str, ...], scores: Float32, n: int) -> list[tuple[str, float]]:
    """Return the `n` highest of some scores (C,) as (tag, score), highest first; equal ones keep their order."""
    check(WHOLE, n=n)
    best = np.argsort(-scores, kind="stable")[: max(n, 0)]
    return [(tags[index], float(scores[index])) for index in best]

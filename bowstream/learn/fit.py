"""From features of a sound and of everyday sound to a row of the head: linear discriminant analysis, in seconds.

The direction is `S⁻¹ (mean of the sound - mean of everyday sound)`, with `S` the covariance of everyday sound and a
ridge, which is higher the fewer the examples. Along it the threshold lies above nearly all everyday sound, and the
score at it is 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.learn.background import read_background
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.model.head import features_of
from bowstream.model.learned import Hidden, Row

# What is added to the covariance's diagonal, of its mean: `RIDGE * (1 + FEW / examples)`.
RIDGE, FEW = 3.0, 3.0
# Share of everyday windows that may reach the threshold.
FALSE_SHARE = 0.001
ON, OFF = 0.5, 0.25
# The score of a usual window of the sound that was taught, as a logit.
USUAL_LOGIT = 2.5
# The steepest that a logit may rise along the direction, in its standard deviations of everyday sound.
STEEPEST = 3.0


class Background:
    """Everyday sound, ready to tell others from it.

    Parameters
    ----------
    features : float32 [shape=(n, F)], of everyday sound
    room : float32 [shape=(m, F)], of the user's own room, in which what is taught may have sounded as well
    hidden : int8 [shape=(n, H)], what the features of everyday sound are made of, where a bundle heard it
    """

    def __init__(self, features: Float32, room: Float32 | None = None, hidden: Hidden | None = None) -> None:
        self.room, self.hidden = features[:0] if room is None else room, hidden
        self.features = np.concatenate([features, self.room])
        self.mean = self.features.mean(axis=0)

    @classmethod
    def of(cls, bundle: Bundle, room: Sequence[Codes] = ()) -> Background:
        """Return a bundle's own, with windows of the user's room; raise `BundleError` if the bundle has none."""
        hidden = bundle.head.hidden(read_background(bundle))
        of_room = features_of(bundle.head.hidden(np.array(room))) if len(room) else None
        return cls(features_of(hidden), of_room, hidden)

    @cached_property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The covariance's eigenvalues (F,), of their mean, and its eigenvectors (F, F)."""
        centred = (self.features - self.mean).astype(np.float32)
        values, vectors = np.linalg.eigh((centred.T @ centred / len(centred)).astype(np.float64))
        return values / values.mean(), vectors

    def direction(self, step: Float32, n: int) -> Float32:
        """Return the direction of a step (F,) to the mean of `n` examples: what tells it best, float32 [shape=(F,)]."""
        values, vectors = self.axes
        ridge = RIDGE * (1.0 + FEW / n)
        direction: Float32 = (vectors @ (step @ vectors / (values + ridge))).astype(np.float32)
        return direction

    def fit(self, examples: Sequence[Float32]) -> Row:
        """Return the row that tells examples, each with its windows (n, F), from everyday sound."""
        mean = np.mean([example.mean(axis=0) for example in examples], axis=0)
        direction = self.direction(mean - self.mean, len(examples))
        everyday = self.features @ direction
        usual = np.median(np.concatenate(examples) @ direction)
        is_room = np.arange(len(everyday)) >= len(everyday) - len(self.room)
        everyday = everyday[~(is_room & (everyday >= usual))]  # the sound itself, most likely
        threshold = np.quantile(everyday, 1.0 - FALSE_SHARE)
        steepness = min(USUAL_LOGIT / max(usual - threshold, 1e-6), STEEPEST / max(float(everyday.std()), 1e-6))
        return Row((direction * steepness).astype(np.float32), float(-threshold * steepness))

    def usual(self, row: Row) -> float:
        """Return the logit that other sound usually has: everyday sound, or the user's room if that is higher."""
        return max(float(np.median(row(part))) for part in (self.features, self.room) if len(part))

    def told(self, examples: Sequence[Float32]) -> int:
        """Return how many examples are told from everyday sound by what is learned from the others."""
        others = (([*examples[:place], *examples[place + 1 :]], one) for place, one in enumerate(examples))
        return sum(bool(self.fit(rest)(one).max() >= 0.0) for rest, one in others if rest)

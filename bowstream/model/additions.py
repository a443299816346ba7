"""What was taught on this device, as additions to what the head makes of a window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32

# A score of next to nothing; float32 has no exponential of much more.
LOWEST_LOGIT = np.float32(-80.0)


@dataclass(frozen=True)
class Additions:
    """What was taught on this device: new outputs after the head's own, and corrections that lower logits.

    Attributes
    ----------
    rows, biases : float32 [shape=(n, F)] and [shape=(n,)], of the new outputs
    corrections, offsets : the same of corrections: a logit is lowered by what is above 0
    raised : float32 [shape=(m,)], what it is lowered by in any case
    places : of each correction, the output that it lowers, no two the same
    """

    rows: Float32
    biases: Float32
    corrections: Float32
    offsets: Float32
    raised: Float32
    places: tuple[int, ...]

    def __call__(self, logits: Float32, features: Float32) -> Float32:
        """Return logits (n, outputs + new) from the head's own (n, outputs) and features (n, F)."""
        n_own, n_new = logits.shape[1], len(self.rows)
        every = np.empty((len(logits), n_own + n_new), np.float32)
        every[:, :n_own] = logits
        # Window by window: the sums of a product of matrices depend on how many come at a time.
        for row, each in zip(every, features):
            sums = self._weights @ each
            sums += self._offsets
            row[n_own:] = sums[:n_new]
            row[self._places] -= np.maximum(sums[n_new:], np.float32(0.0)) + self.raised
        return np.maximum(every, LOWEST_LOGIT)

    @cached_property
    def _weights(self) -> Float32:
        """All rows."""
        return np.concatenate([self.rows, self.corrections])

    @cached_property
    def _offsets(self) -> Float32:
        """What is added to the product of each row."""
        return np.concatenate([self.biases, self.offsets])

    @cached_property
    def _places(self) -> NDArray[np.intp]:
        return np.array(self.places, np.intp)

    def shifted(self, logits: float) -> Additions:
        """Return the additions with the logits of new outputs shifted."""
        return replace(self, biases=self.biases + np.float32(logits))

"""The head: from codes to a score for each tag (paper, III-C).

codes (context, P) ─► counts of the newest window, and of all (2 K) ─► transform ─► network ─► logits (outputs,)
─► softmax weight ─► Platt scaling ─► what was taught on this device, if anything ─► scores (C,)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.additions import Additions
from bowstream.model.codebook import Codes
from bowstream.model.encoder import Counts, Network
from bowstream.model.sliding import joined
from bowstream.model.sparse import HIGHEST, ZERO_POINT, SparseNetwork

ONE = np.float32(1.0)
LONGEST_CONTEXT = 60
COUNT_TRANSFORMS: Mapping[str, Callable[[Float32], Float32]] = {"none": np.positive, "sqrt": np.sqrt, "log": np.log1p}
# Of what stands for each int8, 0 … 127 and then, as indices count from the end, -128 … -1.
ROOTS = np.roll(np.sqrt(np.arange(HIGHEST + 1, dtype=np.float32) / HIGHEST), ZERO_POINT)


@dataclass(frozen=True)
class Head:
    """Codes in, scores out.

    Attributes
    ----------
    network : transformed counts to logits
    count_transform : a name of `COUNT_TRANSFORMS`
    context : windows that are scored together, the newest and those before it
    patches : of a window (143)
    slopes, biases : float32 [shape=(outputs,)], Platt scaling: score = sigmoid(slope * logit + bias)
    softmax_weight : see `normalise`
    outputs : which of the network's outputs, and the new ones after them, are the tags; None for all, in their order
    additions : what was taught on this device

    Raises
    ------
    BundleError
        If a value is out of its range.
    """

    network: Network
    count_transform: str
    context: int
    patches: int
    slopes: Float32
    biases: Float32
    softmax_weight: float = 0.0
    outputs: tuple[int, ...] | None = None
    additions: Additions | None = None

    def __post_init__(self) -> None:
        if self.count_transform not in COUNT_TRANSFORMS:
            raise BundleError(
                f"count_transform must be one of {', '.join(COUNT_TRANSFORMS)} (got {self.count_transform!r})"
            )
        if not 1 <= self.context <= LONGEST_CONTEXT:
            raise BundleError(f"context must be 1 … {LONGEST_CONTEXT} windows (got {self.context})")
        if not 0.0 <= self.softmax_weight <= 1.0:
            raise BundleError(f"competition must be 0 … 1 (got {self.softmax_weight})")
        if not (np.isfinite(self.slopes).all() and np.isfinite(self.biases).all()):
            raise BundleError("slopes and biases must be finite")
        if self.additions:
            found = {self.additions.rows.shape[1], self.additions.corrections.shape[1]}
            if found != {self.n_hidden}:
                raise BundleError(f"what was learned must have {self.n_hidden} features (got {max(found)})")

    def __call__(self, codes: Codes) -> Float32:
        """Return the scores of windows, 0 … 1.

        Parameters
        ----------
        codes : int [shape=(n, context, P)], of each window and those before it, oldest first

        Returns
        -------
        scores : float32 [shape=(n, C)]
        """
        if not len(codes):
            n_tags = len(self.slopes) if self.outputs is None else len(self.outputs)
            return np.empty((0, n_tags), np.float32)
        if not self.additions:
            logits = self._calibrated(joined([self.network(self._row(each)) for each in codes]))
        else:
            logits = self.logits_of(self.hidden(codes))
        return self._scores(logits)

    def without(self, codes: Codes, parts: Sequence[slice]) -> Float32:
        """Return the scores of one window as if it and those before it had none of some codes.

        Parameters
        ----------
        codes : int [shape=(context, P)]
        parts : which codes are left out: one range of them for each row that is returned

        Returns
        -------
        scores : float32 [shape=(len(parts), C)]
        """
        rows = np.repeat(self._row(codes), len(parts), axis=0)
        by_code = rows.reshape(len(parts), times_shown(self.context), -1)
        for row, part in zip(by_code, parts):
            row[:, part] = self._inputs[0]
        if isinstance(self.network, SparseNetwork):
            return self._scores(self.logits_of(self.network.aside(rows)))
        return self._scores(self._calibrated(joined([self.network(row) for row in rows[:, np.newaxis]])))

    def _scores(self, logits: Float32) -> Float32:
        """Return the scores of the tags, in their order."""
        scores = scores_of(logits)
        return scores if self.outputs is None else scores.take(self._places, axis=1)

    def logits_of(self, hidden: NDArray[np.int8]) -> Float32:
        """Return the calibrated logits of what `hidden` returned, of all outputs, float32 [shape=(n, outputs)]."""
        logits = self._calibrated(self._parted.rest(hidden))
        return self.additions(logits, features_of(hidden)) if self.additions else logits

    def _calibrated(self, logits: Float32) -> Float32:
        """Return the network's output (n, outputs) after Platt scaling."""
        calibrated = normalise(logits, self.softmax_weight)
        calibrated *= self.slopes
        calibrated += self.biases
        return calibrated

    def _row(self, codes: Codes) -> NDArray[Any]:
        """Return the network's input for the codes of a context (context, P), which is that of `shown` counts."""
        inputs, n_inputs = self._inputs, self.network.n_inputs
        times = times_shown(self.context)
        row = np.empty((times, n_inputs // times), inputs.dtype)
        for part, shown in zip((codes[-1], codes.reshape(-1)), row):
            inputs.take(np.bincount(part, minlength=n_inputs // times), out=shown, mode="clip")  # straight into `out`
        return row.reshape(1, n_inputs)

    def shifted(self, logits: float) -> Head:
        """Return the head with the calibrated logits of all tags shifted."""
        if not logits:
            return self
        additions = self.additions.shifted(logits) if self.additions else None
        return replace(self, biases=self.biases + np.float32(logits), additions=additions)

    def hidden(self, codes: Codes) -> NDArray[np.int8]:
        """Return what the head's first layer makes of codes, int8 [shape=(n, H)]; what is learned is learned from that.

        Raises
        ------
        BundleError
            If the bundle's format does not part the first layer from the rest.
        """
        hidden = np.empty((len(codes), self.n_hidden), np.int8)
        for context, row in zip(codes, hidden):
            row[:] = self._parted.hidden(self._row(context))[0]
        return hidden

    @property
    def n_hidden(self) -> int:
        """How many values the first layer has."""
        return self._parted.n_hidden

    @property
    def _parted(self) -> SparseNetwork:
        """The network, whose first layer is parted from the rest."""
        if not isinstance(self.network, SparseNetwork):
            raise BundleError("nothing can be taught to this bundle, whose format is older: use a newer bundle")
        return self.network

    @cached_property
    def _places(self) -> NDArray[np.intp]:
        """`outputs` as an array, which NumPy would else make of them for each hop."""
        return np.array(self.outputs, np.intp)

    @cached_property
    def _inputs(self) -> NDArray[Any]:
        """The network's input for a count of 0, 1 … as many as a context has codes: computed once."""
        counts = np.arange(self.context * self.patches + 1, dtype=np.float32)
        return self.network.quantisation.quantise(COUNT_TRANSFORMS[self.count_transform](counts))


def scores_of(logits: Float32) -> Float32:
    """Return the scores of calibrated logits, 0 … 1."""
    scores: Float32 = np.negative(logits)
    np.exp(scores, out=scores)
    scores += ONE
    return np.divide(ONE, scores, out=scores)


def features_of(hidden: NDArray[np.int8]) -> Float32:
    """Return what learned rows are multiplied with, float32 [shape=(n, H)]: roots of the first layer's output."""
    features: Float32 = ROOTS[hidden]
    return features


def shown(counts: Counts) -> Counts:
    """Return what the network is shown: the counts of the newest window and, if it is not alone, of all together.

    The newest alone tells at once that a sound has begun; the sum is surer of a sound that goes on.

    Parameters
    ----------
    counts : int [shape=(n, context, K)], oldest window first

    Returns
    -------
    shown : int [shape=(n, times_shown(context) * K)]
    """
    newest = counts[:, -1]
    if times_shown(counts.shape[1]) == 1:
        return newest
    return np.concatenate([newest, counts.sum(axis=1, dtype=counts.dtype)], axis=1)


def times_shown(context: int) -> int:
    """Return how many counts of each code the network is shown of a context: 1 of a single window, else 2."""
    return min(context, 2)


def normalise(logits: Float32, softmax_weight: float) -> Float32:
    """Return logit - softmax_weight * log(1 + Σ exp(logit)), the sum over a window's logits.

    With a weight of 0 each tag is judged alone, as by a sigmoid; with 1 a logit is the log of its share in a softmax
    with one more class, "none".

    Parameters
    ----------
    logits : float32 [shape=(n, outputs)]
    softmax_weight : 0 … 1
    """
    log_odds: Float32 = np.logaddexp.reduce(logits, axis=1, keepdims=True, initial=0.0)
    return logits - np.float32(softmax_weight) * log_odds

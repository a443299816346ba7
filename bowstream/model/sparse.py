"""A network whose input is mostly zeros, and much the same as the time before: the head's, of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.memory import aligned_empty
from bowstream.model.sliding import joined
from bowstream.model.tflite import Model, Quantisation

ARRAYS = ("rows", "bias", "multiplier", "scale")
# An input's integer is 0 … 255 above this zero point, as are the integers between the first layer and the rest.
ZERO_POINT, HIGHEST = -128, 255
LOWEST_FLOAT, HIGHEST_FLOAT, ZERO_POINT_FLOAT = map(np.float32, (0, HIGHEST, ZERO_POINT))
# float32 holds every integer up to 2^24: the sum of so many products of 8-bit integers is exact, in any order.
EXACT_PRODUCTS = 2**24 // (255 * 128)
# Rows that are added at a time: no more than that, and few enough to stay in a Pi's cache.
ROWS_AT_ONCE = 384


class SparseNetwork:
    """An int8 network, its first layer as one row of weights per input.

    Only inputs that differ from the last call's cost anything. The sums are of integers and exact, so the result is
    that of the whole layer to the last bit, on any processor and whatever the last call was.

        sums = Σ input[k] * rows[k];  hidden = clip(round((sums + bias) * multiplier), 0, 255);  output = rest(hidden)

    Parameters
    ----------
    arrays : `rows` int8 [shape=(n_inputs, H)], `bias` int32 [shape=(H,)], `multiplier` float32 [shape=(H,)], `scale`
        float32 [shape=()]: the input that one step of its integers stands for
    rest : the layers that follow, of H int8 inputs
    name : what errors call it

    Raises
    ------
    BundleError
        If the arrays are of other shapes or types, or do not fit the rest.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], rest: Model, name: str = "first layer") -> None:
        if set(arrays) != set(ARRAYS):
            raise BundleError(f"{name} must hold {', '.join(ARRAYS)} (got {', '.join(arrays)})")
        rows, bias, multiplier, scale = (arrays[key] for key in ARRAYS)
        found = [(array.dtype.name, array.shape) for array in (rows, bias, multiplier, scale)]
        hidden = (rest.n_inputs,)
        if found != [("int8", rows.shape[:1] + hidden), ("int32", hidden), ("float32", hidden), ("float32", ())]:
            raise BundleError(f"{name} must be int8 (inputs, {rest.n_inputs}) with its bias and scales (got {found})")
        if not (np.isfinite(multiplier).all() and np.isfinite(scale) and scale > 0.0):
            raise BundleError(f"{name} must have finite scales above 0")
        if rest.quantisation.dtype != np.int8 or rest.quantisation.zero_point != ZERO_POINT:
            raise BundleError(f"{name} must be followed by a network of int8 with zero point {ZERO_POINT}")
        self.n_inputs, self.n_hidden, self.n_outputs = len(rows), rest.n_inputs, rest.n_outputs
        self.quantisation = Quantisation.of({"dtype": np.int8, "quantization": (scale, ZERO_POINT)})
        self._rows, self._multiplier, self._rest = rows, multiplier, rest
        self._blank, self._bias = np.full(len(rows), ZERO_POINT, np.int8), bias.astype(np.float64)
        self._last, self._sums = self._blank.copy(), self._bias.copy()  # exact for longer than any stream
        # Kept, since memory of this size is given back to the system each time, where the service runs.
        self._taken = np.empty((ROWS_AT_ONCE, *hidden), np.int8)
        self._floats: Float32 = aligned_empty((ROWS_AT_ONCE, *hidden), np.float32)

    def __call__(self, rows: NDArray[Any]) -> Float32:
        """Return the network's output, float32 [shape=(rows, n_outputs)].

        Parameters
        ----------
        rows : float32 [shape=(rows, n_inputs)], or such rows after `quantisation.quantise`
        """
        return self.rest(self.hidden(rows))

    def hidden(self, rows: NDArray[Any]) -> NDArray[np.int8]:
        """Return the first layer's output, int8 [shape=(rows, H)]; the rows are as in a call."""
        return joined([self._hidden(row) for row in self.quantisation.quantise(rows)])

    def rest(self, hidden: NDArray[np.int8]) -> Float32:
        """Return what the layers after the first make of its output, float32 [shape=(rows, n_outputs)]."""
        return joined([self._rest(row) for row in hidden[:, np.newaxis]])

    def aside(self, rows: NDArray[Any]) -> NDArray[np.int8]:
        """Return what `hidden` does, and leave what the next call differs from as it is.

        Each row costs what differs from the nearest: the last call's, one before it here, or no input at all.
        """
        known, hidden = [(self._last, self._sums), (self._blank, self._bias)], []
        for row in self.quantisation.quantise(rows):
            distances = [np.count_nonzero(row != other) for other, _ in known]
            before, sums = known[distances.index(min(distances))]
            known.append((row, self._added(sums.copy(), before, row)))
            hidden.append(self._rounded(known[-1][1]))
        return joined(hidden)

    def _hidden(self, row: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the first layer's output for one row of inputs, (1, H)."""
        self._added(self._sums, self._last, row)
        self._last[:] = row
        return self._rounded(self._sums)

    def _added(self, sums: NDArray[np.float64], before: NDArray[np.int8], row: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the sums of the inputs before, having made them those of a row."""
        (changed,) = (row != before).nonzero()
        steps = np.subtract(row.take(changed), before.take(changed), dtype=np.float32)
        for first in range(0, len(changed), ROWS_AT_ONCE):
            some = changed[first : first + ROWS_AT_ONCE]
            taken, rows = self._taken[: len(some)], self._floats[: len(some)]
            self._rows.take(some, axis=0, out=taken, mode="clip")  # which takes straight into `out`
            rows[:] = taken
            sums += steps[first : first + ROWS_AT_ONCE] @ rows
        return sums

    def _rounded(self, sums: NDArray[np.float64]) -> NDArray[np.int8]:
        """Return the first layer's output of sums, (1, H)."""
        hidden = np.multiply(sums, self._multiplier, dtype=np.float32, casting="same_kind")
        np.rint(hidden, out=hidden)
        np.maximum(hidden, LOWEST_FLOAT, out=hidden)
        np.minimum(hidden, HIGHEST_FLOAT, out=hidden)
        hidden += ZERO_POINT_FLOAT
        integers: NDArray[np.int8] = hidden.astype(np.int8)
        return integers[np.newaxis]

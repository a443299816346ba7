"""The newest rows of a stream in one piece, so that what slides over them is a view, not a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Dtype = TypeVar("Dtype", bound=np.generic)

# How often as many rows as are kept fit in before they are moved to the front.
ROOM = 8


def joined(parts: Sequence[NDArray[Dtype]]) -> NDArray[Dtype]:
    """Return arrays one after the other; a single one, as a hop's most often is, as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Sliding(Generic[Dtype]):
    """The last rows of a stream, and those that come.

    Parameters
    ----------
    before : [shape=(kept, …)], what is taken to have come before the stream; a copy is made
    """

    def __init__(self, before: NDArray[Dtype]) -> None:
        self._kept = self._end = len(before)
        self._rows: NDArray[Any] = np.empty((ROOM * max(len(before), 1), *before.shape[1:]), before.dtype)
        self._rows[: self._end] = before

    def push(self, rows: NDArray[Dtype]) -> NDArray[Dtype]:
        """Return the last rows and, after them, the next: [shape=(kept + n, …)], a view that the next call changes."""
        first, end = self._end - self._kept, self._end + len(rows)
        if end > len(self._rows):
            before = self._rows[first : self._end]
            if self._kept + len(rows) > len(self._rows):
                self._rows = np.empty((ROOM * self._kept + len(rows), *rows.shape[1:]), rows.dtype)
            self._rows[: self._kept] = before
            first, end = 0, self._kept + len(rows)
        self._rows[end - len(rows) : end] = rows
        self._end = end
        return self._rows[first:end]

"""A longer time than a window: the newest window and some before it, scored together (paper, V, names it)."""

from __future__ import annotations

import numpy as np

from bowstream.model.codebook import Codes
from bowstream.model.sliding import Sliding


class Context:
    """The codes of the newest window together with those of earlier ones.

    The windows of a context do not overlap, and lie as close as the hop allows: at hops of 0.1, 0.2, 0.5 and 1 s, of
    windows of 1 s, without a gap. Until a stream is long enough, its first window stands for what came before.

    Parameters
    ----------
    windows : how many in all, at least 1
    hops_apart : hops from one to the next
    """

    def __init__(self, windows: int, hops_apart: int) -> None:
        self._places = np.arange(windows)[np.newaxis] * hops_apart  # of the first of new windows
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._stream: Sliding[np.intp] | None = None

    def push(self, codes: Codes) -> Codes:
        """Return the codes of each new window's context, oldest window first.

        Parameters
        ----------
        codes : int [shape=(n, P)], of windows a hop apart

        Returns
        -------
        contexts : int [shape=(n, windows, P)]
        """
        if not len(codes):
            return np.empty((0, self._places.size, codes.shape[1]), codes.dtype)
        if self._stream is None:
            self._stream = Sliding(np.repeat(codes[:1], self._places[0, -1], axis=0))
        places = self._places if len(codes) == 1 else self._places + np.arange(len(codes))[:, np.newaxis]
        contexts: Codes = self._stream.push(codes).take(places, axis=0)
        return contexts

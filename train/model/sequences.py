"""Codes over a longer time, which the paper names as its way on (V). A device does not count pairs."""

from __future__ import annotations

import numpy as np

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import families_of_codes

from ..dataset.data import Float32, Index


def pair_counts(codes: Index, front_end: FrontEnd, buckets: int) -> Float32:
    """Count pairs of `env` codes that follow each other in a window, hashed into so many buckets.

    Parameters
    ----------
    codes : int [shape=(windows, 143)], in the order of `families_of_codes`

    Returns
    -------
    counts : float32 [shape=(windows, buckets)]
    """
    env = codes[:, np.array(families_of_codes(front_end)) == "env"].astype(np.uint64)
    # Knuth's multiplicative hash of both numbers in one.
    pairs = (env[:, :-1] * 65536 + env[:, 1:]) * 2654435761 % (1 << 32) * buckets >> 32
    counts = np.zeros((len(codes), buckets), np.float32)
    np.add.at(counts, (np.arange(len(codes))[:, np.newaxis], pairs.astype(np.intp)), 1.0)
    return counts

"""Codes over a longer time: pairs that follow each other."""

import numpy as np

from bowstream.model.front_end import FrontEnd
from train.model.sequences import pair_counts

CODES_A_WINDOW = 143


def windows(env):
    codes = np.random.default_rng(0).integers(0, 200, (len(env), CODES_A_WINDOW))
    codes[:, 12:130:13] = env
    return codes


def test_pairs_are_those_of_env_in_their_order():
    front_end = FrontEnd()
    steady, there, back = np.full(10, 300), np.repeat([300, 301], 5), np.repeat([301, 300], 5)
    counts = pair_counts(windows([steady, there, back, steady]), front_end, 1024)
    assert counts.shape == (4, 1024) and (counts.sum(axis=1) == 9).all()
    assert counts[0].max() == 9 and np.array_equal(counts[0], counts[3])  # whatever other families say
    assert sorted(counts[1][counts[1] > 0]) == sorted(counts[2][counts[2] > 0]) == [1, 4, 4]
    assert not np.array_equal(counts[1], counts[2])


def test_pairs_spread_over_the_buckets():
    env = np.random.default_rng(1).integers(0, 256, (2000, 10))
    counts = pair_counts(windows(env), FrontEnd(), 64).sum(axis=0)
    assert counts.min() > 0.7 * counts.mean() and counts.max() < 1.3 * counts.mean()

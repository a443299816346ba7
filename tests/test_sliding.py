"""What slides over a stream sees the rows that a whole stream in one array would have there."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowstream.model.sliding import ROOM, Sliding, joined


@given(st.integers(0, 5), st.lists(st.integers(0, 60), max_size=30))
def test_each_push_returns_the_rows_before_and_the_new_ones(kept, sizes):
    before = -np.arange(kept, 0, -1)[:, np.newaxis]
    stream, sliding, end = np.arange(sum(sizes))[:, np.newaxis], Sliding(before), 0
    whole = np.concatenate([before, stream])
    for size in sizes:
        seen = sliding.push(stream[end : end + size])
        end += size
        assert np.array_equal(seen, whole[end - size : end + kept])


def test_what_is_pushed_and_what_came_before_are_copied():
    before, rows = np.zeros((2, 3)), np.ones((1, 3))
    sliding = Sliding(before)
    seen = sliding.push(rows)
    before[:], rows[:] = 7.0, 7.0
    assert seen.tolist() == [[0.0] * 3, [0.0] * 3, [1.0] * 3]
    assert sliding.push(rows[:0]).tolist() == [[0.0] * 3, [1.0] * 3]


def test_rows_are_moved_seldom():
    sliding = Sliding(np.zeros((10, 1)))
    first = [sliding.push(np.zeros((1, 1))).__array_interface__["data"][0] for _ in range(200)]
    assert sum(later < earlier for earlier, later in pairwise(first)) <= 200 // (10 * (ROOM - 1)) + 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_joined_is_one_array(count):
    parts = [np.full((2, 2), float(part)) for part in range(count)]
    assert np.array_equal(joined(parts), np.concatenate(parts))
    assert (joined(parts) is parts[0]) == (count == 1)

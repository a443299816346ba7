"""The context: which windows are heard together, whatever the hop and however they come."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowstream.model.context import Context
from bowstream.model.head import shown, times_shown


def windows(count):
    return np.arange(2 * count).reshape(count, 2)


def test_windows_lie_so_many_hops_apart_and_the_oldest_is_first():
    contexts = Context(3, hops_apart=2).push(windows(6))
    assert contexts.shape == (6, 3, 2)
    assert contexts[5, :, 0].tolist() == [2, 6, 10]
    assert contexts[:, -1].tolist() == windows(6).tolist()


def test_the_first_window_stands_for_what_was_before():
    assert Context(3, hops_apart=1).push(windows(4))[..., 0].tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 4], [2, 4, 6]]


def test_a_context_of_one_window_is_that_window():
    assert Context(1, hops_apart=4).push(windows(3))[:, 0].tolist() == windows(3).tolist()


def test_nothing_gives_nothing():
    context = Context(3, hops_apart=1)
    assert context.push(windows(0)).shape == (0, 3, 2)
    context.push(windows(2))
    assert context.push(windows(0)).shape == (0, 3, 2)


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(1, 4), st.integers(1, 10))
def test_how_many_come_at_a_time_does_not_matter(sizes, count, hops_apart):
    stream, context = windows(sum(sizes)), Context(count, hops_apart)
    ends = np.cumsum([0, *sizes])
    parts = [context.push(stream[begin:end]) for begin, end in pairwise(ends)]
    whole = Context(count, hops_apart).push(stream)
    assert np.array_equal(np.concatenate([whole[:0], *parts]), whole)


@pytest.mark.parametrize("pushed", [1, 5])
def test_a_reset_forgets(pushed):
    context = Context(3, hops_apart=1)
    context.push(windows(pushed) + 100)
    context.reset()
    assert np.array_equal(context.push(windows(2)), Context(3, hops_apart=1).push(windows(2)))


def test_the_head_is_shown_the_newest_window_and_the_sum():
    contexts = Context(3, hops_apart=1).push(np.array([[1, 0], [10, 5], [100, 0]]))
    assert shown(contexts).tolist() == [[1, 0, 3, 0], [10, 5, 12, 5], [100, 0, 111, 5]]
    assert times_shown(3) == 2


def test_a_window_alone_is_shown_once():
    assert shown(Context(1, hops_apart=1).push(windows(3))).tolist() == windows(3).tolist()
    assert times_shown(1) == 1

"""Reels: what is learned from of shards, in an order that is as good as a full shuffle, in a memory that does not grow.

Shards, which are random parts of a set, in a random order ─► reels of some shards, as many as memory is meant for ─►
the rows of a reel in a random order ─► batches. What fits into one reel is read once, and shuffled as a whole.
"""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .shards import Arrays, joined

if TYPE_CHECKING:
    import tensorflow as tf


class Reels:
    """What is learned from, a reel at a time.

    Parameters
    ----------
    count : shards
    read : returns what is learned from of a shard, which may be nothing
    size : of all of it, in bytes
    reel_mb : of what is in memory at a time
    """

    def __init__(self, count: int, read: Callable[[int], Arrays], size: int, reel_mb: float) -> None:
        self._count, self._read = count, read
        self.reels = reels_of(count, size, reel_mb)
        self._only: Arrays | None = None

    def turn(self, rng: np.random.Generator) -> Iterator[Arrays]:
        """Yield all reels once, which are others each time."""
        if self.reels > 1:
            for shards in np.array_split(rng.permutation(self._count), self.reels):
                yield joined([self._read(number) for number in shards.tolist()])
            return
        if self._only is None:
            self._only = joined([self._read(number) for number in range(self._count)])
        yield self._only

    def some(self, rows: int, seed: int) -> Arrays:
        """Return so many rows of a reel at random, or all of it."""
        rng = np.random.default_rng(seed)
        reel = next(self.turn(rng))
        drawn = rng.permutation(rows_in(reel))[:rows]
        return {name: values[drawn] for name, values in reel.items()}

    def batches(self, rng: np.random.Generator, size: int, rows: int) -> Iterator[Arrays]:
        """Yield so many rows in batches of a size, the last perhaps smaller; all in turn, as often as it takes."""
        rest: list[Arrays] = []
        while rows:
            for reel in self.turn(rng):
                order = rng.permutation(rows_in(reel))
                begin = 0
                while begin < len(order) and rows:
                    some = order[begin : begin + min(size, rows) - sum(map(rows_in, rest))]
                    begin += len(some)
                    rest.append({name: values[some] for name, values in reel.items()})
                    if (filled := sum(map(rows_in, rest))) == min(size, rows):
                        yield joined(rest)
                        rows -= filled
                        rest = []
                del reel  # before the next is read

    def data(self, seed: Sequence[int], size: int, rows: int) -> tf.data.Dataset:
        """Return the same batches as a data set, which depends on the seed alone; the next are read meanwhile."""
        some = self._only or self._read(0)
        shapes = {name: values.shape[1:] for name, values in some.items()}
        batches = Sequential(lambda: self.batches(np.random.default_rng(seed), size, rows))

        def shaped(*arrays: tf.Tensor) -> dict[str, tf.Tensor]:
            for values, shape in zip(arrays, shapes.values()):
                values.set_shape((None, *shape))
            return dict(zip(shapes, arrays))

        def read(step: int) -> list[NDArray[Any]]:
            batch = batches[step]
            return [batch[name] for name in shapes]

        kinds = [values.dtype for values in some.values()]
        return python_data(read, range(-(-rows // size)), kinds).map(shaped).prefetch(2)


class Sequential:
    """What an iterator yields, by place; cheap for one place after the other, whichever threads ask."""

    def __init__(self, begin: Callable[[], Iterator[Arrays]]) -> None:
        self._begin, self._lock = begin, threading.Lock()
        self._items: Iterator[Arrays] = iter(())
        self._next = -1

    def __getitem__(self, place: int) -> Arrays:
        with self._lock:
            if place != self._next:
                self._items = itertools.islice(self._begin(), place, None)
            self._next = place + 1
            return next(self._items)


def python_data(read: Callable[[int], list[NDArray[Any]]], numbers: range, kinds: Sequence[Any]) -> tf.data.Dataset:
    """Return a data set of the arrays, of these kinds, that a function of Python returns of numbers.

    What the function holds is let go of with the data set: TensorFlow itself keeps all such functions for ever. (It has
    data sets of generators, too; with them, the process gives its memory back at every step, which is slow.)
    """
    import tensorflow as tf

    data, held = tf.data.Dataset.range(numbers.start, numbers.stop), [read]
    weakref.finalize(data, held.clear)
    return data.map(lambda number: tf.numpy_function(lambda one: held[0](int(one)), [number], kinds))


def reels_of(count: int, size: int, reel_mb: float) -> int:
    """Return how many reels so many shards of a size in bytes are."""
    return max(1, min(count, math.ceil(size / (reel_mb * 1e6))))


def rows_in(arrays: Arrays) -> int:
    """Return how many rows there are."""
    return len(next(iter(arrays.values())))

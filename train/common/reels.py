"""Reels: what is learned from of shards, in an order that is as good as a full shuffle, in a memory that does not grow.

Shards, which are random parts of a set, in a random order ─► reels of some shards, as many as memory is meant for ─►
the rows of a reel in a random order ─► batches. What fits into one reel is read once, and shuffled as a whole.
"""

from __future__ import annotations

import math
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
        import tensorflow as tf

        some = self._only or self._read(0)
        names, kinds = list(some), [values.dtype for values in some.values()]
        batches: Iterator[Arrays] = iter(())

        def following(step: int) -> list[NDArray[Any]]:
            nonlocal batches
            batches = batches if step else self.batches(np.random.default_rng(seed), size, rows)
            batch = next(batches)
            return [batch[name] for name in names]

        def shaped(step: tf.Tensor) -> dict[str, tf.Tensor]:
            # Not a data set of a generator: TensorFlow has the process give its memory back at every step then.
            found = tf.numpy_function(following, [step], kinds)
            return {name: tf.ensure_shape(values, (None, *some[name].shape[1:])) for name, values in zip(names, found)}

        return tf.data.Dataset.range(-(-rows // size)).map(shaped).prefetch(2)


def reels_of(count: int, size: int, reel_mb: float) -> int:
    """Return how many reels so many shards of a size in bytes are."""
    return max(1, min(count, math.ceil(size / (reel_mb * 1e6))))


def rows_in(arrays: Arrays) -> int:
    """Return how many rows there are."""
    return len(next(iter(arrays.values())))

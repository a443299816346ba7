"""Pools in turn: where a set is larger than memory is meant for, the joint training learns from a part of it at a time.

Each pool is made of shards, which are random parts of the set, and is learned from for as long as from one checkpoint
to the next; meanwhile the next is made. All have the same shapes, so that one compiled graph takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import tensorflow as tf

from ..common.reels import python_data
from .pool import Pool, Tensors


@dataclass(frozen=True)
class Pools:
    """Pools of the same shapes, each made, or read from its file, when it is asked for.

    makers : what returns each
    """

    makers: Sequence[Callable[[], Pool]]

    def __len__(self) -> int:
        return len(self.makers)

    def __getitem__(self, number: int) -> Pool:
        return self.makers[number]()

    def number(self, turn: int, seed: int) -> int:
        """Return which pool's turn it is: all have theirs before one has another, in an order of chance."""
        rounds, place = divmod(turn, len(self))
        return int(np.random.default_rng([seed, rounds]).permutation(len(self))[place])

    def stream(self, first: int, seed: int) -> tf.data.Dataset:
        """Return the arrays of the pools from a turn on, the next read while one is learned from; one alone once."""
        names = [each.name for each in fields(Pool)]
        like = self[self.number(first, seed)].arrays()
        kinds = [like[name].dtype for name in names]
        shapes = {name: like[name].shape for name in names}

        def shaped(*arrays: tf.Tensor) -> Tensors:
            return {name: tf.ensure_shape(values, shapes[name]) for name, values in zip(names, arrays)}

        def read(turn: int) -> list[np.ndarray]:
            arrays = self[self.number(turn, seed)].arrays()
            return [arrays[name] for name in names]

        end = first + 1 if len(self) == 1 else tf.int64.max
        return python_data(read, range(first, end), kinds).map(shaped).prefetch(1)

"""Heads by themselves, on encoders and centroids that stay as they are: minutes, where a whole training takes hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ..common.epochs import adam, refuse_infinite
from ..common.learned_config import AugmentSettings
from ..dataset.data import Float32, Index
from . import augment
from .joint import Tree, counts_of, logits_of, shown
from .loop import losses_of_head, weighed
from .pool import Pool, Tensors, augmented, on_device
from .task import Task

# Streams that are drawn, and windows that are counted, at a time.
AT_ONCE = 128
HEAD, TEACHER = "head", "teacher"
# Tells these streams from others of the same training.
CHANCE = 4
# Adam's learning rate at the start.
RATE = 5e-3


@dataclass(frozen=True)
class Streams:
    """What encoders count in augmented streams, and what is in them.

    counts : uint8 [shape=(N, W, K)]
    targets : presence, the teacher's scores, and whether it was asked, N of each
    """

    counts: NDArray[np.uint8]
    targets: tuple[NDArray[Any], ...]


class Encoders:
    """Trained encoders and centroids, and what is drawn for heads to learn."""

    def __init__(self, task: Task, joint: Tree) -> None:
        self.task = task
        trained = tf.nest.map_structure(tf.constant, joint)

        def counted(scaled: tf.Tensor) -> tf.Tensor:
            return tf.cast(counts_of(trained["weights"], trained["norms"], scaled, task.front_end, False)[0], tf.uint8)

        def drawn(key: tf.Tensor, pool: Tensors, values: Tensors) -> tuple[tf.Tensor, ...]:
            # As tensors, so that one compiled graph does for all settings.
            settings = cast(AugmentSettings, SimpleNamespace(**values))
            return augmented(key, pool, AT_ONCE, task.windows, settings, task.level, task.front_end)

        self._counted, self._drawn = tf.function(counted), tf.function(drawn, jit_compile=True)

    def counts(self, scaled: Float32) -> NDArray[np.uint8]:
        """Return the counts of windows (n, columns, frames, M), uint8 (n, K)."""
        missing = -len(scaled) % AT_ONCE
        padded = np.pad(scaled, [(0, missing), *[(0, 0)] * (scaled.ndim - 1)])
        parts = [self._counted(tf.constant(part)).numpy() for part in np.split(padded, len(padded) // AT_ONCE)]
        return np.concatenate(parts)[: len(scaled)]

    def streams(self, pool: Pool, changes: Mapping[str, float], count: int) -> Streams:
        """Return at least so many streams, augmented as the training's are but for some settings.

        All else that chance decides is the same whatever is changed.
        """
        values = {**asdict(self.task.config.augment), **changes}
        tensors = {
            name: tf.constant(values[name], tf.int32 if isinstance(was, int) else tf.float32)
            for name, was in asdict(AugmentSettings()).items()
        }
        arrays, key = on_device(pool.arrays(), self.task.front_end), augment.new_key(self.task.config.seed, CHANCE)
        counts, targets = [], []
        for number in range(-(-count // AT_ONCE)):
            scaled, *of_streams = self._drawn(augment.fold(key, number), arrays, tensors)
            counted = self._counted(self.task.windows_of(scaled)).numpy()
            counts.append(counted.reshape(AT_ONCE, self.task.windows, -1))
            targets.append([one.numpy() for one in of_streams])
        return Streams(np.concatenate(counts), tuple(np.concatenate(one) for one in zip(*targets)))


def fit_head(task: Task, pool: Pool, streams: Streams, epochs: int, seed: int) -> Tree:
    """Return a head trained from scratch on streams, by the losses of the joint training, and the teacher's layer."""
    batch = task.config.learned.batch
    new, chance = augment.split(augment.new_key(seed, 5), 2)
    start = {part: task.new_joint(new, pool)["weights"][part] for part in (HEAD, TEACHER)}
    variables = [tf.Variable(value) for value in tf.nest.flatten(start)]
    steps = epochs * (len(streams.counts) // batch)
    optimizer = adam(RATE, steps)
    optimizer.build(variables)

    @tf.function
    def advance(key: tf.Tensor, counts: tf.Tensor, *targets: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            weights = tf.nest.pack_sequence_as(start, variables)
            losses = losses_of_head(weights, [key], tf.cast(counts, tf.float32), targets, task)
            loss = weighed(tf.stack(losses), task.config.learned)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    order = np.random.default_rng(seed)
    for step in range(steps):
        place = step % (len(streams.counts) // batch)
        if not place:
            mixed = order.permutation(len(streams.counts))
        some = mixed[place * batch : (place + 1) * batch]
        targets = [tf.constant(one[some]) for one in streams.targets]
        loss = advance(augment.fold(chance, step), tf.constant(streams.counts[some]), *targets)
    refuse_infinite("head", float(loss))
    return cast(Tree, tf.nest.pack_sequence_as(start, [variable.numpy() for variable in variables]))


def scores_of(task: Task, head: Tree, counts: NDArray[np.uint8], clip: Index) -> Float32:
    """Return what a head says of each window after those before it in its clip, float32 (n, C).

    Parameters
    ----------
    counts : uint8 [shape=(n, K)], of windows in order
    clip : int [shape=(n,)], the clip that each belongs to
    """
    context, place, found = task.config.context, np.arange(len(clip)), list[Float32]()
    first = np.maximum.accumulate(np.where(clip != np.roll(clip, 1), place, 0))
    for some in np.array_split(place, -(-len(place) // (8 * AT_ONCE))):
        before = [counts[np.maximum(some - ago, first[some])] for ago in reversed(range(context))]
        streams = tf.constant(np.stack(before, axis=1), tf.float32)
        rows = tf.sqrt(shown(streams, context, tf.fill([len(some)], context)))
        found.append(tf.sigmoid(logits_of(head, rows, task.config.learned, ())[0][:, :-1]).numpy())
    return np.concatenate(found)

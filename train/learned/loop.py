"""The joint training: losses, AdamW, the mean of the last weights, and a loop that can be resumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bowstream.errors import BowstreamError

from ..common.epochs import load_state, refuse_infinite, save_state
from ..common.learned_config import BATCH_PARTS, LearnedSettings
from ..common.progress import say, track
from . import augment
from .devices import on_all, writes
from .joint import Tree, counts_of, head_rows, latents_of, logits_of, shared_mean
from .pool import Pool, Tensors, on_device, shares_of
from .pools import Pools
from .task import Task
from .trees import as_vector, cutter

# The logit of a tag that is left out of a softmax.
IMPOSSIBLE = -1e4
# Steps between two checkpoints, each with a line about the losses.
SAY_EVERY = 200
# Steps in which the learning rate rises; how slowly the norms of latent vectors forget; the longest gradient; Adam's.
WARM_UP = 200
NORM_MEMORY = 0.98
CLIP_NORM = 2.0
BETAS = 0.9, 0.99


def share_loss(logits: tf.Tensor, presence: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return the cross-entropy of logits with each tag's share of what is present, both (N, C + 1) -> (N,)."""
    sure, shares = shares_of(presence)
    smoothed = (1.0 - smoothing) * shares + smoothing / shares.shape[1]
    log_shares = tf.nn.log_softmax(tf.where(sure, logits, IMPOSSIBLE))
    anything = tf.reduce_sum(shares, axis=-1) > 0.0
    return tf.where(anything, -tf.reduce_sum(tf.where(sure, smoothed * log_shares, 0.0), axis=-1), 0.0)


def tag_loss(logits: tf.Tensor, presence: tf.Tensor) -> tf.Tensor:
    """Return how wrong a yes or no for each tag is where it is sure, (N, C + 1) -> (N,)."""
    # Both of two equally loud sounds are there.
    present = tf.clip_by_value(2.0 * presence[:, :-1], 0.0, 1.0)
    return tf.reduce_sum(tf.where(presence[:, :-1] < 0.0, 0.0, cross_entropy(logits[:, :-1], present)), axis=-1)


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return the binary cross-entropy of logits with targets 0 … 1, each by itself."""
    return tf.nn.softplus(logits) - targets * logits


def losses_of(
    weights: Tree, norms: Tree, keys: Sequence[tf.Tensor], drawn: Sequence[tf.Tensor], task: Task
) -> tuple[tf.Tensor, tf.Tensor, Tree]:
    """Return what is minimised for one batch, the parts of it, and the norms of the batch.

    Parameters
    ----------
    keys : of the chance of each part of the batch
    drawn : augmented streams and what is in them
    """
    counts, unevenness, seen = counts_of(weights, norms, task.windows_of(drawn[0]), task.front_end, training=True)
    counts = tf.reshape(counts, (len(drawn[0]), task.windows, -1))
    parts = tf.stack([*losses_of_head(weights, keys, counts, drawn[1:], task), unevenness])
    return weighed(parts, task.config.learned), parts, seen


def weighed(losses: tf.Tensor, settings: LearnedSettings) -> tf.Tensor:
    """Return the sum of losses by their weights: those of `losses_of_head`, then, if it is there, the unevenness."""
    factors = tf.constant([1.0, settings.yes_or_no, settings.taught, settings.usage][: losses.shape[0]])
    return tf.reduce_sum(losses * factors)


def losses_of_head(
    weights: Tree, keys: Sequence[tf.Tensor], counts: tf.Tensor, targets: Sequence[tf.Tensor], task: Task
) -> list[tf.Tensor]:
    """Return the losses of shares, of yes or no, and of the teacher's tags, for one batch.

    Parameters
    ----------
    keys : of the chance of each part of the batch
    counts : float32 [shape=(N, W, K)]
    targets : presence, the teacher's scores, and whether it was asked
    """
    settings, (presence, teacher, taught) = task.config.learned, targets
    rows = head_rows(counts, task.config.context, keys, settings.drop_counts)
    logits, teacher_logits = logits_of(weights, rows, settings, keys)
    share = tf.reduce_mean(share_loss(logits, presence, settings.smoothing))
    tag = tf.reduce_mean(tag_loss(logits, presence))
    asked = tf.cast(taught, tf.float32)
    taught_loss = tf.reduce_mean(tf.reduce_sum(cross_entropy(teacher_logits, teacher), axis=-1) * asked)
    return [share, tag, taught_loss / tf.maximum(shared_mean(tf.reduce_mean(asked)), 1e-6)]


class Training:
    """A joint training: all that changes from step to step, as vectors, and what makes a step.

    On several devices each has its part of a batch and all of the state, which is the same on all: those of the
    strategy in whose scope it is made.

    Attributes
    ----------
    weights, average : float32, the newest weights and the mean of the last ones
    mean, square : float32, AdamW's moments
    norms : float32, mean and variance of latent vectors
    step : int64, how many steps are done
    """

    def __init__(self, task: Task, start: Tree) -> None:
        self.task, self.strategy = task, tf.distribute.get_strategy()
        self.pool: Any = None
        weights, norms = start["weights"], start["norms"]
        self.tree, self.norm_tree = cutter(weights), cutter(norms)
        vector = as_vector(weights)
        self.weights, self.average = variable(vector), variable(vector)
        self.mean, self.square = variable(tf.zeros_like(vector)), variable(tf.zeros_like(vector))
        self.norms, self.step = variable(as_vector(norms)), variable(tf.constant(0, tf.int64))
        self.state = self.weights, self.average, self.mean, self.square, self.norms, self.step
        self._move = tf.function(self._moved, jit_compile=True)
        self._advance_all = tf.function(lambda pool: self.strategy.run(self._advance, (pool,)))

    def take(self, arrays: Tensors) -> None:
        """Learn from a pool from now on, by its arrays."""
        self.pool = on_all(self.strategy, arrays, self.task.front_end)

    def advance(self) -> tf.Tensor:
        """Do one step and return its losses: of shares, of yes or no, of the teacher's tags, and the unevenness.

        Raises
        ------
        BowstreamError
            If another machine of the cluster is lost.
        """
        try:
            losses = self._advance_all(self.pool)
        except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
            problem = "a machine of the cluster is lost: start all again, and they go on from the last checkpoint"
            raise BowstreamError(f"joint: {problem}") from error
        return self.strategy.experimental_local_results(losses)[0]

    def _advance(self, pool: Tensors) -> tf.Tensor:
        """Do one device's part of a step."""
        context = tf.distribute.get_replica_context()
        mine = BATCH_PARTS // context.num_replicas_in_sync
        key = augment.fold(augment.new_key(self.task.config.seed, 1), tf.cast(self.step, tf.int32))
        keys = [augment.fold(key, context.replica_id_in_sync_group * mine + part) for part in range(mine)]
        drawn = [self.task.draw(key, pool, self.task.config.learned.batch // BATCH_PARTS) for key in keys]
        drawn = [tf.concat(parts, axis=0) for parts in zip(*drawn)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            weights = self.tree(self.weights.read_value())
            tape.watch(weights)
            loss, parts, seen = losses_of(weights, self.norm_tree(self.norms), keys, drawn, self.task)
        gradient = shared_mean(as_vector(tape.gradient(loss, weights, unconnected_gradients="zero")))
        self._move(gradient, tf.sqrt(2.0 * tf.nn.l2_loss(gradient)), as_vector(seen))
        return shared_mean(parts)

    def _moved(self, gradient: tf.Tensor, length: tf.Tensor, seen: tf.Tensor) -> None:
        """Do one step of AdamW with a rate that rises briefly and falls to 0 as a cosine."""
        settings, index = self.task.config.learned, tf.cast(self.step, tf.float32)
        warm = float(max(1, min(WARM_UP, settings.steps // 10)))
        fallen = 0.5 + 0.5 * tf.cos(math.pi * (index - warm) / max(1.0, settings.steps - warm))
        rate = settings.rate * tf.where(index < warm, (index + 1.0) / warm, fallen)
        gradient *= tf.minimum(1.0, CLIP_NORM / (length + 1e-9))
        mean = BETAS[0] * self.mean + (1.0 - BETAS[0]) * gradient
        square = BETAS[1] * self.square + (1.0 - BETAS[1]) * tf.square(gradient)
        first, second = 1.0 - BETAS[0] ** (index + 1.0), 1.0 - BETAS[1] ** (index + 1.0)
        step = mean / first / (tf.sqrt(square / second) + 1e-7) + settings.decay * self.weights
        weights = self.weights - rate * step
        memory = tf.minimum(settings.memory, (index + 1.0) / (index + 10.0))
        self.average.assign(memory * self.average + (1.0 - memory) * weights)
        self.norms.assign(NORM_MEMORY * self.norms + (1.0 - NORM_MEMORY) * seen)
        self.weights.assign(weights)
        self.mean.assign(mean)
        self.square.assign(square)
        self.step.assign_add(1)

    def result(self) -> Tree:
        """Return the mean of the last weights, and the norms."""
        return {"weights": self.tree(self.average.read_value()), "norms": self.norm_tree(self.norms.read_value())}


def variable(value: Any) -> tf.Variable:
    """Return a variable that each device changes for itself, to the same value."""
    on_read, first = tf.VariableSynchronization.ON_READ, tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(value, trainable=False, synchronization=on_read, aggregation=first)


def begin(task: Task, pool: Pool) -> Tree:
    """Return weights and norms before the first step: centroids are latent vectors of the untrained encoders."""
    new, seen, where, spread = augment.split(augment.new_key(task.config.seed, 0), 4)
    joint, arrays = task.new_joint(new, pool), on_device(pool.arrays(), task.front_end)
    weights, norms = joint["weights"], joint["norms"]
    part = task.config.learned.batch // BATCH_PARTS
    scaled = tf.concat([task.draw(one, arrays, part)[0] for one in augment.split(seen, BATCH_PARTS)], axis=0)
    latents, _ = latents_of(weights, norms, task.windows_of(scaled), task.front_end, training=True)
    for family, rows in latents.items():
        bands, sets, codes, values = weights["centroids"][family].shape
        rows = tf.reshape(tf.transpose(rows, (1, 0, 2, 3)), (bands, -1, sets, values))
        chosen = augment.integers(where, (bands, sets, codes), 0, rows.shape[1])
        drawn = tf.gather(tf.transpose(rows, (0, 2, 1, 3)), chosen, axis=2, batch_dims=2)
        weights["centroids"][family] = drawn + 0.05 * augment.normal(spread, drawn.shape)
    return joint


def train(training: Training, pools: Pools, path: Path) -> Tree:
    """Do all steps, and return the mean of the last weights and the norms.

    Parameters
    ----------
    pools : learned from in turn, from one checkpoint to the next
    path : folder of the checkpoint, from which an interrupted training goes on
    """
    steps = training.task.config.learned.steps
    load_state(path, training.state)
    done, losses = int(training.step.numpy()), list[tf.Tensor]()
    turns = iter(pools.stream(done // SAY_EVERY, training.task.config.seed))
    for index in track(range(done, steps), steps, "joint", done):
        if index == done or (len(pools) > 1 and index % SAY_EVERY == 0):
            training.take(next(turns))
        losses.append(training.advance())
        if (index + 1) % SAY_EVERY and index + 1 < steps:
            continue
        share, tag, taught, _ = np.mean(losses, axis=0)
        losses.clear()
        refuse_infinite("joint", share + tag + taught)
        if not writes(training.strategy):
            continue
        say(f"joint  step {index + 1}/{steps}  loss {share:.3f}  yes or no {tag:.3f}  taught {taught:.3f}")
        save_state(path, training.state)
    return training.result()

"""The last head of a learned codebook: fitted on what the exported encoders count in augmented sound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.head import shown
from bowstream.model.patches import FAMILIES

from ..common.config import TrainConfig
from ..common.epochs import adam, train_epochs
from ..common.learned_config import LearnedSettings
from ..common.progress import track
from ..common.reels import Reels
from ..common.shards import Arrays, Shards
from ..dataset.data import Float32
from ..dataset.features import Features
from ..model.codebook import load_encoder
from ..model.counts import COUNTS, ROWS, transformed
from ..model.head import hidden_layers
from .joint import Tree
from .loop import IMPOSSIBLE
from .pool import UNSURE

PRESENCE, TAUGHT, TARGETS = "presence", "taught", "targets"
# Batches of streams whose counts are one shard.
SHARD_BATCHES = 8
TRANSFORM = "sqrt"
# The last layer of the joint head among its weights.
LAST = (-2, "kernel"), (-1, "bias")


def count_augmented(
    shards: Shards,
    streams: Iterator[tuple[Float32, ...]],
    batches: int,
    networks: Mapping[str, Path],
    sound: Features,
    config: TrainConfig,
) -> None:
    """Write what a head is shown of augmented sound, uint16 (N, K), what is present, (N, C + 1), and taught, (N, L).

    Streams of some windows are heard, as many as a context at most: what counts is what is shown at their end.
    """
    rng = np.random.default_rng([config.seed, 2])
    encoders = {family: load_encoder(networks[family], networks[family]) for family in FAMILIES}
    encoder = WindowEncoder(encoders, sound.front_end, sound.front_end.columns_per_window)
    context = Context(config.context, hops_apart=1)

    def counted(scaled: Float32, presence: Float32, taught: Float32) -> Arrays:
        rows = []
        for stream in scaled.reshape(len(scaled), -1, sound.front_end.n_mels):
            encoder.reset()
            context.reset()
            codes = encoder.push(stream)[-rng.integers(1, config.context + 1) :]
            rows.append(shown(encoder.counts(context.push(codes)[-1:])).astype(np.uint16))
        return {COUNTS: np.concatenate(rows), PRESENCE: presence, TAUGHT: taught.astype(np.float16)}

    counts = (counted(*batch) for batch in track(streams, batches, "counts"))
    for number in range(-(-batches // SHARD_BATCHES)):
        shards.write(number, itertools.islice(counts, SHARD_BATCHES))


def refit_head(path: Path, joint: Tree, shards: Shards, config: TrainConfig) -> keras.Model:
    """Return a head fitted on what `count_augmented` wrote.

    It starts from the joint one and learns a yes or no for each tag: on negatives, no to all of them. What the teacher
    says is learned beside and left out in the end, as "none" is.
    """
    settings, layers, teacher = config.refit, joint["head"], joint["teacher"]
    weights = [np.asarray(layer[name]) for layer in layers for name in ("kernel", "bias")]
    n_counts, n_tags, n_taught = len(weights[0]), len(weights[-1]) - 1, teacher["bias"].shape[0]
    beside = [np.concatenate([weights[place][..., :n_tags], teacher[name]], axis=-1) for place, name in LAST]

    def without_teacher(trained: list[np.ndarray]) -> keras.Model:
        final = new_head(n_counts, n_tags, config.learned)
        final.set_weights([*trained[:-2], *(weight[..., :n_tags] for weight in trained[-2:])])
        return final

    if not settings.refit_epochs:
        return without_teacher(weights)

    def rows(number: int) -> Arrays:
        of_shard = shards.whole(number, [COUNTS, PRESENCE, TAUGHT])
        targets = np.concatenate([of_shard[PRESENCE], of_shard[TAUGHT]], axis=1, dtype=np.float32)
        return {ROWS: transformed(of_shard[COUNTS], TRANSFORM).astype(np.float16), TARGETS: targets}

    count = int(shards.first[-1])
    reels = Reels(len(shards), rows, count * 2 * n_counts, config.reel_mb)
    steps = -(-count // settings.refit_batch)

    def new_model() -> keras.Model:
        both = new_head(n_counts, n_tags + n_taught, config.learned)
        both.set_weights([*weights[:-2], *beside])
        model = keras.Sequential([both])  # so that what is saved knows nothing of its training
        loss = RefitLoss(n_tags, config.learned.taught)
        model.compile(adam(settings.refit_rate, steps * settings.refit_epochs), loss)
        return model

    def data_of_epoch(epoch: int) -> tf.data.Dataset:
        batches = reels.data([config.seed, epoch], settings.refit_batch, count)
        return batches.map(lambda batch: (batch[ROWS], batch[TARGETS]))

    model = train_epochs(path, "head", new_model, data_of_epoch, settings.refit_epochs, config.seed)
    return without_teacher(model.get_layer("head").get_weights())


def new_head(n_counts: int, n_tags: int, settings: LearnedSettings) -> keras.Model:
    """Return an untrained head, square roots of counts in and logits out."""
    hidden = hidden_layers(settings.learned_head, settings.dropout)
    masked, logits = keras.layers.Dropout(settings.drop_counts), keras.layers.Dense(n_tags, name="logits")
    return keras.Sequential([keras.layers.Input((n_counts,), name="counts"), masked, *hidden, logits], name="head")


@keras.saving.register_keras_serializable("bowstream")
class RefitLoss(keras.losses.Loss):
    """What `tag_loss` says of the first logits, and a yes or no for each of the teacher's tags."""

    def __init__(self, n_tags: int, taught: float, name: str = "refit", **others: Any) -> None:
        super().__init__(name=name, **others)
        self.n_tags, self.taught, self.__name__ = n_tags, taught, name

    def call(self, wanted: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Return the loss of each stream, for what is present, (N, C + 1), and after it what the teacher says."""
        said, of_said = wanted[:, self.n_tags + 1 :], logits[:, self.n_tags :]
        beside = tf.where(said == UNSURE, 0.0, tf.nn.sigmoid_cross_entropy_with_logits(said, of_said))
        of_tags = tag_loss(wanted[:, : self.n_tags + 1], logits[:, : self.n_tags])
        return of_tags + self.taught * tf.reduce_sum(beside, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made with."""
        return {**super().get_config(), "n_tags": self.n_tags, "taught": self.taught}


def tag_loss(presence: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Ask for a yes or no for each tag, and for the right order among the tags that are there.

    Parameters
    ----------
    presence : float32 [shape=(N, C + 1)]
    logits : float32 [shape=(N, C)]
    """
    known = tf.maximum(presence, 0.0)
    sure, shares = presence[:, :-1] != UNSURE, (known / tf.reduce_sum(known, axis=-1, keepdims=True))[:, :-1]
    present = tf.minimum(2.0 * presence[:, :-1], 1.0)  # both of two equally loud sounds are there
    yes_or_no = tf.nn.sigmoid_cross_entropy_with_logits(present, logits)
    log_shares = tf.nn.log_softmax(tf.where(sure, logits, IMPOSSIBLE))  # what is unsure has no part in them
    # Not TensorFlow's fused loss: its gradient takes shares to sum to 1, and those of negatives sum to 0.
    return tf.reduce_sum(tf.where(sure, yes_or_no, 0.0) - shares * log_shares, axis=-1)

"""The last head of a learned codebook: fitted on what the exported encoders count in augmented sound."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.head import shown, times_shown
from bowstream.model.patches import FAMILIES

from ..common.config import TrainConfig
from ..common.epochs import adam, order_of_epoch, train_epochs
from ..common.progress import track
from ..dataset.data import Float32
from ..dataset.features import Features
from ..model.codebook import load_encoder
from ..model.head import COUNTS, transformed
from .augment import chance
from .joint import Joint, head
from .pool import Pool, log_shares, shares_of

PRESENCE = "presence.npy"
TRANSFORM = "sqrt"


def count_augmented(path: Path, networks: Mapping[str, Path], pool: Pool, sound: Features, config: TrainConfig) -> None:
    """Write what a head is shown of augmented sound, uint16 (N, K), and what is present, (N, C + 1).

    Streams of some windows are heard, as many as a context at most: what counts is what is shown at their end.
    """
    rng, batch = chance(config.seed, 2), config.learned.batch
    encoders = {family: load_encoder(networks[family], networks[family]) for family in FAMILIES}
    encoder = WindowEncoder(encoders, sound.front_end, sound.front_end.columns_per_window)
    context = Context(config.context, hops_apart=1)
    rows, present = [], []
    draws = max(1, config.refit.refit_windows * len(pool) // batch)
    for _ in track(range(draws), draws, "counts"):
        scaled, presence = pool.augmented(pool.draw(rng, batch), config.refit.refit_noisy, config.context)
        for stream in scaled.numpy().reshape(batch, -1, sound.front_end.n_mels):
            context.reset()
            heard = encoder.push(stream)[-rng.integers(1, config.context + 1) :]
            rows.append(shown(encoder.counts(context.push(heard)[-1:])).astype(np.uint16))
        present.append(presence.numpy())
    np.save(path / COUNTS, np.concatenate(rows))
    np.save(path / PRESENCE, np.concatenate(present))


def refit_head(path: Path, joint: Joint, counts: np.ndarray, presence: Float32, config: TrainConfig) -> keras.Model:
    """Return a head fitted on what it is shown of codes, (N, K), and what is present, (N, C + 1).

    It starts from the joint one and learns a yes or no for each tag: on negatives, no to all of them.
    """
    settings = config.refit
    rows, targets = tf.constant(transformed(counts, TRANSFORM), tf.float16), tf.constant(presence)
    steps = -(-len(counts) // settings.refit_batch)

    def new_model() -> keras.Model:
        first, *hidden, kernel, bias = joint.head.get_weights()
        final = head(counts.shape[1], presence.shape[1] - 1, joint.settings)
        times = times_shown(config.context)
        # The root of a sum grows as the root of the number of windows.
        first = np.concatenate([first / np.sqrt(windows) / times for windows in (1, config.context)[:times]])
        final.set_weights([first, *hidden, kernel[:, :-1], bias[:-1]])
        model = keras.Sequential([final])  # so that what is saved knows nothing of its training
        model.compile(adam(settings.refit_rate, steps * settings.refit_epochs), tag_loss)
        return model

    def data_of_epoch(epoch: int) -> tf.data.Dataset:
        order = order_of_epoch(config.seed, epoch, len(counts), len(counts))
        batches = tf.data.Dataset.from_tensor_slices(order).batch(settings.refit_batch)
        return batches.map(lambda index: (tf.gather(rows, index), tf.gather(targets, index))).prefetch(2)

    return train_epochs(path, "head", new_model, data_of_epoch, settings.refit_epochs, config.seed).get_layer("head")


@keras.saving.register_keras_serializable("bowstream")
def tag_loss(presence: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Ask for a yes or no for each tag, and for the right order among the tags that are there.

    Parameters
    ----------
    presence : float32 [shape=(N, C + 1)]
    logits : float32 [shape=(N, C)]
    """
    sure, shares = (of_all[:, :-1] for of_all in shares_of(presence))
    present = tf.clip_by_value(2.0 * presence[:, :-1], 0.0, 1.0)  # both of two equally loud sounds are there
    yes_or_no = tf.nn.sigmoid_cross_entropy_with_logits(present, logits)
    # Not TensorFlow's fused loss: its gradient takes shares to sum to 1, and those of negatives sum to 0.
    return tf.reduce_sum(tf.where(sure, yes_or_no, 0.0) - shares * log_shares(logits, sure), axis=-1)

"""The head: an MLP from a window's counts to its tags (paper, III-C and IV)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common.config import HeadSettings, TrainConfig
from ..common.epochs import adam, train_epochs
from ..common.reels import Reels
from ..common.shards import Shards
from ..common.store import artefact, digest, digest_of_rows
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import CLIP, Features
from .calibrate import sigmoid
from .counts import ROWS, Seen
from .export import NETWORK, REPRESENTATIVE_ROWS, to_int8

if TYPE_CHECKING:
    import keras

# A small set is passed over several times in what is called an epoch, so that it gets as many steps.
EPOCH_WINDOWS = 8000
# Fewer codes are each counted more often. Weighed as if there were this many, wide heads on few do not saturate;
# more codes are let be, since what raises their counts saturates wide heads, too.
USUAL_CODES = 256

HEAD = "head.keras"
SCORES = "scores.npy"


def new_head(n_counts: int, priors: Float32, settings: HeadSettings) -> keras.Model:
    """Return an untrained head, transformed counts in and logits out, that starts from each tag's prior.

    From a start at 1/2, Huber's loss on many rare tags drives every sigmoid into saturation within an
    epoch, where it has no gradient left to come back with.
    """
    import keras

    hidden = hidden_layers(settings.head_width, settings.head_dropout)
    log_odds = keras.initializers.Constant(np.log(priors / (1.0 - priors)))
    logits = keras.layers.Dense(len(priors), bias_initializer=log_odds, name="logits")
    return keras.Sequential([keras.layers.Input((n_counts,), name="counts"), *hidden, logits], name="head")


def hidden_layers(width: int, dropout: float) -> list[keras.Layer]:
    """Return a head's two hidden layers, with dropout after each."""
    import keras

    return [
        layer
        for number in range(2)
        for layer in (keras.layers.Dense(width, "relu", name=f"hidden_{number}"), keras.layers.Dropout(dropout))
    ]


def train_head(root: Path, features: Features, data: DataSet, fit: Index, counts: Path, config: TrainConfig) -> Path:
    """Return the artefact with the head: `head.keras` and `network.tflite`, transformed counts in and logits out.

    Where no device can do what the settings ask for, there is `scores.npy` of all windows instead of the network.
    """
    settings, targets = config.head, data.targets()
    inputs = {
        "counts": counts.name,
        "fit": digest(fit.tolist()),
        "targets": digest_of_rows(targets),
        "settings": asdict(settings),
        "context": config.context,
        "reel_mb": config.reel_mb,
        "usual_codes": USUAL_CODES,
        "seed": config.seed,
    }

    def make(path: Path) -> None:
        seen = Seen(Shards(counts), features.front_end, settings, config.context)
        reels = seen.reels(features, fit, config.reel_mb)
        windows = int(features.length[fit].sum())
        some = reels.some(REPRESENTATIVE_ROWS, config.seed)[ROWS]
        weights = rarity(reels) if settings.idf == "yes" else np.ones(some.shape[1], np.float32)
        weights *= min(1.0, config.codebook.codes / USUAL_CODES)
        priors = (features.length[fit] @ targets[fit] / windows).astype(np.float32)
        head = fit_head(path, reels, windows, weights, targets, priors, settings, config.seed)
        kernel, bias = head.layers[0].get_weights()
        head.layers[0].set_weights([kernel * weights[:, np.newaxis], bias])  # so that it takes counts as they are
        head.save(path / HEAD)
        if config.on_device:
            (path / NETWORK).write_bytes(to_int8(head, some.astype(np.float32)))
        else:
            everything = np.ones(len(data.clips), bool)
            logits = [
                head.predict(seen.rows(number, everything)[ROWS], verbose=0) for number in range(len(seen.shards))
            ]
            np.save(path / SCORES, sigmoid(np.concatenate(logits)).astype(np.float32))

    return artefact(root, "head", inputs, make)


def rarity(reels: Reels) -> Float32:
    """Return each code's inverse document frequency, (K,), a window being a document; smoothed."""
    windows, having = 0, np.zeros(1)
    for reel in reels.turn(np.random.default_rng(0)):
        windows, having = windows + len(reel[ROWS]), having + (reel[ROWS] > 0).sum(axis=0)
    frequency: np.ndarray = np.log((1 + windows) / (1 + having)) + 1
    return frequency.astype(np.float32)


def fit_head(
    path: Path,
    reels: Reels,
    windows: int,
    weights: Float32,
    targets: Float32,
    priors: Float32,
    settings: HeadSettings,
    seed: int,
) -> keras.Model:
    """Return a head trained on so many windows, weighted by (K,), and on the targets of their clips, (clips, C)."""
    import keras
    import tensorflow as tf

    drawn = max(windows, EPOCH_WINDOWS)
    steps = math.ceil(drawn / settings.head_batch)
    of_clips = tf.constant(targets)

    def new_model() -> keras.Model:
        head = new_head(len(weights), np.clip(priors, 1e-4, 1 - 1e-4), settings)
        model = keras.Sequential([head, keras.layers.Activation("sigmoid")])
        model.compile(adam(settings.head_rate, steps * settings.head_epochs), "huber")
        return model

    def data_of_epoch(epoch: int) -> tf.data.Dataset:
        def masked(step: tf.Tensor, batch: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            counts = tf.cast(batch[ROWS], tf.float32) * weights
            dice = tf.random.stateless_uniform(tf.shape(counts), [seed * 100_003 + epoch, tf.cast(step, tf.int32)])
            return tf.where(dice < settings.mask, 0.0, counts), tf.gather(of_clips, batch[CLIP])

        return reels.data([seed, epoch], settings.head_batch, drawn).enumerate().map(masked).prefetch(4)

    return train_epochs(path, "head", new_model, data_of_epoch, settings.head_epochs, seed).get_layer("head")

"""The head: an MLP from a window's counts to its tags (paper, III-C and IV)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.head import COUNT_TRANSFORMS, shown

from ..common.config import HeadSettings, TrainConfig
from ..common.device import device_code
from ..common.epochs import adam, order_of_epoch, train_epochs
from ..common.progress import track
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features
from .calibrate import sigmoid
from .codebook import load_encoder
from .export import NETWORK, REPRESENTATIVE_ROWS, to_int8
from .sequences import pair_counts

if TYPE_CHECKING:
    import keras

# A small set is passed over several times in what is called an epoch, so that it gets as many steps.
EPOCH_WINDOWS = 8000
# Fewer codes are each counted more often. Weighed as if there were this many, wide heads on few do not saturate;
# more codes are let be, since what raises their counts saturates wide heads, too.
USUAL_CODES = 256

CODES = "codes.npy"
COUNTS = "counts.npy"
HEAD = "head.keras"
SCORES = "scores.npy"


def count_codes(root: Path, features: Features, networks: Mapping[str, Path], codebooks: Mapping[str, Path]) -> Path:
    """Return the artefact with the codes and counts of all windows, as the device finds them.

    They are int16, `codes.npy` [shape=(windows, 143)] and `counts.npy` [shape=(windows, K)].
    """
    inputs = {
        "features": features.key,
        "codebooks": {family: path.name for family, path in codebooks.items()},
        "device": device_code(),
    }

    def make(path: Path) -> None:
        encoders = {family: load_encoder(networks[family], codebooks[family]) for family in networks}
        encoder = WindowEncoder(encoders, features.front_end, features.front_end.columns_per_window)
        # A window a hop: no code looks further back, so one stream over all clips counts as one a clip does.
        codes = [encoder.push(window)[0] for window in track(features.log_mel, len(features.log_mel), "codes")]
        np.save(path / CODES, np.array(codes, np.int16))
        counts = np.lib.format.open_memmap(path / COUNTS, "w+", np.int16, (len(codes), encoder.n_counts))
        for row, of_window in zip(counts, codes):
            row[:] = encoder.counts(of_window[np.newaxis])[0]
        counts.flush()

    return artefact(root, "codes", inputs, make)


def rows_of(counts: Path, features: Features, clips: Iterable[int], config: TrainConfig) -> NDArray[np.float16]:
    """Return what the head sees of clips' windows, float16 [shape=(windows, K)], from the artefact of their counts.

    Counts are exact in half of float32's size, their roots and logarithms right to three digits.
    """
    of_all, pairs = np.load(counts / COUNTS, "r"), config.head.pairs
    codes = np.load(counts / CODES, "r") if pairs else None

    def of_clip(clip: int) -> Float32:
        windows = slice(*features.first[clip : clip + 2])
        rows = of_all[windows]
        if codes is not None:
            rows = np.concatenate([rows, pair_counts(codes[windows], features.front_end, pairs)], axis=1)
        contexts = Context(config.context, hops_apart=1).push(rows)
        return transformed(shown(contexts), config.head.count_transform).astype(np.float16)

    return np.concatenate([of_clip(clip) for clip in clips])


def new_head(n_counts: int, priors: Float32, settings: HeadSettings) -> keras.Model:
    """Return an untrained head, transformed counts in and logits out, that starts from each tag's prior.

    From a start at 1/2, Huber's loss on many rare tags drives every sigmoid into saturation within an
    epoch, where it has no gradient left to come back with.
    """
    import keras

    def hidden() -> list[keras.Layer]:
        return [keras.layers.Dense(settings.head_width, "relu"), keras.layers.Dropout(settings.head_dropout)]

    log_odds = keras.initializers.Constant(np.log(priors / (1.0 - priors)))
    logits = keras.layers.Dense(len(priors), bias_initializer=log_odds)
    return keras.Sequential([keras.layers.Input((n_counts,)), *hidden(), *hidden(), logits], name="head")


def train_head(root: Path, features: Features, data: DataSet, fit: Index, counts: Path, config: TrainConfig) -> Path:
    """Return the artefact with the head: `head.keras` and `network.tflite`, transformed counts in and logits out.

    Where no device can do what the settings ask for, there is `scores.npy` of all windows instead of the network.
    """
    settings, targets = config.head, data.targets()
    inputs = {
        "counts": counts.name,
        "fit": digest(fit.tolist()),
        "targets": digest(targets.tolist()),
        "settings": asdict(settings),
        "context": config.context,
        "usual_codes": USUAL_CODES,
        "seed": config.seed,
    }

    def make(path: Path) -> None:
        rows = rows_of(counts, features, fit, config)
        of_windows = targets[features.clip_of_window()[features.windows(fit)]]
        weights = rarity(rows) if settings.idf == "yes" else np.ones(rows.shape[1], np.float32)
        weights *= min(1.0, config.codebook.codes / USUAL_CODES)
        head = fit_head(path, rows, weights, of_windows, settings, config.seed)
        kernel, bias = head.layers[0].get_weights()
        head.layers[0].set_weights([kernel * weights[:, np.newaxis], bias])  # so that it takes counts as they are
        head.save(path / HEAD)
        if config.on_device:
            examples = np.random.default_rng(config.seed).permutation(len(rows))[:REPRESENTATIVE_ROWS]
            (path / NETWORK).write_bytes(to_int8(head, rows[examples].astype(np.float32)))
        else:
            everything = rows_of(counts, features, range(len(data.clips)), config)
            np.save(path / SCORES, sigmoid(head.predict(everything, verbose=0)).astype(np.float32))

    return artefact(root, "head", inputs, make)


def transformed(counts: np.ndarray, transform: str) -> Float32:
    """Return what the head sees of counts, float32 of the same shape."""
    changed: Float32 = COUNT_TRANSFORMS[transform](counts.astype(np.float32, copy=False))
    return changed


def rarity(rows: np.ndarray) -> Float32:
    """Return each code's inverse document frequency, (N, K) -> (K,), a window being a document; smoothed."""
    frequency: np.ndarray = np.log((1 + len(rows)) / (1 + (rows > 0).sum(axis=0))) + 1
    return frequency.astype(np.float32)


def fit_head(
    path: Path, rows: np.ndarray, weights: Float32, targets: Float32, settings: HeadSettings, seed: int
) -> keras.Model:
    """Return a head trained on windows (N, K), weighted by (K,), and targets (N, C), those of each window's clip."""
    import keras
    import tensorflow as tf

    drawn = max(len(rows), EPOCH_WINDOWS)
    steps = math.ceil(drawn / settings.head_batch)
    all_rows, all_targets = tf.constant(rows), tf.constant(targets)

    def new_model() -> keras.Model:
        head = new_head(rows.shape[1], np.clip(targets.mean(axis=0), 1e-4, 1 - 1e-4), settings)
        model = keras.Sequential([head, keras.layers.Activation("sigmoid")])
        model.compile(adam(settings.head_rate, steps * settings.head_epochs), "huber")
        return model

    def data_of_epoch(epoch: int) -> tf.data.Dataset:
        order = order_of_epoch(seed, epoch, len(rows), drawn)

        def masked(step: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            counts = tf.cast(tf.gather(all_rows, index), tf.float32) * weights
            dice = tf.random.stateless_uniform(tf.shape(counts), [seed * 100_003 + epoch, tf.cast(step, tf.int32)])
            return tf.where(dice < settings.mask, 0.0, counts), tf.gather(all_targets, index)

        return tf.data.Dataset.from_tensor_slices(order).batch(settings.head_batch).enumerate().map(masked).prefetch(4)

    return train_epochs(path, "head", new_model, data_of_epoch, settings.head_epochs, seed).get_layer("head")

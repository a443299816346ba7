"""Autoencoders, one a family: three-layer MLP encoder and decoder (paper, III-A). Only the encoder is kept."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowstream.model.patches import FAMILIES, cut_env, cut_fenv, cut_o, cut_pat, input_sizes, patches_per_window

from ..common.config import EncoderSettings
from ..common.epochs import adam, train_epochs
from ..common.reels import Reels
from ..common.store import artefact, digest
from ..dataset.data import Float32, Index
from ..dataset.features import AT_ONCE, Features
from .stage import Stage

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

ENCODER = "encoder.keras"
PATCHES = "patches"
# Windows that patches are drawn from, as a multiple of those needed.
SPREAD = 4
# Patches of a pool that its mean and deviation are taken from.
STANDARD_ROWS = 20_000


def patches_of(features: Features, family: str, windows: Index) -> Float32:
    """Return all patches of these windows, float32 [shape=(windows, patches, values)]."""
    log_mel = features.log_mel[windows]
    if family in ("fenv", "o"):
        return {"fenv": cut_fenv, "o": cut_o}[family](log_mel)
    columns = log_mel.reshape(-1, features.front_end.frames_per_column, features.front_end.n_mels)
    patches = {"pat": cut_pat, "env": cut_env}[family](columns)
    return patches.reshape(len(windows), -1, patches.shape[-1])


def draw_patches(
    features: Features,
    family: str,
    windows: Index,
    count: int,
    rng: np.random.Generator,
    every: slice = slice(None),
) -> Float32:
    """Return `count` patches drawn at random without repeats, all where there are fewer.

    Parameters
    ----------
    every : which of a window's patches to draw from; `slice(band, None, bands)` are those of a band

    Returns
    -------
    patches : float32 [shape=(count, values)]
    """
    size = input_sizes(features.front_end)[family]
    per_window = len(range(patches_per_window(features.front_end)[family])[every])
    # From more windows than would do, so that neighbours in time do not crowd the draw; read as they lie in shards.
    some = np.sort(rng.permutation(windows)[: math.ceil(SPREAD * count / per_window)])
    drawn = np.empty((min(count, len(some) * per_window), size), np.float32)
    filled = seen = 0
    for part in np.array_split(some, math.ceil(len(some) / AT_ONCE)):
        patches = patches_of(features, family, part)[:, every].reshape(-1, size)
        seen += len(part)
        until = round(len(drawn) * seen / len(some))  # each part has its share
        drawn[filled:until] = patches[rng.permutation(len(patches))[: until - filled]]
        filled = until
    return drawn


def autoencoder(size: int, settings: EncoderSettings) -> keras.Model:
    """Return an untrained autoencoder; its first layer is the encoder.

    All layers that are exported have names of their own, which exported files hold: others would be numbered by what
    the process made before.
    """
    import keras

    def mlp(layers: list[int], name: str) -> keras.Model:
        n_inputs, *hidden, n_outputs = layers
        stack: list[keras.Layer] = [keras.layers.Input((n_inputs,), name=f"{name}_input")]
        for number, width in enumerate(hidden):
            stack.append(keras.layers.Dense(width, activation="relu", name=f"{name}_{number}"))
            stack.append(keras.layers.Dropout(settings.encoder_dropout))
        return keras.Sequential([*stack, keras.layers.Dense(n_outputs, name=f"{name}_last")], name=name)

    latent, width = max(1, size // settings.factor), settings.width
    return keras.Sequential(
        [mlp([size, width, width, latent], "encoder"), mlp([latent, width, width, size], "decoder")]
    )


def train_encoder(stage: Stage, family: str, settings: EncoderSettings) -> Path:
    """Return the artefact with one family's trained encoder, `encoder.keras`: raw patches in, latent vectors out."""
    inputs = {
        "features": stage.features.key,
        "fit": digest(stage.fit.tolist()),
        "family": family,
        "settings": asdict(settings),
        "seed": stage.seed,
    }

    def make(path: Path) -> None:
        rng = np.random.default_rng([stage.seed, list(FAMILIES).index(family)])
        pool = draw_patches(stage.features, family, stage.windows, settings.pool_patches, rng)
        fit_autoencoder(path, pool, family, settings, stage.seed).save(path / ENCODER)

    return artefact(stage.root, f"encoder_{family}", inputs, make)


def fit_autoencoder(path: Path, pool: Float32, family: str, settings: EncoderSettings, seed: int) -> keras.Model:
    """Return an encoder trained on a pool of patches, (N, values)."""
    some = pool[:: len(pool) // STANDARD_ROWS + 1]
    mean, deviation = float(some.mean()), float(some.std()) or 1.0
    reel = Reels(1, lambda _: {PATCHES: pool}, pool.nbytes, math.inf)
    steps = math.ceil(settings.epoch_patches / settings.encoder_batch)

    def new_model() -> keras.Model:
        model = autoencoder(pool.shape[1], settings)
        model.compile(adam(settings.encoder_rate, steps * settings.encoder_epochs), "mse")
        return model

    def data_of_epoch(epoch: int) -> tf.data.Dataset:
        batches = reel.data([seed, epoch], settings.encoder_batch, settings.epoch_patches)
        standard = batches.map(lambda batch: (batch[PATCHES] - mean) / deviation)
        return standard.map(lambda patches: (patches, patches))

    model = train_epochs(path, f"encoder {family}", new_model, data_of_epoch, settings.encoder_epochs, seed)
    encoder = model.get_layer("encoder")
    take_raw(encoder, mean, deviation)
    return encoder


def take_raw(model: keras.Model, mean: float, deviation: float) -> None:
    """Fold the standardisation of a model's input into its first layer, so that it takes values as they are."""
    first = model.layers[0]
    kernel, bias = first.get_weights()
    first.set_weights([kernel / deviation, bias - mean / deviation * kernel.sum(axis=0)])

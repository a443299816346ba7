"""Encoders, centroids and head in one graph, with hard codes and a gradient through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES, O_FRAMES, PATCH_BANDS, bicubic, input_sizes

from ..common.config import LearnedSettings


@tf.custom_gradient
def count_nearest(latents: tf.Tensor, centroids: tf.Tensor) -> tuple[Any, Callable[..., Any]]:
    """Count the nearest centroids; the gradient is that of soft assignments (straight-through).

    Parameters
    ----------
    latents : float32 [shape=(N, G, Q, Z)], Q patches for each of G codebooks
    centroids : float32 [shape=(G, D, Z)]

    Returns
    -------
    counts, soft : float32 [shape=(N, G, D)], of hard codes and of softmax over closeness
    """
    count, (groups, codes, values), per_group = tf.shape(latents)[0], centroids.shape, latents.shape[2]
    softness = 8.0 / values  # closeness grows with the number of values
    rows = tf.reshape(tf.transpose(latents, (1, 0, 2, 3)), (groups, -1, values))
    closeness = tf.matmul(rows, centroids, transpose_b=True)
    closeness -= 0.5 * tf.reduce_sum(tf.square(centroids), axis=-1)[:, tf.newaxis]  # (G, N * Q, D)
    window = tf.repeat(tf.range(count), per_group)
    place = (window * groups + tf.range(groups)[:, tf.newaxis]) * codes + tf.argmax(closeness, -1, tf.int32)
    size = count * groups * codes
    hard = tf.math.bincount(tf.reshape(place, (-1,)), minlength=size, maxlength=size, dtype=tf.float32)
    share = tf.nn.softmax(closeness * softness)
    soft = tf.reduce_sum(tf.reshape(share, (groups, count, per_group, codes)), axis=2)

    def gradient(upstream: tf.Tensor, upstream_soft: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        wanted = tf.transpose(upstream + upstream_soft, (1, 0, 2))  # (G, N, D)
        wanted = share * tf.repeat(wanted, per_group, axis=1)
        nearer = (wanted - share * tf.reduce_sum(wanted, axis=-1, keepdims=True)) * softness
        to_rows = tf.reshape(tf.matmul(nearer, centroids), (groups, count, per_group, values))
        to_centroids = tf.matmul(nearer, rows, transpose_a=True)
        to_centroids -= tf.reduce_sum(nearer, axis=1)[..., tf.newaxis] * centroids
        return tf.transpose(to_rows, (1, 0, 2, 3)), to_centroids

    return (tf.reshape(hard, (count, groups, codes)), tf.transpose(soft, (1, 0, 2))), gradient


@tf.custom_gradient
def square_root(counts: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
    """Take the root of counts; at 0, where it is infinitely steep, the gradient stays finite."""
    return tf.sqrt(counts), lambda upstream: upstream * 0.5 * tf.math.rsqrt(tf.maximum(counts, 0.3))


def cut(scaled: tf.Tensor, front_end: FrontEnd) -> dict[str, tf.Tensor]:
    """Return what `bowstream.model.patches` cuts from windows (N, columns, frames, M): (N, G, Q, values) a family."""
    columns, frames, n_mels = scaled.shape[1:]
    bands = n_mels // PATCH_BANDS
    window = tf.reshape(scaled, (-1, columns * frames, n_mels))
    small = tf.matmul(tf.matmul(bicubic(columns * frames, O_FRAMES), window), bicubic(n_mels, PATCH_BANDS).T)
    grid = tf.transpose(tf.reshape(scaled, (-1, columns, frames, bands, PATCH_BANDS)), (0, 3, 1, 2, 4))
    sizes = input_sizes(front_end)
    return {
        "pat": tf.reshape(grid, (-1, bands, columns, sizes["pat"])),
        "fenv": tf.reshape(grid, (-1, bands, 1, sizes["fenv"])),
        "env": tf.reshape(scaled, (-1, 1, columns, sizes["env"])),
        "o": tf.reshape(small, (-1, 1, 1, sizes["o"])),
    }


class Joint(keras.Model):
    """Encoders, centroids and head in one graph."""

    def __init__(self, settings: LearnedSettings, n_targets: int, front_end: FrontEnd) -> None:
        super().__init__()
        self.settings, self.front_end = settings, front_end
        self.encoders, self.norms, self.centroids = {}, {}, {}
        for family, size in input_sizes(front_end).items():
            self.encoders[family] = encoder(size, settings, "mixed_bfloat16", use_bias=False)
            # Latent vectors of unit variance; folded into the encoder's last layer when it is exported.
            self.norms[family] = keras.layers.BatchNormalization(momentum=0.98, center=False, scale=False)
            # A codebook for each band of 8 mels: the same shape is another sound elsewhere.
            groups = FAMILIES[family].bands(front_end)
            codes = settings.codes_a_band if groups > 1 else settings.codes_a_family
            self.centroids[family] = self.add_weight(shape=(groups, codes, settings.latent), name=f"centroids_{family}")
        n_counts = sum(weight.shape[0] * weight.shape[1] for weight in self.centroids.values())
        self.head = head(n_counts, n_targets, settings, "mixed_bfloat16")

    def latents(self, scaled: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        """Return latent vectors (N, G, Q, Z) a family, for windows (N, columns, frames, M)."""
        found = {}
        for family, patches in cut(scaled, self.front_end).items():
            rows = self.encoders[family](tf.reshape(patches, (-1, patches.shape[-1])), training=training)
            rows = self.norms[family](tf.cast(rows, tf.float32), training=training)
            found[family] = tf.reshape(rows, (-1, *patches.shape[1:3], self.settings.latent))
        return found

    def call(self, scaled: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits (N, targets) and how far codebooks are from even use, the mean of their negative entropies."""
        counts, unevenness = [], []
        for family, latents in self.latents(scaled, training).items():
            hard, soft = count_nearest(latents, tf.convert_to_tensor(self.centroids[family]))
            counts.append(tf.reshape(hard, (-1, hard.shape[1] * hard.shape[2])))
            use = tf.reduce_sum(soft, axis=0)
            use /= tf.reduce_sum(use, axis=-1, keepdims=True)
            unevenness.append(tf.reduce_mean(tf.reduce_sum(use * tf.math.log(use + 1e-9), axis=-1)))
        rows = square_root(tf.concat(counts, axis=1))
        return tf.cast(self.head(rows, training=training), tf.float32), tf.add_n(unevenness) / len(unevenness)


def encoder(size: int, settings: LearnedSettings, dtype: str = "float32", use_bias: bool = True) -> keras.Model:
    """Return an untrained three-layer MLP, patches in and latent vectors out."""
    hidden = [
        keras.layers.Dense(settings.learned_width, "relu", kernel_initializer="he_normal", dtype=dtype)
        for _ in range(2)
    ]
    last = keras.layers.Dense(settings.latent, use_bias=use_bias, kernel_initializer="he_normal", dtype=dtype)
    return keras.Sequential([keras.layers.Input((size,)), *hidden, last])


def head(n_counts: int, n_targets: int, settings: LearnedSettings, dtype: str = "float32") -> keras.Model:
    """Return an untrained head, square roots of counts in and logits out."""

    def hidden() -> list[keras.layers.Layer]:
        dense = keras.layers.Dense(settings.learned_head, "relu", kernel_initializer="he_normal", dtype=dtype)
        return [dense, keras.layers.Dropout(settings.dropout)]

    masked = keras.layers.Dropout(settings.drop_counts)
    logits = keras.layers.Dense(n_targets, dtype=dtype)
    return keras.Sequential([keras.layers.Input((n_counts,)), masked, *hidden(), *hidden(), logits], name="head")

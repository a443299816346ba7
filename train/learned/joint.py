"""Encoders, centroids and head in one graph, with hard codes and a gradient through them.

Letters: `N` windows or streams, `W` windows of a stream, `G` bands with codebooks of their own, `Q` patches a band,
`H` code sets, `D` codes a set, `V` values of a part, `K` counts a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES, O_FRAMES, PATCH_BANDS, bicubic, input_sizes

from ..common.learned_config import LearnedSettings
from . import augment
from .augment import fold

Tree = dict[str, Any]
# Of the norms of latent vectors.
EPSILON = 1e-3
# What products are worked out in: bfloat16 where it is fast.
COMPUTE = tf.bfloat16 if tf.config.list_physical_devices("GPU") else tf.float32


def new_joint(
    key: tf.Tensor, settings: LearnedSettings, windows: int, n_targets: int, n_teacher: int, front_end: FrontEnd
) -> tuple[Tree, Tree]:
    """Return untrained weights, and the state: mean and variance of each family's latent vectors.

    Parameters
    ----------
    windows : how many the head hears together
    n_targets : tags, and "none"
    n_teacher : tags of the teacher, whose scores are learned beside and left out of what is exported
    """
    keys = iter(augment.split(key, 32))
    encoders, centroids, norms = {}, {}, {}
    n_counts = 0
    for family, size in input_sizes(front_end).items():
        bands = FAMILIES[family].bands(front_end)
        width = settings.learned_width if family == "pat" else settings.wide_width
        sets, codes = (
            (settings.parts_a_band, settings.codes_a_band)
            if bands > 1
            else (settings.parts_a_family, settings.codes_a_family)
        )
        encoders[family] = [
            dense(next(keys), *sizes) for sizes in ((size, width), (width, width), (width, settings.latent))
        ]
        del encoders[family][-1]["bias"]
        centroids[family] = augment.normal(next(keys), (bands, sets, codes, settings.latent // sets))
        norms[family] = {"mean": tf.zeros(settings.latent), "variance": tf.ones(settings.latent)}
        n_counts += bands * sets * codes
    wide = settings.learned_head
    head = [
        dense(next(keys), min(windows, 2) * n_counts, wide),
        dense(next(keys), wide, wide),
        dense(next(keys), wide, n_targets, 1.0),
    ]
    teacher = dense(next(keys), wide, n_teacher, 1.0)
    return {"encoders": encoders, "centroids": centroids, "head": head, "teacher": teacher}, norms


def dense(key: tf.Tensor, n_inputs: int, n_outputs: int, gain: float = 2.0) -> Tree:
    """Return a layer's weights; a gain of 2 is He's, for what a ReLU follows."""
    spread = math.sqrt(gain / n_inputs) / 0.88
    kernel = tf.random.stateless_truncated_normal((n_inputs, n_outputs), key, 0.0, spread, alg=augment.ALGORITHM)
    return {"kernel": kernel, "bias": tf.zeros(n_outputs)}


def times(layer: Tree, rows: tf.Tensor) -> tf.Tensor:
    """Return a layer's output for rows (n, inputs), worked out in `COMPUTE`."""
    if not layer["kernel"].shape[1]:  # oneDNN has no product that is nothing
        return tf.zeros((len(rows), 0), COMPUTE)
    product = tf.matmul(tf.cast(rows, COMPUTE), tf.cast(layer["kernel"], COMPUTE))
    return tf.nn.bias_add(product, tf.cast(layer["bias"], COMPUTE)) if "bias" in layer else product


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


def latents_of(
    weights: Tree, norms: Tree, scaled: tf.Tensor, front_end: FrontEnd, training: bool
) -> tuple[dict[str, tf.Tensor], Tree]:
    """Return latent vectors of unit variance, (N, G, Q, Z) a family, for windows, and the norms of this batch."""
    found, seen = {}, {}
    for family, patches in cut(scaled, front_end).items():
        first, second, last = weights["encoders"][family]
        rows = tf.reshape(patches, (-1, patches.shape[-1]))
        rows = times(last, tf.nn.relu(times(second, tf.nn.relu(times(first, rows)))))
        rows, norm = tf.cast(rows, tf.float32), norms[family]
        if training:
            mean, square = tf.unstack(shared_mean(tf.stack([tf.reduce_mean(rows, 0), tf.reduce_mean(rows * rows, 0)])))
            norm = {"mean": mean, "variance": tf.maximum(square - mean * mean, 0.0)}
        rows = (rows - norm["mean"]) * tf.math.rsqrt(norm["variance"] + EPSILON)
        found[family] = tf.reshape(rows, (-1, *patches.shape[1:3], rows.shape[-1]))
        seen[family] = norm
    return found, seen


def shared_mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean of what all devices that train together have found, each for its part of a batch."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


@tf.custom_gradient
def count_nearest(
    latents: tf.Tensor, centroids: tf.Tensor
) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
    """Count the nearest centroids; the gradient is that of soft assignments (straight-through).

    Parameters
    ----------
    latents : float32 [shape=(N, G, Q, Z)]
    centroids : float32 [shape=(G, H, D, Z / H)]

    Returns
    -------
    counts : float32 [shape=(N, G, H, D)], of hard codes
    use : float32 [shape=(G, H, D)], the mean of soft codes
    """
    count, bands, per_band, _ = latents.shape
    _, sets, codes, values = centroids.shape
    rows = tf.transpose(tf.reshape(latents, (count, bands, per_band, sets, values)), (1, 3, 0, 2, 4))
    rows = tf.pad(tf.reshape(rows, (bands, sets, -1, values)), [[0, 0]] * 3 + [[0, 1]], constant_values=1.0)
    softness = 8.0 / values  # closeness grows with the number of values
    half = -0.5 * tf.reduce_sum(tf.square(centroids), axis=-1, keepdims=True)
    # Products and softmax are left to TensorFlow, which is faster at them on a processor; the rest is compiled.
    closeness = tf.matmul(rows, softness * tf.concat([centroids, half], axis=-1), transpose_b=True)
    share = tf.reshape(tf.nn.softmax(closeness), (bands, sets, count, per_band, codes))

    def gradient(of_counts: tf.Tensor, of_use: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        nearer = softness * tf.reshape(pulled(share, of_counts, of_use), (bands, sets, -1, codes))
        to_rows = tf.reshape(tf.matmul(nearer, centroids), (bands, sets, count, per_band, values))
        to_centroids = tf.matmul(nearer, rows, transpose_a=True)
        to_centroids = to_centroids[..., :-1] - to_centroids[..., -1:] * centroids
        return tf.reshape(tf.transpose(to_rows, (2, 0, 3, 1, 4)), latents.shape), to_centroids

    return counted(share), gradient


@tf.function(jit_compile=True)
def counted(share: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return counts (N, G, H, D) and use (G, H, D) for each code's share in each patch, (G, H, N, Q, D)."""
    nearest = tf.cast(share == tf.reduce_max(share, axis=-1, keepdims=True), tf.float32)
    return tf.transpose(tf.reduce_sum(nearest, axis=3), (2, 0, 1, 3)), tf.reduce_mean(share, axis=(2, 3))


@tf.function(jit_compile=True)
def pulled(share: tf.Tensor, of_counts: tf.Tensor, of_use: tf.Tensor) -> tf.Tensor:
    """Return the gradient at a softmax (G, H, N, Q, D) from those at counts (N, G, H, D) and at use (G, H, D)."""
    wanted = tf.transpose(of_counts, (1, 2, 0, 3)) + of_use[:, :, tf.newaxis] / (share.shape[2] * share.shape[3])
    mean = tf.einsum("ghnqd,ghnd->ghnq", share, wanted)  # five times as fast as a sum of products
    return share * (wanted[:, :, :, tf.newaxis] - mean[..., tf.newaxis])


@tf.custom_gradient
def square_root(counts: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
    """Take the root of counts; at 0, where it is infinitely steep, the gradient stays finite."""
    return tf.sqrt(counts), lambda upstream: upstream * 0.5 * tf.math.rsqrt(tf.maximum(counts, 0.3))


def counts_of(
    weights: Tree, norms: Tree, scaled: tf.Tensor, front_end: FrontEnd, training: bool
) -> tuple[tf.Tensor, tf.Tensor, Tree]:
    """Return the counts of windows, float32 (N, K), the unevenness of codebooks, and the norms of this batch.

    The unevenness is how far use is from even: the mean negative entropy of code sets over the batch.
    """
    latents, seen = latents_of(weights, norms, scaled, front_end, training)
    counts, unevenness = [], []
    for family, found in latents.items():
        counted, use = count_nearest(found, weights["centroids"][family])
        use = shared_mean(use)
        counts.append(tf.reshape(counted, (len(scaled), -1)))
        unevenness.append(tf.reduce_mean(tf.reduce_sum(use * tf.math.log(use + 1e-9), axis=-1)))
    return tf.concat(counts, axis=1), tf.add_n(unevenness) / len(unevenness), seen


def shown(counts: tf.Tensor, context: int, heard: tf.Tensor) -> tf.Tensor:
    """Return what `bowstream.model.context` shows the head: the newest window's counts and the sum of all.

    Parameters
    ----------
    counts : float32 [shape=(N, W, K)], oldest window first
    context : how many windows the head hears together, at least W
    heard : int [shape=(N,)], how many windows the stream has had; the first of them stands for those before it
    """
    if context == 1:
        return counts[:, 0]
    place, first = tf.range(counts.shape[1]), counts.shape[1] - heard[:, tf.newaxis]
    before = context - heard[:, tf.newaxis]
    weight = tf.where(place == first, before + 1, tf.cast(place > first, tf.int32))
    both = tf.reduce_sum(tf.cast(weight, tf.float32)[:, :, tf.newaxis] * counts, axis=1)
    return tf.concat([counts[:, -1], both], axis=1)


@tf.function(jit_compile=True)
def head_rows(counts: tf.Tensor, context: int, keys: Sequence[tf.Tensor], dropped: float) -> tf.Tensor:
    """Return what the head's first layer hears of streams of random lengths, (N, W, K) -> (N, K or 2 K), some put to 0.

    Parameters
    ----------
    keys : of the chance of equal parts of the streams
    """
    parts = [augment.integers(fold(key, 3), (len(counts) // len(keys),), 1, counts.shape[1] + 1) for key in keys]
    return drop(keys, 0, square_root(shown(counts, context, tf.concat(parts, axis=0))), dropped)


def logits_of(
    weights: Tree, rows: tf.Tensor, settings: LearnedSettings, keys: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return logits of targets and of the teacher's tags for roots of counts (N, K or 2 K); with keys, dropout."""
    first, second, last = weights["head"]
    rows = drop(keys, 1, tf.nn.relu(times(first, rows)), settings.dropout)
    rows = drop(keys, 2, tf.nn.relu(times(second, rows)), settings.dropout)
    return tf.cast(times(last, rows), tf.float32), tf.cast(times(weights["teacher"], rows), tf.float32)


def drop(keys: Sequence[tf.Tensor], place: int, rows: tf.Tensor, probability: float) -> tf.Tensor:
    """Put values to 0 at random and make the rest stronger; without a key leave them."""
    if not keys or not probability:
        return rows
    count, size = len(rows) // len(keys), rows.shape[1]
    bits = tf.concat([augment.octets(fold(key, place), count, size) for key in keys], axis=0)
    kept = tf.cast(bits, tf.int32) >= int(256 * probability)
    return tf.where(kept, rows / tf.cast(1.0 - probability, rows.dtype), tf.zeros((), rows.dtype))

"""Encoders, centroids and head in one graph, with hard codes and a gradient through them; NumPy and JAX alone.

Letters: `N` streams, `W` windows of each, `G` bands with codebooks of their own, `Q` patches a band, `H` code sets,
`D` codes a set, `K` counts a window.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bowstream.model.log_mel import FrontEnd
from bowstream.model.patches import FAMILIES, O_FRAMES, PATCH_BANDS, bicubic, input_sizes

from ..common.config import LearnedSettings

Tree = dict[str, Any]
# Of the norms of latent vectors.
EPSILON = 1e-3
# What products are worked out in: bfloat16 where it is fast.
COMPUTE = jnp.bfloat16 if jax.default_backend() == "gpu" else jnp.float32


def new_joint(
    key: Array, settings: LearnedSettings, windows: int, n_targets: int, n_teacher: int, front_end: FrontEnd
) -> tuple[Tree, Tree]:
    """Return untrained weights, and the state: mean and variance of each family's latent vectors.

    Parameters
    ----------
    windows : how many the head hears together
    n_targets : tags, and "none"
    n_teacher : tags of the teacher, whose scores are learned beside and left out of what is exported
    """
    keys = iter(jax.random.split(key, 32))
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
        centroids[family] = jax.random.normal(next(keys), (bands, sets, codes, settings.latent // sets))
        norms[family] = {"mean": jnp.zeros(settings.latent), "variance": jnp.ones(settings.latent)}
        n_counts += bands * sets * codes
    wide = settings.learned_head
    head = [
        dense(next(keys), min(windows, 2) * n_counts, wide),
        dense(next(keys), wide, wide),
        dense(next(keys), wide, n_targets, 1.0),
    ]
    weights = {
        "encoders": encoders,
        "centroids": centroids,
        "head": head,
        "teacher": dense(next(keys), wide, n_teacher, 1.0),
    }
    return weights, norms


def dense(key: Array, n_inputs: int, n_outputs: int, gain: float = 2.0) -> Tree:
    """Return a layer's weights; a gain of 2 is He's, for what a ReLU follows."""
    kernel = jax.random.truncated_normal(key, -2.0, 2.0, (n_inputs, n_outputs)) * math.sqrt(gain / n_inputs) / 0.88
    return {"kernel": kernel, "bias": jnp.zeros(n_outputs)}


def times(layer: Tree, rows: Array) -> Array:
    """Return a layer's output, worked out in `COMPUTE`."""
    product: Array = rows.astype(COMPUTE) @ layer["kernel"].astype(COMPUTE)
    return product + layer["bias"].astype(COMPUTE) if "bias" in layer else product


def cut(scaled: Array, front_end: FrontEnd) -> dict[str, Array]:
    """Return what `bowstream.model.patches` cuts from windows (N, columns, frames, M): (N, G, Q, values) a family."""
    columns, frames, n_mels = scaled.shape[1:]
    bands = n_mels // PATCH_BANDS
    window = scaled.reshape(-1, columns * frames, n_mels)
    small = jnp.asarray(bicubic(columns * frames, O_FRAMES)) @ window @ jnp.asarray(bicubic(n_mels, PATCH_BANDS).T)
    grid = scaled.reshape(-1, columns, frames, bands, PATCH_BANDS).transpose(0, 3, 1, 2, 4)
    sizes = input_sizes(front_end)
    return {
        "pat": grid.reshape(-1, bands, columns, sizes["pat"]),
        "fenv": grid.reshape(-1, bands, 1, sizes["fenv"]),
        "env": scaled.reshape(-1, 1, columns, sizes["env"]),
        "o": small.reshape(-1, 1, 1, sizes["o"]),
    }


def latents_of(
    weights: Tree, norms: Tree, scaled: Array, front_end: FrontEnd, training: bool
) -> tuple[dict[str, Array], Tree]:
    """Return latent vectors of unit variance, (N, G, Q, Z) a family, for windows, and the norms of this batch."""
    found, seen = {}, {}
    for family, patches in cut(scaled, front_end).items():
        first, second, last = weights["encoders"][family]
        rows = times(last, jax.nn.relu(times(second, jax.nn.relu(times(first, patches))))).astype(jnp.float32)
        norm = norms[family]
        if training:
            norm = {"mean": jnp.mean(rows, axis=(0, 1, 2)), "variance": jnp.var(rows, axis=(0, 1, 2))}
        found[family] = (rows - norm["mean"]) * jax.lax.rsqrt(norm["variance"] + EPSILON)
        seen[family] = norm
    return found, jax.lax.stop_gradient(seen)


def count_nearest(latents: Array, centroids: Array) -> tuple[Array, Array]:
    """Count the nearest centroids; the gradient is that of soft assignments (straight-through).

    Parameters
    ----------
    latents : float32 [shape=(N, G, Q, Z)]
    centroids : float32 [shape=(G, H, D, Z / H)]

    Returns
    -------
    counts : float32 [shape=(N, G, H, D)], of hard codes
    unevenness : how far use is from even, the mean negative entropy of the sets over the batch
    """
    count, bands, per_band, _ = latents.shape
    _, sets, codes, values = centroids.shape
    parts = latents.reshape(count, bands, per_band, sets, values)
    closeness = jnp.einsum("ngqhz,ghdz->ghnqd", parts, centroids)
    closeness -= 0.5 * jnp.sum(jnp.square(centroids), axis=-1)[:, :, jnp.newaxis, jnp.newaxis]
    soft = jax.nn.softmax(closeness * (8.0 / values))
    hard = jax.nn.one_hot(jnp.argmax(closeness, axis=-1), codes)
    counts = jnp.sum(soft + jax.lax.stop_gradient(hard - soft), axis=3)
    use = jnp.mean(soft, axis=(2, 3))
    return counts.transpose(2, 0, 1, 3), jnp.mean(jnp.sum(use * jnp.log(use + 1e-9), axis=-1))


@jax.custom_jvp
def square_root(counts: Array) -> Array:
    """Take the root of counts; at 0, where it is infinitely steep, the gradient stays finite."""
    return jnp.sqrt(counts)


@square_root.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (counts,), (tangent,) = primals, tangents
    return jnp.sqrt(counts), tangent * 0.5 * jax.lax.rsqrt(jnp.maximum(counts, 0.3))


def counts_of(
    weights: Tree, norms: Tree, scaled: Array, front_end: FrontEnd, training: bool
) -> tuple[Array, Array, Tree]:
    """Return the counts of windows, float32 (N, K), the unevenness of codebooks, and the norms of this batch."""
    latents, seen = latents_of(weights, norms, scaled, front_end, training)
    counted = {family: count_nearest(found, weights["centroids"][family]) for family, found in latents.items()}
    counts = jnp.concatenate([counts.reshape(len(scaled), -1) for counts, _ in counted.values()], axis=1)
    return counts, jnp.mean(jnp.stack([unevenness for _, unevenness in counted.values()])), seen


def shown(counts: Array, heard: Array) -> Array:
    """Return what `bowstream.model.context` shows the head: the newest window's counts and the sum of all.

    Parameters
    ----------
    counts : float32 [shape=(N, W, K)], oldest window first
    heard : int [shape=(N,)], how many windows the stream has had; the first of them stands for those before it
    """
    windows = counts.shape[1]
    if windows == 1:
        return counts[:, 0]
    place, first = jnp.arange(windows), windows - heard[:, jnp.newaxis]
    weight = jnp.where(place == first, first + 1.0, (place > first).astype(jnp.float32))
    return jnp.concatenate([counts[:, -1], jnp.einsum("nw,nwk->nk", weight, counts)], axis=1)


def logits_of(weights: Tree, shown_counts: Array, settings: LearnedSettings, key: Array | None) -> tuple[Array, Array]:
    """Return logits of targets and of the teacher's tags for what the head is shown; with a key, dropout."""
    rows = square_root(shown_counts).astype(COMPUTE)
    first, second, last = weights["head"]
    keys = jax.random.split(key, 3) if key is not None else (None,) * 3
    rows = drop(keys[0], rows, settings.drop_counts)
    rows = drop(keys[1], jax.nn.relu(times(first, rows)), settings.dropout)
    rows = drop(keys[2], jax.nn.relu(times(second, rows)), settings.dropout)
    return times(last, rows).astype(jnp.float32), times(weights["teacher"], rows).astype(jnp.float32)


def drop(key: Array | None, rows: Array, probability: Any) -> Array:
    """Put values to 0 at random and make the rest stronger; without a key leave them."""
    if key is None:
        return rows
    kept = jax.random.bits(key, rows.shape, jnp.uint8) >= jnp.floor(256.0 * probability)
    return jnp.where(kept, rows / (1.0 - probability), 0.0).astype(rows.dtype)

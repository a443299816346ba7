"""The joint training: losses, AdamW, the mean of the last weights, and a loop that can be resumed.

It needs NumPy and JAX alone, and runs alike on a CPU and on a GPU.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bowstream.model.level import LevelSettings
from bowstream.model.log_mel import FrontEnd

from ..common.config import LearnedSettings, TrainConfig
from ..common.epochs import STATE, refuse_infinite
from ..common.progress import say, track
from . import augment
from .joint import Tree, counts_of, latents_of, logits_of, new_joint, shown
from .pool import Pool, augmented, shares_of
from .trees import load_state, save_tree

# The logit of a tag that is left out of a softmax.
IMPOSSIBLE = -1e4
# Steps between two checkpoints, each with a line about the losses.
SAY_EVERY = 200
# Steps in which the learning rate rises; how slowly the norms of latent vectors forget; the longest gradient; Adam's.
WARM_UP = 200
NORM_MEMORY = 0.98
CLIP_NORM = 2.0
BETAS = 0.9, 0.99


def losses_of(
    weights: Tree,
    norms: Tree,
    key: Array,
    pool: Tree,
    settings: Any,
    sizes: LearnedSettings,
    windows: int,
    level: LevelSettings,
    front_end: FrontEnd,
) -> tuple[Array, tuple[Array, Tree]]:
    """Return what is minimised for one batch, the parts of it, and the norms of the batch."""
    seen, heard, masks = jax.random.split(key, 3)
    scaled, presence, teacher, taught = augmented(seen, pool, sizes.batch, windows, settings, level, front_end)
    separate = scaled.reshape(-1, front_end.columns_per_window, *scaled.shape[2:])
    counts, unevenness, batch_norms = counts_of(weights, norms, separate, front_end, training=True)
    counts = counts.reshape(sizes.batch, windows, -1)
    streams = jax.random.randint(heard, (sizes.batch,), 1, windows + 1)
    logits, teacher_logits = logits_of(weights, shown(counts, streams), settings, masks)
    share = jnp.mean(share_loss(logits, presence, settings.smoothing))
    tag = jnp.mean(tag_loss(logits, presence))
    taught_loss = jnp.sum(cross_entropy(teacher_logits, teacher), axis=-1)
    taught_loss = jnp.sum(taught_loss * taught) / jnp.maximum(jnp.sum(taught), 1.0)
    parts = jnp.stack([share, tag, taught_loss, unevenness])
    factors = jnp.stack([jnp.float32(1.0), settings.yes_or_no, settings.taught, settings.usage])
    return jnp.sum(parts * factors), (parts, batch_norms)


def share_loss(logits: Array, presence: Array, smoothing: Any) -> Array:
    """Return the cross-entropy of logits with each tag's share of what is present, both (N, C + 1) -> (N,)."""
    sure, shares = shares_of(presence)
    smoothed = (1.0 - smoothing) * shares + smoothing / shares.shape[1]
    log_shares = jax.nn.log_softmax(jnp.where(sure, logits, IMPOSSIBLE))
    anything = jnp.sum(shares, axis=-1) > 0.0
    return jnp.where(anything, -jnp.sum(jnp.where(sure, smoothed * log_shares, 0.0), axis=-1), 0.0)


def tag_loss(logits: Array, presence: Array) -> Array:
    """Return how wrong a yes or no for each tag is where it is sure, (N, C + 1) -> (N,)."""
    # Both of two equally loud sounds are there.
    present = jnp.clip(2.0 * presence[:, :-1], 0.0, 1.0)
    return jnp.sum(jnp.where(presence[:, :-1] < 0.0, 0.0, cross_entropy(logits[:, :-1], present)), axis=-1)


def cross_entropy(logits: Array, targets: Array) -> Array:
    """Return the binary cross-entropy of logits with targets 0 … 1, each by itself."""
    return jax.nn.softplus(logits) - targets * logits


def on_device(pool: Pool, front_end: FrontEnd) -> Tree:
    """Return a pool's arrays, and noise, where they are worked with."""
    return {
        name: jnp.asarray(values)
        for name, values in (pool.arrays() | {"noise": augment.restless(front_end.n_mels)}).items()
    }


def begin(
    seed: int,
    pool: Tree,
    settings: Any,
    sizes: LearnedSettings,
    windows: int,
    level: LevelSettings,
    front_end: FrontEnd,
) -> Tree:
    """Return the state before the first step: centroids are latent vectors of the untrained encoders."""
    new, key = jax.random.split(jax.random.key(seed))
    weights, norms = new_joint(new, sizes, windows, pool["presence"].shape[1], pool["teacher"].shape[1], front_end)
    weights["centroids"] = jax.jit(
        functools.partial(first_centroids, sizes=sizes, windows=windows, level=level, front_end=front_end)
    )(key, weights, norms, pool, settings)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return {
        "weights": weights,
        "norms": norms,
        "mean": zeros,
        "square": jax.tree.map(jnp.copy, zeros),
        "average": jax.tree.map(jnp.copy, weights),
        "step": jnp.int32(0),
    }


def first_centroids(
    key: Array,
    weights: Tree,
    norms: Tree,
    pool: Tree,
    settings: Any,
    sizes: LearnedSettings,
    windows: int,
    level: LevelSettings,
    front_end: FrontEnd,
) -> Tree:
    """Return centroids drawn from the latent vectors of a batch."""
    seen, where, spread = jax.random.split(key, 3)
    scaled = augmented(seen, pool, sizes.batch, windows, settings, level, front_end)[0]
    separate = scaled.reshape(-1, front_end.columns_per_window, *scaled.shape[2:])
    latents, _ = latents_of(weights, norms, separate, front_end, training=True)
    found = {}
    for family, rows in latents.items():
        bands, sets, codes, values = weights["centroids"][family].shape
        rows = rows.transpose(1, 0, 2, 3).reshape(bands, -1, sets, values).transpose(0, 2, 1, 3)
        chosen = jax.random.randint(where, (bands, sets, codes), 0, rows.shape[2])
        drawn = jnp.take_along_axis(rows, chosen[..., jnp.newaxis], axis=2)
        found[family] = drawn + 0.05 * jax.random.normal(spread, drawn.shape)
    return found


def stepper(
    sizes: LearnedSettings, windows: int, level: LevelSettings, front_end: FrontEnd, at_once: int
) -> Callable[..., tuple[Tree, Array]]:
    """Return a compiled function that trains so many steps.

    It takes the state, the seed's key, the pool's arrays, the settings and the number of all steps, and returns the
    state and the mean losses: of shares, of yes or no, of the teacher's tags, and the unevenness.
    """
    gradients = jax.grad(losses_of, has_aux=True)

    def step(state: Tree, _: None, key: Array, pool: Tree, settings: Any, steps: Array) -> tuple[Tree, Array]:
        mine = jax.random.fold_in(key, state["step"])
        wanted, (parts, seen) = gradients(
            state["weights"], state["norms"], mine, pool, settings, sizes, windows, level, front_end
        )
        return adamw(state, wanted, seen, settings, steps), parts

    @functools.partial(jax.jit, donate_argnums=0)
    def run(state: Tree, key: Array, pool: Tree, settings: Any, steps: Array) -> tuple[Tree, Array]:
        body = functools.partial(step, key=key, pool=pool, settings=settings, steps=steps)
        state, parts = jax.lax.scan(body, state, length=at_once)
        return state, jnp.mean(parts, axis=0)

    compiled: Callable[..., tuple[Tree, Array]] = run
    return compiled


def adamw(state: Tree, wanted: Tree, seen: Tree, settings: Any, steps: Array) -> Tree:
    """Return the state after one step: AdamW with a rate that rises briefly and falls to 0 as a cosine."""
    index = state["step"].astype(jnp.float32)
    warm = jnp.minimum(WARM_UP, steps // 10).astype(jnp.float32)
    rate = settings.rate * jnp.where(
        index < warm, (index + 1.0) / warm, 0.5 + 0.5 * jnp.cos(jnp.pi * (index - warm) / (steps - warm))
    )
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(wanted)))
    wanted = jax.tree.map(lambda leaf: leaf * jnp.minimum(1.0, CLIP_NORM / (norm + 1e-9)), wanted)
    mean = jax.tree.map(lambda old, new: BETAS[0] * old + (1.0 - BETAS[0]) * new, state["mean"], wanted)
    square = jax.tree.map(lambda old, new: BETAS[1] * old + (1.0 - BETAS[1]) * jnp.square(new), state["square"], wanted)
    first, second = 1.0 - BETAS[0] ** (index + 1.0), 1.0 - BETAS[1] ** (index + 1.0)

    def moved(weight: Array, mean: Array, square: Array) -> Array:
        step = mean / first / (jnp.sqrt(square / second) + 1e-7) + settings.decay * weight
        new: Array = weight - rate * step
        return new

    weights = jax.tree.map(moved, state["weights"], mean, square)
    memory = jnp.minimum(settings.memory, (index + 1.0) / (index + 10.0))
    average = jax.tree.map(lambda old, new: memory * old + (1.0 - memory) * new, state["average"], weights)
    norms = jax.tree.map(lambda old, new: NORM_MEMORY * old + (1.0 - NORM_MEMORY) * new, state["norms"], seen)
    return {
        "weights": weights,
        "norms": norms,
        "mean": mean,
        "square": square,
        "average": average,
        "step": state["step"] + 1,
    }


def train(pool: Pool, config: TrainConfig, level: LevelSettings, front_end: FrontEnd, path: Path) -> Tree:
    """Return the mean of the last weights and the norms of a joint training.

    Parameters
    ----------
    path : folder of the checkpoint, from which an interrupted training goes on
    """
    arrays, sizes, windows = on_device(pool, front_end), config.learned, config.context
    settings = values_of(config)
    state = begin(config.seed, arrays, settings, sizes, windows, level, front_end)
    state = load_state(path / STATE, state)
    key, steps = jax.random.key(config.seed + 1), jnp.int32(sizes.steps)
    compiled: dict[int, Callable[..., tuple[Tree, Array]]] = {}
    done = int(state["step"])
    bar = track(range(done, sizes.steps, SAY_EVERY), -(-sizes.steps // SAY_EVERY), "joint", done // SAY_EVERY)
    for first in bar:
        count = min(SAY_EVERY, sizes.steps - first)
        run = compiled.setdefault(count, stepper(sizes, windows, level, front_end, count))
        state, losses = run(state, key, arrays, settings, steps)
        share, tag, taught, _ = map(float, losses)
        say(f"joint  step {first + count}/{sizes.steps}  loss {share:.3f}  yes or no {tag:.3f}  taught {taught:.3f}")
        refuse_infinite("joint", share + tag + taught)
        save_tree(path / STATE, state)
    return {"weights": state["average"], "norms": state["norms"]}


def values_of(config: TrainConfig) -> Any:
    """Return all settings of learning and augmentation that are numbers, as arrays: one compilation serves all."""
    numbers = {**asdict(config.learned), **asdict(config.augment)}
    return namedtuple("Values", numbers)(**{name: jnp.float32(value) for name, value in numbers.items()})

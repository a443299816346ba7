"""Streams to learn from: clips and negatives as one run of log-mel, drawn and augmented inside the training graph."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from bowstream.model.front_end import FrontEnd
from bowstream.model.level import LevelSettings

from ..common.learned_config import AugmentSettings
from . import augment

Tensors = dict[str, Any]
# How log-mel is kept: in steps of a decibel above the power floor, right to a half.
STEP_DB = 1.0
# Frames of noise that is drawn once for all.
NOISE_FRAMES = 20_000
# The presence of a tag that may or may not sound: nothing is learned about it there.
UNSURE = -1.0
# Columns of sound that a window which hangs over an end of its clip still has.
OVERHANG = 3


@dataclass(frozen=True)
class Pool:
    """What is learned from; plain arrays, so that another machine can train on the file that `save` writes.

    steps : uint8 [shape=(T, M)], the log-mel of all clips end to end, see `kept`
    first, length : int32 [shape=(clips,)], each clip's first frame, and how many it has
    ends : int32, frames, counted from the clip's first, at which a window with something to hear may end
    first_end : int32 [shape=(clips + 1,)], where each clip's `ends` begin
    until : float32 [shape=(clips,)], the chance that a draw is this clip or one before it
    presence : float32 [shape=(clips, C + 1)], 1, 0 or `UNSURE` a tag; the last is "none"
    teacher : uint8 [shape=(clips, tags of the teacher)], the root of its scores in 255ths
    taught : bool [shape=(clips,)], whether the teacher heard it
    """

    steps: NDArray[np.uint8]
    first: NDArray[np.int32]
    length: NDArray[np.int32]
    ends: NDArray[np.int32]
    first_end: NDArray[np.int32]
    until: NDArray[np.float32]
    presence: NDArray[np.float32]
    teacher: NDArray[np.uint8]
    taught: NDArray[np.bool_]

    def arrays(self) -> dict[str, Any]:
        """Return all arrays by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def padded(self, frames: int, clips: int, front_end: FrontEnd) -> Pool:
        """Return it with room for so many frames and clips, of which those that are not there are never drawn."""
        columns = frames // front_end.frames_per_column
        # A window may end at each column, and over the ends of a clip.
        lengths = {"steps": frames, "ends": columns + clips * front_end.columns_per_window, "first_end": clips + 1}
        empty = {"until": 1.0, "first_end": self.first_end[-1]}

        def fill(name: str, values: NDArray[Any]) -> NDArray[Any]:
            more = [(0, lengths.get(name, clips) - len(values))] + [(0, 0)] * (values.ndim - 1)
            return np.pad(values, more, constant_values=empty.get(name, 0))

        return Pool(**{name: fill(name, values) for name, values in self.arrays().items()})

    def save(self, file: Path) -> None:
        """Write the pool to a file; differences of log-mel along time and bands take half the room."""
        differences = np.diff(np.diff(self.steps, axis=0, prepend=np.uint8(0)), axis=1, prepend=np.uint8(0))
        np.savez_compressed(file, **{**self.arrays(), "steps": differences})

    @classmethod
    def load(cls, file: Path) -> Pool:
        """Return the pool that `save` wrote."""
        with np.load(file) as arrays:
            steps = np.cumsum(np.cumsum(arrays["steps"], axis=1, dtype=np.uint8), axis=0, dtype=np.uint8)
            return cls(**{**arrays, "steps": steps})


def kept(log_mel: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.uint8]:
    """Return log-mel in steps of `STEP_DB` above the power floor, uint8 of the same shape."""
    steps = (log_mel - np.float32(math.log(front_end.power_floor))) / np.float32(STEP_DB * augment.DB)
    rounded: NDArray[np.uint8] = np.clip(np.rint(steps), 0, 255).astype(np.uint8)
    return rounded


def audible_ends(steps: NDArray[np.uint8], audible_db: float, front_end: FrontEnd) -> NDArray[np.int32]:
    """Return the frames at which a window may end that has something to hear of a clip's steps (T, M).

    Windows may hang over either end of the clip, `OVERHANG` columns of which are in them at least.
    """
    column, width = front_end.frames_per_column, front_end.columns_per_window
    peaks = steps.reshape(-1, column * steps.shape[1]).max(axis=1).astype(int)
    overhang = max(0, width - min(OVERHANG, len(peaks)))
    padded = np.pad(peaks, overhang)
    loudest = np.lib.stride_tricks.sliding_window_view(padded, width).max(axis=1)
    heard = np.flatnonzero(loudest >= peaks.max() - audible_db / STEP_DB)
    return (column * (heard + width - overhang)).astype(np.int32)


def on_device(arrays: Tensors, front_end: FrontEnd, device: str | None = None) -> Tensors:
    """Return a pool's arrays, and noise, where they are worked with."""
    arrays = arrays | {"noise": restless(front_end.n_mels)}
    with tf.device(device):
        return {name: tf.constant(values) for name, values in arrays.items()}


def restless(n_mels: int) -> np.ndarray[Any, Any]:
    """Return the power of noise around its mean, (`NOISE_FRAMES`, M): drawn once, since drawing it costs much."""
    bands = np.arange(n_mels) / n_mels
    # A narrow low band holds one independent value of the spectrum, the widest high band about five.
    log_power = np.random.default_rng(0).standard_normal((NOISE_FRAMES, n_mels)) * (1.1 - 0.6 * bands)
    return np.exp(log_power).astype(np.float32)


def drawn(key: tf.Tensor, pool: Tensors, count: int, front_end: FrontEnd) -> tuple[tf.Tensor, tf.Tensor]:
    """Return random clips, and the frame of each at which its stream ends, int32 [shape=(count,)]."""
    which, where, jitter = augment.split(key, 3)
    evenly = (np.arange(count, dtype=np.float32) + augment.uniform(which, (count,))) / count
    clip = tf.minimum(tf.searchsorted(pool["until"], evenly), len(pool["until"]) - 1)
    first, end = tf.gather(pool["first_end"], clip), tf.gather(pool["first_end"], clip + 1)
    choice = first + tf.cast(augment.uniform(where, (count,)) * tf.cast(end - first, tf.float32), tf.int32)
    half = front_end.frames_per_column // 2
    jittered = augment.integers(jitter, (count,), -half, half + 1)
    return clip, tf.gather(pool["ends"], tf.minimum(choice, end - 1)) + jittered


def augmented(
    key: tf.Tensor,
    pool: Tensors,
    count: int,
    windows: int,
    settings: AugmentSettings,
    level: LevelSettings,
    front_end: FrontEnd,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return streams as the patches are cut from them, and what is present in each.

    Returns
    -------
    scaled : float32 [shape=(count, 10 * windows, 10, M)]
    presence : float32 [shape=(count, C + 1)], the share of a tag's source in the mix, or `UNSURE`
    teacher : float32 [shape=(count, tags of the teacher)], scores
    taught : bool [shape=(count,)]
    """
    keys = augment.split(key, 9)
    clip, end = drawn(keys[0], pool, count, front_end)
    frames, bands = augment.warp(
        keys[1], count, windows * front_end.frames_per_window, front_end.n_mels, settings.stretch, settings.shift_bands
    )
    place, length = end[:, tf.newaxis] - 1 + frames, tf.gather(pool["length"], clip)[:, tf.newaxis]
    within = (place >= 0) & (place < length)
    place = tf.gather(pool["first"], clip)[:, tf.newaxis] + tf.clip_by_value(place, 0, length - 1)
    steps = tf.gather(tf.gather(pool["steps"], place), bands, axis=2, batch_dims=1)
    power = tf.exp(tf.cast(steps, tf.float32) * (STEP_DB * augment.DB) + math.log(front_end.power_floor))
    power *= tf.cast(within, tf.float32)[:, :, tf.newaxis]
    power = augment.gate(keys[2], power, settings.gated)
    power = augment.smear(keys[3], power, settings.smeared)
    power = augment.equalise(keys[4], power, settings.equaliser_db, settings.tilt_db, front_end)
    power, share, partner = augment.mix(keys[5], power, settings.mixed, level.ref_floor)
    power = augment.narrow(keys[6], power, settings.narrowed)
    power = augment.add_noise(keys[7], power, pool["noise"], settings.noisy, level.ref_floor)
    levels, masks = augment.split(keys[8], 2)
    scaled = augment.scale(levels, power, level, front_end)
    scaled = augment.mask(masks, scaled, settings.mask_frames, settings.mask_bands)
    teacher = tf.square(tf.cast(tf.gather(pool["teacher"], clip), tf.float32) / 255.0)
    taught = tf.gather(pool["taught"], clip)
    taught &= tf.gather(taught, partner) | (share[:, 0] == 1.0)
    presence = together(tf.gather(pool["presence"], clip), share, partner)
    return scaled, presence, either(teacher, share, partner), taught


@functools.cache
def compiled(
    count: int, windows: int, settings: AugmentSettings, level: LevelSettings, front_end: FrontEnd
) -> Callable[[tf.Tensor, Tensors], tuple[tf.Tensor, ...]]:
    """Return `augmented` for so many streams as one compiled function, six times faster, of a key and a pool."""

    def draw(key: tf.Tensor, pool: Tensors) -> tuple[tf.Tensor, ...]:
        return augmented(key, pool, count, windows, settings, level, front_end)

    function: Callable[[tf.Tensor, Tensors], tuple[tf.Tensor, ...]] = tf.function(draw, jit_compile=True)
    return function


def together(presence: tf.Tensor, share: tf.Tensor, partner: tf.Tensor) -> tf.Tensor:
    """Return the presence in mixtures: the shares of each tag's sources, unsure where only what is unsure has it."""
    known = tf.maximum(presence, 0.0)
    mixed = share * known + (1.0 - share) * tf.gather(known, partner)
    unsure = (presence == UNSURE) | ((tf.gather(presence, partner) == UNSURE) & (share < 1.0))
    return tf.where(unsure & (mixed == 0.0), UNSURE, mixed)


def either(scores: tf.Tensor, share: tf.Tensor, partner: tf.Tensor) -> tf.Tensor:
    """Return the teacher's scores for mixtures: that one or the other is heard, each less as it is fainter."""
    own, other = tf.minimum(1.0, 2.0 * share), tf.minimum(1.0, 2.0 * (1.0 - share))
    return 1.0 - (1.0 - own * scores) * (1.0 - other * tf.gather(scores, partner))


def shares_of(presence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return which presences are sure, bool, and each tag's share of all that is present, both (N, C + 1)."""
    sure = presence != UNSURE
    known = tf.where(sure, presence, 0.0)
    return sure, known / tf.maximum(tf.reduce_sum(known, axis=-1, keepdims=True), 1e-6)

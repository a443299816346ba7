"""Augmentation inside the training graph: nothing here is used on held-out clips.

Sound is equalised, mixed and made noisy as mel power, before logarithm and level, as a room and a
microphone would; masks come after the level. Letters: `N` windows, `T` frames, `M` mel bands.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.level import LevelSettings

from ..common.config import AugmentSettings

# All chance in here comes from one generator, whose state can be set in the middle of a training.
dice = tf.random.get_global_generator
DB = math.log(10.0) / 10.0  # natural log of power a decibel
# The shortest ripple of the equaliser, in cosines over all bands.
RIPPLES = 4
# A narrow band begins and ends at these shares of all bands; how far the rest falls. A telephone: 0.1 to 0.7.
NARROW_LOW = (0.0, 0.15)
NARROW_HIGH = (0.5, 1.0)
NARROW_DB = (20.0, 80.0)
# How far noise lies below the loudest value of its window, and how much lower its highest band is than its lowest.
NOISE_BELOW_DB = (3.0, 55.0)
NOISE_TILT_DB = (-30.0, 3.0)
NOISE_FRAMES = 20_000


def chance(*seeds: int) -> np.random.Generator:
    """Begin all chance of augmentation anew, and return a generator for the rest."""
    rng = np.random.default_rng(seeds)
    dice().reset_from_seed(int(rng.integers(1 << 31)))
    return rng


def warp(settings: AugmentSettings, front_end: FrontEnd, count: Any, windows: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return frames at a random speed, int (N, T), and band indices at a random pitch, int (N, M).

    Frame 0 is the first of the last window.
    """
    n_frames, n_mels = front_end.frames_per_window, front_end.n_mels
    speed = tf.exp(dice().uniform((count, 1), -settings.stretch, settings.stretch))
    frames = tf.range(n_frames * (1 - windows), n_frames)
    frames = (tf.cast(frames, tf.float32) - n_frames / 2) * speed + n_frames / 2
    shift = dice().uniform((count, 1), -settings.shift_bands, settings.shift_bands + 1, dtype=tf.int32)
    return tf.cast(tf.round(frames), tf.int32), tf.clip_by_value(tf.range(n_mels) + shift, 0, n_mels - 1)


def equalise(power: tf.Tensor, spread_db: float) -> tf.Tensor:
    """Give mel power (N, T, M) a smooth random frequency response."""
    count, n_mels = tf.shape(power)[0], power.shape[2]
    ripple = tf.range(1.0, RIPPLES + 1.0)[:, tf.newaxis]
    bands = tf.range(n_mels, dtype=tf.float32) / n_mels
    phase = dice().uniform((count, RIPPLES, 1), 0.0, 2.0 * math.pi)
    strength = dice().normal((count, RIPPLES, 1)) * (0.5 * spread_db * DB) / tf.sqrt(ripple)
    response = tf.reduce_sum(strength * tf.cos(math.pi * ripple * bands + phase), axis=1)
    return power * tf.exp(response)[:, tf.newaxis]


def narrow(power: tf.Tensor, probability: float) -> tf.Tensor:
    """Take low and high bands from some windows of mel power (N, T, M), as a telephone or a small speaker does."""
    count, n_mels = tf.shape(power)[0], power.shape[2]
    place = tf.range(n_mels, dtype=tf.float32) / n_mels
    low, high = dice().uniform((count, 1), *NARROW_LOW), dice().uniform((count, 1), *NARROW_HIGH)
    fall = dice().uniform((count, 1), *NARROW_DB) * DB
    narrowed = (dice().uniform((count, 1)) < probability) & ((place < low) | (place > high))
    return power * tf.where(narrowed, tf.exp(-fall), 1.0)[:, tf.newaxis]


def restless(n_mels: int) -> tf.Tensor:
    """Return the power of noise around its mean, (`NOISE_FRAMES`, M): drawn once, since drawing it costs much."""
    bands = np.arange(n_mels) / n_mels
    # A narrow low band holds one independent value of the spectrum, the widest high band about five.
    log_power = np.random.default_rng(0).standard_normal((NOISE_FRAMES, n_mels)) * (1.1 - 0.6 * bands)
    return tf.constant(np.exp(log_power), tf.float32)


def add_noise(power: tf.Tensor, noise: tf.Tensor, probability: float, quietest: float) -> tf.Tensor:
    """Add steady noise of a random colour and level to some windows of mel power (N, T, M)."""
    count, n_frames, n_mels = tf.shape(power)[0], *power.shape[1:]
    bands = tf.range(n_mels, dtype=tf.float32) / n_mels
    below = dice().uniform((count,), *NOISE_BELOW_DB) * DB
    tilt = dice().uniform((count, 1), *NOISE_TILT_DB) * DB
    noisy = dice().uniform((count,)) < probability
    level = tf.where(noisy, loudest(power, quietest) * tf.exp(-below), 0.0)[:, tf.newaxis] * tf.exp(tilt * bands)
    begin = dice().uniform((count, 1), 0, NOISE_FRAMES - n_frames, dtype=tf.int32)
    return power + level[:, tf.newaxis] * tf.gather(noise, begin + tf.range(n_frames))


def loudest(power: tf.Tensor, quietest: float) -> tf.Tensor:
    """Return the greatest power of each window (N,), at least that of the quietest reference."""
    return tf.maximum(tf.reduce_max(power, axis=(1, 2)), math.exp(quietest))


def mix(
    power: tf.Tensor, peaks: tf.Tensor, labels: tf.Tensor, probability: float, quietest: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mix some windows with another, which is made as loud first, by random shares of amplitude.

    Parameters
    ----------
    power : float32 [shape=(N, T, M)], mel power
    peaks : float32 [shape=(N, 9)], the loudest power of each of the columns before the window
    labels : float32 [shape=(N, 2, C)]; a mix has its sources' labels by their shares

    Returns
    -------
    power, peaks, labels : of the same shapes
    """
    count, levels = tf.shape(power)[0], loudest(power, quietest)
    partner = tf.argsort(dice().uniform((count,)))
    share = tf.where(dice().uniform((count,)) < probability, dice().uniform((count,)), 1.0)[:, tf.newaxis]
    own, other = tf.square(share), tf.square(1.0 - share) * (levels / tf.gather(levels, partner))[:, tf.newaxis]
    return (
        own[:, :, tf.newaxis] * power + other[:, :, tf.newaxis] * tf.gather(power, partner),
        tf.maximum(own * peaks, other * tf.gather(peaks, partner)),
        share[:, :, tf.newaxis] * labels + (1.0 - share)[:, :, tf.newaxis] * tf.gather(labels, partner),
    )


def scale(power: tf.Tensor, peaks: tf.Tensor, level: LevelSettings, front_end: FrontEnd) -> tf.Tensor:
    """Do what `LogMel` does with power and `Level` with its log, to sound that begins in mid-stream.

    Parameters
    ----------
    power : float32 [shape=(N, T, M)], mel power
    peaks : float32 [shape=(N, 9)], the loudest power of each of the columns before it; 0 where there are none

    Returns
    -------
    scaled : float32 [shape=(N, columns, frames, M)]
    """
    log_mel = tf.math.log(tf.maximum(power, front_end.power_floor))
    count = power.shape[1] // front_end.frames_per_column
    columns = tf.reshape(log_mel, (-1, count, front_end.frames_per_column, front_end.n_mels))
    before = tf.math.log(tf.maximum(peaks, front_end.power_floor))
    peaks = tf.concat([before, tf.reduce_max(columns, axis=(2, 3))], axis=1)
    width = front_end.columns_per_window
    references = tf.stack([tf.reduce_max(peaks[:, first : first + width], axis=1) for first in range(count)], axis=1)
    references = tf.maximum(references, level.quietest)[:, :, tf.newaxis, tf.newaxis]
    return tf.maximum((columns - references) / (level.range_db * DB) + 1.0, 0.0)


def mask(scaled: tf.Tensor, most_frames: int, most_bands: int) -> tf.Tensor:
    """Put one stretch of frames and one of bands to 0, (N, columns, frames, M)."""
    count, columns, frames, n_mels = tf.shape(scaled)[0], *scaled.shape[1:]
    keep_frames = tf.reshape(outside(count, columns * frames, most_frames), (count, columns, frames, 1))
    return scaled * keep_frames * outside(count, n_mels, most_bands)[:, tf.newaxis, tf.newaxis]


def outside(count: Any, size: int, most: int) -> tf.Tensor:
    """Return 0 in a random stretch of at most `most` and 1 elsewhere, float32 [shape=(N, size)]."""
    length = dice().uniform((count, 1), 0, most + 1, dtype=tf.int32)
    begin = dice().uniform((count, 1), 0, size, dtype=tf.int32)
    place = tf.range(size)
    return 1.0 - tf.cast((place >= begin) & (place < begin + length), tf.float32)

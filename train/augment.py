"""Augmentation of log-mel inside the training graph: nothing here is used on held-out clips.

Sound is mixed, equalised and made fainter in the power domain, before the level, as a room and a
microphone would; masks come after the level. Letters: `N` windows, `T` frames, `M` mel bands.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from bowstream.frontend import FrontEnd
from bowstream.level import LevelSettings

from .config import AugmentSettings

# All chance in here comes from one generator, whose state can be set in the middle of a training.
dice = tf.random.get_global_generator
DB = math.log(10.0) / 10.0  # natural log of power a decibel
# The shortest ripple of the equaliser, in cosines over all bands.
RIPPLES = 4
# A mix with less than this share of amplitude left is no mix.
LEAST_SHARE = 1e-3
# How far noise lies below the loudest value of its window, and how much lower its highest band is than its lowest.
NOISE_BELOW_DB = (3.0, 55.0)
NOISE_TILT_DB = (-30.0, 3.0)
NO_NOISE = -60.0


def chance(*seeds: int) -> np.random.Generator:
    """Begin all chance of augmentation anew, and return a generator for the rest."""
    rng = np.random.default_rng(seeds)
    dice().reset_from_seed(int(rng.integers(1 << 31)))
    return rng


def warp(settings: AugmentSettings, front_end: FrontEnd, count: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return frame offsets, int (N, T), at a random speed, and band indices, int (N, M), at a random pitch."""
    n_frames, n_mels = front_end.frames_per_window, front_end.n_mels
    speed = tf.exp(dice().uniform((count, 1), -settings.stretch, settings.stretch))
    frames = (tf.range(n_frames, dtype=tf.float32) - n_frames / 2) * speed + n_frames / 2
    shift = dice().uniform((count, 1), -settings.shift_bands, settings.shift_bands + 1, dtype=tf.int32)
    return tf.cast(tf.round(frames), tf.int32), tf.clip_by_value(tf.range(n_mels) + shift, 0, n_mels - 1)


def equalise(log_mel: tf.Tensor, spread_db: float) -> tf.Tensor:
    """Add a smooth random frequency response to log-mel (N, T, M)."""
    count, n_mels = tf.shape(log_mel)[0], log_mel.shape[2]
    ripple = tf.range(1.0, RIPPLES + 1.0)[:, tf.newaxis]
    bands = tf.range(n_mels, dtype=tf.float32) / n_mels
    phase = dice().uniform((count, RIPPLES, 1), 0.0, 2.0 * math.pi)
    strength = dice().normal((count, RIPPLES, 1)) * (0.5 * spread_db * DB) / tf.sqrt(ripple)
    response = tf.reduce_sum(strength * tf.cos(math.pi * ripple * bands + phase), axis=1)
    return log_mel + response[:, tf.newaxis]


def add_powers(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Return the log of the sum of two powers given as logs."""
    return tf.maximum(first, second) + tf.math.log1p(tf.exp(-tf.abs(first - second)))


def add_noise(log_mel: tf.Tensor, probability: float, quietest: float) -> tf.Tensor:
    """Add steady noise of a random colour and level to some windows of log-mel (N, T, M)."""
    count, n_mels = tf.shape(log_mel)[0], log_mel.shape[2]
    bands = tf.range(n_mels, dtype=tf.float32) / n_mels
    loudest = tf.maximum(tf.reduce_max(log_mel, axis=(1, 2)), quietest)
    below = dice().uniform((count,), *NOISE_BELOW_DB) * DB
    tilt = dice().uniform((count, 1), *NOISE_TILT_DB) * DB
    noisy = dice().uniform((count,)) < probability
    level = tf.where(noisy, loudest - below, NO_NOISE)[:, tf.newaxis] + tilt * bands
    # A narrow low band holds one independent value of the spectrum, the widest high band about five.
    restless = dice().normal(tf.shape(log_mel)) * (1.1 - 0.6 * bands)
    return add_powers(log_mel, level[:, tf.newaxis] + restless)


def mix(
    log_mel: tf.Tensor, peaks: tf.Tensor, targets: tf.Tensor, probability: float, quietest: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mix windows with one another, as two sources in a room: equal peaks first, then a random share of amplitude.

    Parameters
    ----------
    log_mel : float32 [shape=(N, T, M)]
    peaks : float32 [shape=(N, columns before the window)], the loudest of each earlier column
    targets : float32 [shape=(N, C)]; a mix has its sources' targets by their shares

    Returns
    -------
    log_mel, peaks, targets : of the same shapes
    """
    count = tf.shape(log_mel)[0]
    partner = tf.argsort(dice().uniform((count,)))
    mixed = dice().uniform((count,)) < probability
    share = tf.where(mixed, dice().uniform((count,)), 1.0)
    loudest = tf.maximum(tf.reduce_max(log_mel, axis=(1, 2)), quietest)
    own = 2.0 * tf.math.log(tf.maximum(share, LEAST_SHARE))
    other = 2.0 * tf.math.log(tf.maximum(1.0 - share, LEAST_SHARE**2)) + loudest - tf.gather(loudest, partner)
    log_mel = add_powers(
        log_mel + own[:, tf.newaxis, tf.newaxis], tf.gather(log_mel, partner) + other[:, tf.newaxis, tf.newaxis]
    )
    peaks = tf.maximum(peaks + own[:, tf.newaxis], tf.gather(peaks, partner) + other[:, tf.newaxis])
    share = share[:, tf.newaxis]
    return log_mel, peaks, share * targets + (1.0 - share) * tf.gather(targets, partner)


def scale(log_mel: tf.Tensor, peaks: tf.Tensor, level: LevelSettings, front_end: FrontEnd) -> tf.Tensor:
    """Do what `bowstream.level.Level` does, to windows that begin in mid-stream.

    Parameters
    ----------
    log_mel : float32 [shape=(N, T, M)]
    peaks : float32 [shape=(N, 9)], the loudest of each of the columns before the window; very low where there are none

    Returns
    -------
    scaled : float32 [shape=(N, columns, frames, M)]
    """
    columns = tf.reshape(log_mel, (-1, front_end.columns_per_window, front_end.frames_per_column, front_end.n_mels))
    peaks = tf.concat([peaks, tf.reduce_max(columns, axis=(2, 3))], axis=1)
    width = front_end.columns_per_window
    references = tf.stack([tf.reduce_max(peaks[:, first : first + width], axis=1) for first in range(width)], axis=1)
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

"""Augmentation inside the training graph: nothing here is used on held-out clips.

Sound is gated, smeared, equalised, mixed and made noisy as mel power, before logarithm and level, as a room and a
microphone would; masks come after the level. Letters: `N` streams, `T` frames, `M` mel bands.
Every function takes the key of its chance, two integers, and depends on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.level import LevelSettings
from bowstream.model.log_mel import hz_to_mel, mel_to_hz

DB = math.log(10.0) / 10.0  # natural log of power a decibel
# By name, since the one that TensorFlow would choose depends on the device.
ALGORITHM = "philox"
# The shortest ripple of the equaliser, in cosines over all bands.
RIPPLES = 4
# A tilt turns about this frequency, and bends no further below this one.
TILT_HZ, TILT_LOWEST_HZ = 1000.0, 125.0
# A narrow band begins and ends at these shares of all bands; how far the rest falls. A telephone: 0.1 to 0.7.
NARROW_LOW = (0.0, 0.2)
NARROW_HIGH = (0.45, 1.0)
NARROW_DB = (15.0, 80.0)
# How far noise lies below the loudest value of its stream, and how much lower its highest band is than its lowest.
NOISE_BELOW_DB = (3.0, 45.0)
FLOOR_BELOW_DB = (35.0, 85.0)
NOISE_TILT_DB = (-35.0, 5.0)
# A room's reverberation: seconds to fall by 60 dB, and how loud it begins below the sound itself.
DECAY_S = (0.15, 1.2)
SMEAR_DB = (-20.0, 3.0)
FRAME_S = 0.01
BLOCK = 20  # frames that a tail is worked out for together
# A gate leaves so many frames of a sound, in natural logs of seconds.
GATE_S = (0.08, 1.5)
# What was heard before a stream lies between these above its own loudest, in half of the streams.
BEFORE_DB = (-20.0, 12.0)


def new_key(seed: int, number: int) -> tf.Tensor:
    """Return the key that a seed of 32 bits and a number make."""
    return tf.constant(np.array([seed, number], np.uint32).view(np.int32))


def split(key: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Return so many keys that follow from one."""
    return [*tf.unstack(tf.random.split(key, count, alg=ALGORITHM))]


def fold(key: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Return the key that a number makes of one."""
    return tf.random.fold_in(key, number, alg=ALGORITHM)


def uniform(key: tf.Tensor, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Return float32 evenly between two numbers."""
    return tf.random.stateless_uniform(shape, key, low, high, alg=ALGORITHM)


def normal(key: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """Return float32 of mean 0 and variance 1."""
    return tf.random.stateless_normal(shape, key, alg=ALGORITHM)


def integers(key: tf.Tensor, shape: Sequence[int], low: int, high: int) -> tf.Tensor:
    """Return int32 from `low` to below `high`."""
    return tf.random.stateless_uniform(shape, key, low, high, tf.int32, alg=ALGORITHM)


def octets(key: tf.Tensor, count: int, size: int) -> tf.Tensor:
    """Return uint8 (count, size) of all values alike, a quarter of the cost of as many floats."""
    fours = tf.random.stateless_uniform((count, -(-size // 4)), key, None, None, tf.int32, alg=ALGORITHM)
    return tf.reshape(tf.bitcast(fours, tf.uint8), (count, -1))[:, :size]


def warp(
    key: tf.Tensor, count: int, frames: int, n_mels: int, stretch: float, shift_bands: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return frames at a random speed, int (N, T), the last of which stays, and bands at a random pitch, (N, M)."""
    fast, high = split(key, 2)
    speed = tf.exp(uniform(fast, (count, 1), -stretch, stretch))
    place = tf.cast(tf.round(tf.range(1 - frames, 1, dtype=tf.float32) * speed), tf.int32)
    shift = integers(high, (count, 1), -shift_bands, shift_bands + 1)
    return place, tf.clip_by_value(tf.range(n_mels) + shift, 0, n_mels - 1)


def gate(key: tf.Tensor, power: tf.Tensor, probability: float) -> tf.Tensor:
    """Leave of some streams (N, T, M) one brief stretch about a loud frame of its end; before and after is silence."""
    count, frames = power.shape[:2]
    whether, length, where = split(key, 3)
    recent = min(frames, 100)
    loud = tf.math.log(tf.reduce_max(power[:, -recent:], axis=2) + 1e-10)
    # The greatest of what Gumbel's distribution adds to logits is a draw from their softmax.
    gumbel = -tf.math.log(-tf.math.log(uniform(where, (count, recent), 1e-10)))
    centre = tf.argmax(loud + gumbel, axis=1, output_type=tf.int32)[:, tf.newaxis] + frames - recent
    centre = tf.cast(centre, tf.float32)
    kept = 100.0 * tf.exp(uniform(length, (count, 1), *map(math.log, GATE_S)))
    place = tf.range(frames, dtype=tf.float32)
    inside = (place >= centre - 0.3 * kept) & (place < centre + 0.7 * kept)
    shut = uniform(whether, (count, 1)) < probability
    return power * tf.where(shut & ~inside, 0.0, 1.0)[:, :, tf.newaxis]


def smear(key: tf.Tensor, power: tf.Tensor, probability: float) -> tf.Tensor:
    """Let some streams (N, T, M) reverberate: a tail of their power that falls exponentially."""
    count, frames = power.shape[:2]
    whether, decay, loud = split(key, 3)
    fall = -60.0 * DB * FRAME_S / uniform(decay, (count, 1, 1), *DECAY_S)  # natural log of power a frame
    wet = tf.exp(DB * uniform(loud, (count, 1, 1), *SMEAR_DB)) * -fall
    wet *= tf.cast(uniform(whether, (count, 1, 1)) < probability, tf.float32)
    # What sounds in a block rings on in it, and what rings at its end rings on in the next.
    blocks = tf.reshape(power, (count, frames // BLOCK, BLOCK, -1))
    after = np.arange(BLOCK)[:, np.newaxis] - np.arange(BLOCK)
    within = tf.where(after > 0, tf.exp(fall * np.maximum(after, 0).astype(np.float32)), 0.0)
    left = tf.matmul(tf.exp(fall * np.arange(BLOCK, 0, -1, dtype=np.float32))[:, tf.newaxis], blocks)[:, :, 0]
    ringing = [tf.zeros_like(left[:, 0])]
    for block in range(frames // BLOCK - 1):
        ringing.append(ringing[-1] * tf.exp(fall[:, 0] * BLOCK) + left[:, block])
    later = tf.exp(fall[:, tf.newaxis] * np.arange(BLOCK, dtype=np.float32)[:, np.newaxis])
    tail = tf.matmul(within[:, tf.newaxis], blocks) + later * tf.stack(ringing, axis=1)[:, :, tf.newaxis]
    return power + wet * tf.reshape(tail, power.shape)


def equalise(key: tf.Tensor, power: tf.Tensor, spread_db: float, tilt_db: float, front_end: FrontEnd) -> tf.Tensor:
    """Give mel power (N, T, M) a smooth random frequency response, and a tilt in decibels an octave."""
    count, _, n_mels = power.shape
    phases, strengths, slopes = split(key, 3)
    ripple = np.arange(1.0, RIPPLES + 1.0, dtype=np.float32)[:, np.newaxis]
    bands = np.arange(n_mels, dtype=np.float32) / n_mels
    phase = uniform(phases, (count, RIPPLES, 1), 0.0, 2.0 * math.pi)
    strength = normal(strengths, (count, RIPPLES, 1)) * (0.5 * spread_db * DB) / np.sqrt(ripple)
    response = tf.reduce_sum(strength * tf.cos(np.float32(math.pi) * ripple * bands + phase), axis=1)
    slope = tf.clip_by_value(0.5 * normal(slopes, (count, 1)), -1.0, 1.0) * (tilt_db * DB)
    return power * tf.exp(response + slope * octaves(front_end))[:, tf.newaxis]


def octaves(front_end: FrontEnd) -> np.ndarray[Any, Any]:
    """Return each band's distance from `TILT_HZ` in octaves, float32 (M,)."""
    lowest, highest = hz_to_mel(front_end.fmin_hz), hz_to_mel(front_end.fmax_hz)
    centres = mel_to_hz(np.linspace(lowest, highest, front_end.n_mels + 2)[1:-1])
    return np.log2(np.maximum(centres, TILT_LOWEST_HZ) / TILT_HZ).astype(np.float32)


def narrow(key: tf.Tensor, power: tf.Tensor, probability: float) -> tf.Tensor:
    """Take low and high bands from some streams of mel power (N, T, M), as a telephone or a small speaker does."""
    count, _, n_mels = power.shape
    whether, below, above, deep = split(key, 4)
    place = np.arange(n_mels, dtype=np.float32) / n_mels
    low, high = uniform(below, (count, 1), *NARROW_LOW), uniform(above, (count, 1), *NARROW_HIGH)
    fall = uniform(deep, (count, 1), *NARROW_DB) * DB
    narrowed = (uniform(whether, (count, 1)) < probability) & ((place < low) | (place > high))
    return power * tf.where(narrowed, tf.exp(-fall), 1.0)[:, tf.newaxis]


def add_noise(key: tf.Tensor, power: tf.Tensor, noise: tf.Tensor, probability: float, ref_floor: float) -> tf.Tensor:
    """Add steady noise of a random colour to mel power (N, T, M): a faint floor to all, a louder one to some."""
    count, frames, n_mels = power.shape
    whether, level, floor, colour, where = split(key, 5)
    noisy = uniform(whether, (count, 1)) < probability
    below = tf.where(noisy, uniform(level, (count, 1), *NOISE_BELOW_DB), uniform(floor, (count, 1), *FLOOR_BELOW_DB))
    tilt = uniform(colour, (count, 1), *NOISE_TILT_DB) * (DB * np.arange(n_mels, dtype=np.float32) / n_mels)
    strength = loudest(power, ref_floor) * tf.exp(tilt - below * DB)
    begin = integers(where, (count, 1), 0, noise.shape[0] - frames)
    return power + strength[:, tf.newaxis] * tf.gather(noise, begin + np.arange(frames))


def loudest(power: tf.Tensor, ref_floor: float) -> tf.Tensor:
    """Return the greatest power of each stream (N, 1), at least that of the lowest reference."""
    return tf.maximum(tf.reduce_max(power, axis=(1, 2)), math.exp(ref_floor))[:, tf.newaxis]


def mix(
    key: tf.Tensor, power: tf.Tensor, probability: float, ref_floor: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mix some streams with another, which is made as loud first, by random shares of amplitude.

    Returns
    -------
    power : float32 [shape=(N, T, M)]
    share : float32 [shape=(N, 1)], of the stream's own sound; 1 where it is alone
    partner : int [shape=(N,)], the other stream
    """
    count, levels = power.shape[0], loudest(power, ref_floor)
    who, whether, shares = split(key, 3)
    partner = tf.argsort(uniform(who, (count,)))
    mixed = (uniform(whether, (count, 1)) < probability) & (partner != np.arange(count))[:, tf.newaxis]
    share = tf.where(mixed, uniform(shares, (count, 1)), 1.0)
    own, other = tf.square(share), tf.square(1.0 - share) * levels / tf.gather(levels, partner)
    mixture = own[:, :, tf.newaxis] * power + other[:, :, tf.newaxis] * tf.gather(power, partner)
    return mixture, share, partner


def scale(key: tf.Tensor, power: tf.Tensor, level: LevelSettings, front_end: FrontEnd) -> tf.Tensor:
    """Do what `LogMel` does with power and `Level` with its log, in half of the streams after something as loud.

    Parameters
    ----------
    power : float32 [shape=(N, T, M)], mel power

    Returns
    -------
    scaled : float32 [shape=(N, columns, frames, M)]
    """
    count, frames, n_mels = power.shape
    whether, loud = split(key, 2)
    log_mel = tf.math.log(tf.maximum(power, front_end.power_floor))
    columns = tf.reshape(log_mel, (count, frames // front_end.frames_per_column, front_end.frames_per_column, n_mels))
    peaks = tf.reduce_max(columns, axis=(2, 3))
    before = tf.reduce_max(peaks, axis=1, keepdims=True) + DB * uniform(loud, (count, 1), *BEFORE_DB)
    before = tf.where(uniform(whether, (count, 1)) < 0.5, before, level.ref_floor)
    peaks = tf.concat([tf.repeat(before, front_end.columns_per_window - 1, axis=1), peaks], axis=1)
    return relative(columns, peaks, level, front_end)


def relative(columns: tf.Tensor, peaks: tf.Tensor, level: LevelSettings, front_end: FrontEnd) -> tf.Tensor:
    """Do what `Level` does: columns (N, n, frames, M) below the loudest of the window that ends with each.

    Parameters
    ----------
    peaks : float32 [shape=(N, columns_per_window - 1 + n)], of the columns before them too
    """
    references = tf.nn.max_pool1d(peaks[:, :, tf.newaxis], front_end.columns_per_window, 1, "VALID")[:, :, 0]
    references = tf.maximum(references, level.ref_floor)[:, :, tf.newaxis, tf.newaxis]
    return tf.maximum((columns - references) / (level.top_db * DB) + 1.0, 0.0)


def mask(key: tf.Tensor, scaled: tf.Tensor, most_frames: int, most_bands: int) -> tf.Tensor:
    """Put one stretch of frames of each stream and one of bands to 0, (N, columns, frames, M)."""
    count, columns, frames, n_mels = scaled.shape
    times, bands = split(key, 2)
    keep_frames = tf.reshape(outside(times, count, columns * frames, most_frames), (count, columns, frames, 1))
    return scaled * keep_frames * outside(bands, count, n_mels, most_bands)[:, tf.newaxis, tf.newaxis]


def outside(key: tf.Tensor, count: int, size: int, most: int) -> tf.Tensor:
    """Return 0 in a random stretch of at most `most` and 1 elsewhere, float32 [shape=(N, size)]."""
    lengths, begins = split(key, 2)
    length, begin = integers(lengths, (count, 1), 0, most + 1), integers(begins, (count, 1), 0, size)
    place = np.arange(size)
    return 1.0 - tf.cast((place >= begin) & (place < begin + length), tf.float32)

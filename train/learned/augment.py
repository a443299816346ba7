"""Augmentation inside the training graph: nothing here is used on held-out clips.

Sound is gated, smeared, equalised, mixed and made noisy as mel power, before logarithm and level, as a room and a
microphone would; masks come after the level. Letters: `N` streams, `T` frames, `M` mel bands.
Every function takes the key of its chance. Settings may be traced, so that one compilation serves many.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bowstream.model.level import LevelSettings
from bowstream.model.log_mel import FrontEnd, hz_to_mel, mel_to_hz

DB = math.log(10.0) / 10.0  # natural log of power a decibel
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
NOISE_FRAMES = 20_000
# A room's reverberation: seconds to fall by 60 dB, and how loud it begins below the sound itself.
DECAY_S = (0.15, 1.2)
SMEAR_DB = (-20.0, 3.0)
FRAME_S = 0.01
# A gate leaves so many frames of a sound, in natural logs of seconds.
GATE_S = (0.08, 1.5)
# What was heard before a stream lies between these above its own loudest, in half of the streams.
BEFORE_DB = (-20.0, 12.0)


def uniform(key: Array, shape: tuple[int, ...], low: Any, high: Any) -> Array:
    """Return float32 evenly between two numbers, which may be traced."""
    values: Array = low + (high - low) * jax.random.uniform(key, shape)
    return values


def warp(key: Array, count: int, frames: int, n_mels: int, stretch: Any, shift_bands: Any) -> tuple[Array, Array]:
    """Return frames at a random speed, int (N, T), the last of which stays, and bands at a random pitch, (N, M)."""
    fast, high = jax.random.split(key)
    speed = jnp.exp(uniform(fast, (count, 1), -stretch, stretch))
    place = jnp.round(jnp.arange(1 - frames, 1) * speed).astype(jnp.int32)
    shift = jnp.round(uniform(high, (count, 1), -shift_bands, shift_bands)).astype(jnp.int32)
    return place, jnp.clip(jnp.arange(n_mels) + shift, 0, n_mels - 1)


def gate(key: Array, power: Array, probability: Any) -> Array:
    """Leave of some streams (N, T, M) one brief stretch about a loud frame of its end; before and after is silence."""
    count, frames = power.shape[:2]
    whether, length, where = jax.random.split(key, 3)
    loud = jnp.log(jnp.max(power, axis=2) + 1e-10)
    recent = jnp.arange(frames) >= frames - 100
    centre = jax.random.categorical(where, jnp.where(recent, loud, -1e9), axis=1)[:, jnp.newaxis]
    kept = 100.0 * jnp.exp(uniform(length, (count, 1), *np.log(GATE_S)))
    place = jnp.arange(frames)
    inside = (place >= centre - 0.3 * kept) & (place < centre + 0.7 * kept)
    shut = jax.random.uniform(whether, (count, 1)) < probability
    return power * jnp.where(shut & ~inside, 0.0, 1.0)[:, :, jnp.newaxis]


def smear(key: Array, power: Array, probability: Any) -> Array:
    """Let some streams (N, T, M) reverberate: a tail of their power that falls exponentially."""
    count, frames = power.shape[:2]
    whether, decay, loud = jax.random.split(key, 3)
    fall = -60.0 * DB * FRAME_S / uniform(decay, (count, 1, 1), *DECAY_S)  # natural log of power a frame
    wet = jnp.exp(DB * uniform(loud, (count, 1, 1), *SMEAR_DB)) * -fall
    wet *= jax.random.uniform(whether, (count, 1, 1)) < probability
    after = np.arange(frames)[:, np.newaxis] - np.arange(frames)
    tail = jnp.where(after > 0, wet * jnp.exp(fall * np.maximum(after, 0)), 0.0)
    return power + jnp.matmul(tail, power, preferred_element_type=jnp.float32)


def equalise(key: Array, power: Array, spread_db: Any, tilt_db: Any, front_end: FrontEnd) -> Array:
    """Give mel power (N, T, M) a smooth random frequency response, and a tilt in decibels an octave."""
    count, _, n_mels = power.shape
    phases, strengths, slopes = jax.random.split(key, 3)
    ripple = jnp.arange(1.0, RIPPLES + 1.0)[:, jnp.newaxis]
    phase = uniform(phases, (count, RIPPLES, 1), 0.0, 2.0 * math.pi)
    strength = jax.random.normal(strengths, (count, RIPPLES, 1)) * (0.5 * spread_db * DB) / jnp.sqrt(ripple)
    response = jnp.sum(strength * jnp.cos(math.pi * ripple * jnp.arange(n_mels) / n_mels + phase), axis=1)
    slope = jnp.clip(0.5 * jax.random.normal(slopes, (count, 1)), -1.0, 1.0) * tilt_db * DB
    return power * jnp.exp(response + slope * octaves(front_end))[:, jnp.newaxis]


def octaves(front_end: FrontEnd) -> np.ndarray[Any, Any]:
    """Return each band's distance from `TILT_HZ` in octaves, float32 (M,)."""
    lowest, highest = hz_to_mel(front_end.fmin_hz), hz_to_mel(front_end.fmax_hz)
    centres = mel_to_hz(np.linspace(lowest, highest, front_end.n_mels + 2)[1:-1])
    return np.log2(np.maximum(centres, TILT_LOWEST_HZ) / TILT_HZ).astype(np.float32)


def narrow(key: Array, power: Array, probability: Any) -> Array:
    """Take low and high bands from some streams of mel power (N, T, M), as a telephone or a small speaker does."""
    count, _, n_mels = power.shape
    whether, below, above, deep = jax.random.split(key, 4)
    place = jnp.arange(n_mels) / n_mels
    low, high = uniform(below, (count, 1), *NARROW_LOW), uniform(above, (count, 1), *NARROW_HIGH)
    fall = uniform(deep, (count, 1), *NARROW_DB) * DB
    narrowed = (jax.random.uniform(whether, (count, 1)) < probability) & ((place < low) | (place > high))
    return power * jnp.where(narrowed, jnp.exp(-fall), 1.0)[:, jnp.newaxis]


def restless(n_mels: int) -> np.ndarray[Any, Any]:
    """Return the power of noise around its mean, (`NOISE_FRAMES`, M): drawn once, since drawing it costs much."""
    bands = np.arange(n_mels) / n_mels
    # A narrow low band holds one independent value of the spectrum, the widest high band about five.
    log_power = np.random.default_rng(0).standard_normal((NOISE_FRAMES, n_mels)) * (1.1 - 0.6 * bands)
    return np.exp(log_power).astype(np.float32)


def add_noise(key: Array, power: Array, noise: Array, probability: Any, quietest: float) -> Array:
    """Add steady noise of a random colour to mel power (N, T, M): a faint floor to all, a louder one to some."""
    count, frames, n_mels = power.shape
    whether, level, floor, colour, where = jax.random.split(key, 5)
    noisy = jax.random.uniform(whether, (count, 1)) < probability
    below = jnp.where(noisy, uniform(level, (count, 1), *NOISE_BELOW_DB), uniform(floor, (count, 1), *FLOOR_BELOW_DB))
    tilt = uniform(colour, (count, 1), *NOISE_TILT_DB) * DB * jnp.arange(n_mels) / n_mels
    strength = loudest(power, quietest) * jnp.exp(tilt - below * DB)
    begin = jax.random.randint(where, (count, 1), 0, NOISE_FRAMES - frames)
    return power + strength[:, jnp.newaxis] * noise[begin + jnp.arange(frames)]


def loudest(power: Array, quietest: float) -> Array:
    """Return the greatest power of each stream (N, 1), at least that of the quietest reference."""
    return jnp.maximum(jnp.max(power, axis=(1, 2)), math.exp(quietest))[:, jnp.newaxis]


def mix(key: Array, power: Array, probability: Any, quietest: float) -> tuple[Array, Array, Array]:
    """Mix some streams with another, which is made as loud first, by random shares of amplitude.

    Returns
    -------
    power : float32 [shape=(N, T, M)]
    share : float32 [shape=(N, 1)], of the stream's own sound; 1 where it is alone
    partner : int [shape=(N,)], the other stream
    """
    count, levels = len(power), loudest(power, quietest)
    who, whether, shares = jax.random.split(key, 3)
    partner = jax.random.permutation(who, count)
    mixed = (jax.random.uniform(whether, (count, 1)) < probability) & (partner != jnp.arange(count))[:, jnp.newaxis]
    share = jnp.where(mixed, jax.random.uniform(shares, (count, 1)), 1.0)
    own, other = jnp.square(share), jnp.square(1.0 - share) * levels / levels[partner]
    mixture = own[:, :, jnp.newaxis] * power + other[:, :, jnp.newaxis] * power[partner]
    return mixture, share, partner


def scale(key: Array, power: Array, level: LevelSettings, front_end: FrontEnd) -> Array:
    """Do what `LogMel` does with power and `Level` with its log, in half of the streams after something as loud.

    Parameters
    ----------
    power : float32 [shape=(N, T, M)], mel power

    Returns
    -------
    scaled : float32 [shape=(N, columns, frames, M)]
    """
    whether, loud = jax.random.split(key)
    log_mel = jnp.log(jnp.maximum(power, front_end.power_floor))
    columns = log_mel.reshape(len(power), -1, front_end.frames_per_column, front_end.n_mels)
    peaks = jnp.max(columns, axis=(2, 3))
    width = front_end.columns_per_window
    before = jnp.max(peaks, axis=1, keepdims=True) + DB * uniform(loud, (len(power), 1), *BEFORE_DB)
    before = jnp.where(jax.random.uniform(whether, (len(power), 1)) < 0.5, before, level.quietest)
    peaks = jnp.concatenate([jnp.repeat(before, width - 1, axis=1), peaks], axis=1)
    return relative(columns, peaks, level, front_end)


def relative(columns: Array, peaks: Array, level: LevelSettings, front_end: FrontEnd) -> Array:
    """Do what `Level` does: columns (N, n, frames, M) below the loudest of the window that ends with each.

    Parameters
    ----------
    peaks : float32 [shape=(N, columns_per_window - 1 + n)], of the columns before them too
    """
    count, width = columns.shape[1], front_end.columns_per_window
    references = jnp.stack([jnp.max(peaks[:, first : first + width], axis=1) for first in range(count)], axis=1)
    references = jnp.maximum(references, level.quietest)[:, :, jnp.newaxis, jnp.newaxis]
    return jnp.maximum((columns - references) / (level.range_db * DB) + 1.0, 0.0)


def mask(key: Array, scaled: Array, most_frames: Any, most_bands: Any) -> Array:
    """Put one stretch of frames of each window's length and one of bands to 0, (N, columns, frames, M)."""
    count, columns, frames, n_mels = scaled.shape
    times, bands = jax.random.split(key)
    keep_frames = outside(times, count, columns * frames, most_frames).reshape(count, columns, frames, 1)
    return scaled * keep_frames * outside(bands, count, n_mels, most_bands)[:, jnp.newaxis, jnp.newaxis]


def outside(key: Array, count: int, size: int, most: Any) -> Array:
    """Return 0 in a random stretch of at most `most` and 1 elsewhere, float32 [shape=(N, size)]."""
    lengths, begins = jax.random.split(key)
    length = jnp.floor(uniform(lengths, (count, 1), 0.0, most + 1.0))
    begin = jax.random.randint(begins, (count, 1), 0, size)
    place = jnp.arange(size)
    return 1.0 - ((place >= begin) & (place < begin + length)).astype(jnp.float32)

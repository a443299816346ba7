"""Synthetic sounds, the same in every run: int16 values as float32, so that a sound card or a file keeps them whole."""

from functools import lru_cache

import numpy as np

from bowstream.scores import Scores

RATE = 16_000


def on_grid(samples):
    """Round to what 16 bits can hold."""
    return (np.clip(np.rint(samples * 32768.0), -32768, 32767) / 32768.0).astype(np.float32)


def noise(seconds, level=0.1, seed=0, rate=RATE):
    count = round(seconds * rate)
    return on_grid(np.random.default_rng(seed).standard_normal(count) * level)


def tone(seconds, hz=440.0, level=0.5, rate=RATE):
    return on_grid(level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate))


def chirp(seconds, level=0.5, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return on_grid(level * np.sin(2 * np.pi * (50.0 + 0.24 * rate * t / max(seconds, 1e-9)) * t))


def scene(seconds, rate=RATE, seed=0):
    """Return a busy scene: a chirp, noise bursts, clicks and true silence, over faint noise."""
    return made_scene(seconds, rate, seed).copy()


@lru_cache(maxsize=32)
def made_scene(seconds, rate, seed):
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    sound = rng.standard_normal(count) * 1e-3 + 0.3 * chirp(seconds, rate=rate)
    for start in range(0, count, round(0.7 * rate)):
        length = round(rng.uniform(0.05, 0.4) * rate)
        burst = sound[start : start + length]
        burst += rng.standard_normal(len(burst)) * rng.uniform(0.01, 0.3)
    sound[:: round(0.31 * rate)] += 0.5
    sound[count // 2 : count // 2 + round(0.15 * rate)] = 0.0
    return on_grid(sound)


def stereo(mono, seed=1):
    """Return two channels, (n, 2), that do not cancel and differ."""
    other = np.random.default_rng(seed).standard_normal(len(mono)).astype(np.float32) * 0.05
    return on_grid(np.stack([mono, 0.5 * mono + other], axis=1))


def blocks(samples, size):
    """Cut samples, or frames, into blocks of a size; the last may be shorter."""
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def windowed_frames(samples, front_end):
    """Return the STFT frames under their window, float64 (frames, win_length)."""
    tail = np.zeros(front_end.win_length - front_end.hop_length)
    padded = np.concatenate([tail, samples.astype(np.float64)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, front_end.win_length)[:: front_end.hop_length]
    phase = 2 * np.pi * np.arange(front_end.win_length) / front_end.win_length
    return frames * (0.5 - 0.5 * np.cos(phase))


def straight_log_mel(samples, filterbank, front_end):
    """Return log-mel computed as the definition says: 2048 points, float64, no fold, no blocks."""
    spectrum = np.fft.rfft(windowed_frames(samples, front_end), front_end.n_fft)
    return np.log(np.maximum(np.abs(spectrum) ** 2 @ filterbank, front_end.power_floor))


def scored(end_s, values, tags=None):
    """Return the scores of a window of a second."""
    names = tuple(map(str, range(np.size(values)))) if tags is None else tags
    return Scores(
        names, np.atleast_1d(np.asarray(values, np.float32)), round(end_s - 1.0, 6), end_s, np.zeros((1, 143), np.intp)
    )

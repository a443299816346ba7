"""Examples as sound: heard, cut to where something sounds, and varied as the next one may vary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bowstream._types import Float32, Format
from bowstream.errors import AudioError

# Sound is looked at in columns of 100 ms. What is so much below the loudest of them is no part of the example.
COLUMN_S, AUDIBLE_DB = 0.1, 20.0
# Longest example, and what is heard before and after it: what the windows that lie half in it, or more, reach into.
LONGEST_S, BEFORE_S, AFTER_S = 5.0, 1.5, 0.5
SILENCE_DBFS = -60.0
# Noise: as loud in each column, in dB, and as much in each frequency, of 1.
STEADY_DB, FLAT = 1.0, 0.5
# Longest recording that is looked through for an example, in seconds.
LONGEST_RECORDING_S = 600.0


@dataclass(frozen=True)
class Cut:
    """An example: its sound with what is around it.

    Attributes
    ----------
    name : of the recording
    start_s : where the example begins in the recording
    samples : float32 [shape=(N,)], 16 kHz, with up to `BEFORE_S` before and `AFTER_S` after
    first_s, last_s : where the example begins and ends in `samples`
    """

    name: str
    start_s: float
    samples: Float32
    first_s: float
    last_s: float


def hear(path: str, format: Format) -> Float32:
    """Return a recording, float32 [shape=(N,)]; raise `AudioError` if it cannot be heard or is very long."""
    from bowstream.audio.file import AudioFile  # with its decoders, which a listener does without

    parts, heard_s = [], 0.0
    with AudioFile(path, format) as recording:
        for block in recording:
            parts.append(block.samples)
            heard_s += len(block.samples) / format.sample_rate
            if heard_s > LONGEST_RECORDING_S:
                raise AudioError(f"{path}: an example must be at most {LONGEST_RECORDING_S:g} s long: cut it first")
    return np.concatenate(parts)


def cut(name: str, samples: Float32, sample_rate: int) -> Cut:
    """Return the part of a recording where it is loudest.

    Raises
    ------
    AudioError
        If it is silence, or steady noise without a feature.
    """
    length = round(COLUMN_S * sample_rate)
    padded = np.zeros(max(-(-len(samples) // length), 1) * length, np.float32)
    padded[: len(samples)] = samples
    columns = padded.reshape(-1, length)
    levels = 10.0 * np.log10(np.square(columns).mean(axis=1) + 1e-12)
    loudest = int(levels.argmax())
    if levels[loudest] < SILENCE_DBFS:
        raise AudioError(f"{name}: silence, nothing to learn from ({levels[loudest]:.0f} dBFS at its loudest)")
    loud = np.flatnonzero(levels >= levels[loudest] - AUDIBLE_DB)
    most = round(LONGEST_S / COLUMN_S)
    starts = [first for first in loud.tolist() if first <= loudest < first + most]
    first = max(starts, key=lambda start: int(((loud >= start) & (loud < start + most)).sum()))
    last = int(loud[(loud >= first) & (loud < first + most)].max()) + 1
    inside = columns[first:last]
    if is_noise(inside, levels[first:last]):
        raise AudioError(f"{name}: steady noise, nothing to learn from: record the sound closer or louder")
    begin, end = max(0, first - round(BEFORE_S / COLUMN_S)), min(len(columns), last + round(AFTER_S / COLUMN_S))
    around = padded[begin * length : end * length]
    return Cut(name, first * COLUMN_S, around, (first - begin) * COLUMN_S, (last - begin) * COLUMN_S)


def is_noise(columns: Float32, levels: np.ndarray) -> bool:
    """Whether columns (n, samples) with these levels in dB are as loud in each moment and at each frequency."""
    power = np.square(np.abs(np.fft.rfft(columns * np.hanning(columns.shape[1]), axis=1))).mean(axis=0)[1:]
    flatness = np.exp(np.log(power + 1e-12).mean()) / (power.mean() + 1e-12)
    return len(levels) > 2 and bool(levels.std() < STEADY_DB and flatness > FLAT)


def variations(samples: Float32, rng: np.random.Generator) -> Iterator[tuple[Float32, float]]:
    """Yield a sound as it is, tilted, quieter, slower, faster and in noise of two levels, each with its speed."""
    yield samples, 1.0
    yield tilted(samples, -0.5), 1.0
    yield 0.3 * tilted(samples, 0.5), 1.0
    yield in_noise(at_speed(samples, 0.94), rng, below_db=20.0), 0.94
    yield in_noise(tilted(at_speed(samples, 1.06), 0.5), rng, below_db=10.0), 1.06


def tilted(samples: Float32, by: float) -> Float32:
    """Return a sound with its high frequencies lowered (below 0) or raised, by up to about 10 dB."""
    result = samples.copy()
    result[1:] -= np.float32(by) * samples[:-1]
    return result


def at_speed(samples: Float32, speed: float) -> Float32:
    """Return a sound faster and higher, or slower and lower."""
    places = np.arange(0.0, len(samples) - 1, speed)
    moved: Float32 = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return moved


def in_noise(samples: Float32, rng: np.random.Generator, below_db: float) -> Float32:
    """Return a sound with noise like that of a room, so much below it."""
    length = 1 << len(samples).bit_length()  # a power of 2 is transformed many times faster than a prime
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1))  # as much in each octave
    noise = np.fft.irfft(spectrum, length)[: len(samples)]
    level = np.sqrt(np.square(samples).mean()) / (np.sqrt(np.square(noise).mean()) + 1e-12)
    mixed: Float32 = (samples + noise * level * 10.0 ** (-below_db / 20.0)).astype(np.float32)
    return mixed

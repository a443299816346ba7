"""Made-up sounds that are none of the tags: silence, hum, noise and simple music."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from bowstream.model.front_end import FrontEnd

from .data import Float32

# The length of each sound, and the levels of hum and noise.
MADE_S = 60
LEVELS_DBFS = (-20, -50, -80)
HUMS_HZ = (50, 60)
# Power falls with frequency to this power.
COLOURS = {"white": 0, "pink": 1, "brown": 2}
LOWEST_HZ = 20.0
# Tunes, their level, and the semitones of the scales and chords that they are made of.
TUNES = 10
TUNE_DBFS = -20
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))
TRIAD = (0, 2, 4)
# The octave of bass, chords and melody above A0, 27.5 Hz, and how long their notes last, in beats.
VOICES = ((1, 1.0), (3, 2.0), (4, 0.5))
A0_HZ = 27.5


def write_made_up(path: Path) -> None:
    """Write the made-up sounds into a folder, a file of a minute each."""
    rate = FrontEnd().sample_rate
    for name, samples in made_sounds(MADE_S * rate, rate):
        soundfile.write(path / f"{name}.flac", samples, rate, "PCM_16")


def fingerprint() -> str:
    """Return a hash of the code that makes them: they are made anew when it changes."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def made_sounds(count: int, sample_rate: int) -> Iterator[tuple[str, Float32]]:
    """Yield each made-up sound of so many samples with its name, its kind up to the first `_`."""
    t, rng = np.arange(count) / sample_rate, np.random.default_rng(0)
    yield "silence_digital", np.zeros(count, np.float32)
    shapes = {
        f"hum_{hz}hz": np.sum([np.sin(2 * np.pi * hz * n * t + n) / n for n in range(1, 9)], axis=0) for hz in HUMS_HZ
    }
    shapes |= {f"noise_{colour}": coloured(count, sample_rate, slope, rng) for colour, slope in COLOURS.items()}
    for name, shape in shapes.items():
        for level_dbfs in LEVELS_DBFS:
            yield f"{name}_{level_dbfs}dbfs", at_level(shape, level_dbfs)
    for number in range(TUNES):
        yield f"music_{number}_{TUNE_DBFS}dbfs", at_level(tune(count, sample_rate, rng), TUNE_DBFS)


def without_level(name: str) -> str:
    """Return which sound it is, of whatever level."""
    return re.sub(r"_-\d+dbfs$", "", name)


def coloured(count: int, sample_rate: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise whose power falls with frequency to the power of `slope`."""
    hz = np.fft.rfftfreq(count, 1 / sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(np.where(hz < LOWEST_HZ, 0.0, spectrum * np.maximum(hz, LOWEST_HZ) ** (-slope / 2)), count)


def tune(count: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return bass, chords and melody of random notes in a random key, timbre and tempo, most with drums."""
    beat = int(sample_rate * 60 / rng.uniform(70, 150))
    key, scale = rng.integers(12), SCALES[rng.integers(len(SCALES))]
    timbres = [(rng.uniform(0.7, 2.0), rng.uniform(0.5, 4.0), rng.uniform(0.002, 0.05)) for _ in VOICES]
    drums, samples = rng.random() < 0.7, np.zeros(count + 8 * beat)
    for begin in range(0, count, beat):
        if begin // beat % 4 == 0:
            root = rng.integers(len(scale))
        for (octave, beats), timbre in zip(VOICES, timbres):
            for part in range(max(1, round(1 / beats))):
                if rng.random() < 0.2:
                    continue
                degrees = [root + step for step in TRIAD] if beats > 1 else [root + rng.choice(TRIAD)]
                for degree in degrees:
                    semitones = key + scale[degree % len(scale)] + 12 * (octave + degree // len(scale))
                    sound = note(A0_HZ * 2 ** (semitones / 12), int(beats * beat), sample_rate, *timbre)
                    at = begin + int(part * beats * beat)
                    samples[at : at + len(sound)] += sound
        if drums:
            samples[begin : begin + beat // 2] += drum(beat // 2, sample_rate, rng)
    return samples[:count]


@functools.lru_cache(100)  # a tune has few notes and plays them often
def note(hz: float, count: int, sample_rate: int, dullness: float, decay: float, attack_s: float) -> np.ndarray:
    """Return a note: harmonics that fall with their number to the power of `dullness`, `decay` nepers in its length."""
    t = np.arange(count) / sample_rate
    n = np.arange(1, max(1, min(20, int(0.5 * sample_rate / hz))) + 1)[:, np.newaxis]
    tone: np.ndarray = (np.sin(2 * np.pi * hz * n * t) / n**dullness).sum(axis=0)
    end = np.minimum(1.0, (count - np.arange(count)) / (0.01 * sample_rate))
    return tone * np.minimum(1.0, t / attack_s) * np.exp(-decay * t * sample_rate / count) * end


def drum(count: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a stroke: noise that dies away."""
    fall_s = rng.uniform(0.01, 0.05)
    return rng.uniform(0.2, 1.0) * rng.standard_normal(count) * np.exp(-np.arange(count) / (sample_rate * fall_s))


def at_level(samples: np.ndarray, level_dbfs: float) -> Float32:
    """Return samples at this root mean square below full scale."""
    loud: np.ndarray = samples * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))
    return loud.astype(np.float32)

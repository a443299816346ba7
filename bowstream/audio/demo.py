"""A made-up scene for those without a microphone: 70 seconds, synthesised as it goes, the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32

Wave = NDArray[np.floating[Any]]
Recipe = Callable[[Wave, np.random.Generator], Wave]

SEED = 2022
HUSH_DBFS = -56.0
FADE_S = 0.02
REVERB_S = 0.3
REVERB_SHARE = 0.25


def pink(hz: Wave) -> Wave:
    """Return the gain of noise with as much power in each octave."""
    return 1.0 / np.sqrt(np.maximum(hz, 50.0))


def strike(wave: Wave, t: Wave, start_s: float, hz: float, decay_s: float, share: float = 1.0) -> None:
    """Add a sine that is struck and dies away by a factor of e in `decay_s`."""
    first, last = np.searchsorted(t, (start_s, start_s + 8.0 * decay_s))
    after = t[first:last] - start_s
    wave[first:last] += share * np.exp(-after / decay_s) * np.sin(2 * np.pi * hz * after)


def burst(wave: Wave, t: Wave, start_s: float, hiss: Wave, decay_s: float, share: float) -> None:
    """Add a burst of noise that dies away likewise."""
    first, last = np.searchsorted(t, (start_s, start_s + 8.0 * decay_s))
    wave[first:last] += share * np.exp(-(t[first:last] - start_s) / decay_s) * hiss[first:last]


def noise(t: Wave, rng: np.random.Generator, gain: Callable[[Wave], Wave]) -> Wave:
    """Return noise of RMS 1 whose spectrum follows a gain over frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(len(t)))
    spectrum *= gain(np.fft.rfftfreq(len(t), float(t[1] - t[0])))
    coloured: Wave = np.fft.irfft(spectrum, len(t))
    coloured /= np.sqrt(np.dot(coloured, coloured) / len(t))
    return coloured


def peak_at(hz: Wave, centre_hz: float, width_hz: float) -> Wave:
    """Return the gain of a resonance."""
    gain: Wave = 1.0 / np.sqrt(1.0 + ((hz - centre_hz) / (0.5 * width_hz)) ** 2)
    return gain


def harmonics(phase: Wave, gains: list[float]) -> Wave:
    """Return a tone of so many harmonics; `phase` in turns."""
    tone = np.zeros_like(phase)
    for k, gain in enumerate(gains):
        tone += gain * np.sin(2 * np.pi * (k + 1) * phase)
    return tone


def knocks(t: Wave, rng: np.random.Generator) -> Wave:
    """Knuckles on wood: a dull burst that is gone in 10 ms and low modes that ring for 50; five and five."""
    wave = np.zeros_like(t)
    thud = noise(t, rng, lambda hz: 1.0 / (1.0 + (hz / 1000.0) ** 2))
    for start_s in (0.1, 0.28, 0.46, 0.64, 0.82, 1.5, 1.68, 1.86, 2.04, 2.22):
        for hz, share in ((110.0, 1.0), (190.0, 1.0), (330.0, 0.8), (560.0, 0.5), (900.0, 0.3), (1400.0, 0.15)):
            strike(wave, t, start_s, hz * rng.uniform(0.97, 1.03), 0.015 + 4.0 / hz, share)
        burst(wave, t, start_s, thud, 0.01, 0.6)
    return wave


def clock_tick(t: Wave, rng: np.random.Generator) -> Wave:
    """An escapement: two clicks a second, tick above tock; a burst of 2 ms that makes the case ring for 15."""
    wave = np.zeros_like(t)
    click = noise(t, rng, lambda hz: 1.0 * (hz > 300.0))
    for number, start_s in enumerate(np.arange(0.1, t[-1], 0.5)):
        for hz in (700.0, 1400.0, 2300.0, 3700.0, 5200.0) if number % 2 else (600.0, 1200.0, 1900.0, 3100.0, 4600.0):
            strike(wave, t, start_s, hz, 0.015, 0.5)
        burst(wave, t, start_s, click, 0.002, 0.8)
    return wave


def rain(t: Wave, rng: np.random.Generator) -> Wave:
    """Rain: a hiss of far drops, and near ones that ring for milliseconds, 80 a second."""
    wave = 0.15 * noise(t, rng, lambda hz: (hz > 150.0) / (1.0 + (hz / 6000.0) ** 2))
    for start_s in rng.uniform(0.0, t[-1], int(80 * t[-1])):
        strike(wave, t, start_s, rng.uniform(800.0, 7000.0), 0.003, rng.exponential(0.15))
    return wave


def siren(t: Wave, rng: np.random.Generator) -> Wave:
    """A wailing horn: a tone and a few harmonics that sweep from 600 to 1400 Hz and back in 3 s."""
    hz = 1000.0 - 400.0 * np.cos(2 * np.pi * t / 3.0)
    return harmonics(np.cumsum(hz) * t[1], [1.0, 0.3, 0.25, 0.08, 0.05]) + 0.02 * noise(t, rng, pink)


def church_bells(t: Wave, rng: np.random.Generator) -> Wave:
    """Two bells in turn: hum, prime, minor third, fifth, nominal and more, in beating pairs, the higher gone sooner."""
    wave = np.zeros_like(t)
    ratios = (0.5, 1.0, 1.19, 1.5, 2.0, 2.52, 3.01, 4.1, 5.4, 6.8)
    shares = (0.6, 0.8, 0.9, 0.5, 1.0, 0.5, 0.6, 0.5, 0.4, 0.3)
    clapper = noise(t, rng, lambda hz: peak_at(hz, 3000.0, 4000.0))
    for number, start_s in enumerate(np.arange(0.05, t[-1], 1.1)):
        for ratio, share in zip(ratios, shares):
            for prime_hz in ((330.0, 331.1), (392.0, 393.4))[number % 2]:
                strike(wave, t, start_s, ratio * prime_hz, 1.4 / ratio, share)
        burst(wave, t, start_s, clapper, 0.04, 0.4)
    return wave


def crickets(t: Wave, rng: np.random.Generator) -> Wave:
    """Crickets: each rubs a carrier near 4.5 kHz in chirps of pulses, 30 a second; far ones trill in the night air."""
    wave = 0.3 * noise(t, rng, lambda hz: 1.0 / (1.0 + (hz / 120.0) ** 2))
    wave += 0.2 * noise(t, rng, lambda hz: peak_at(hz, 6000.0, 2500.0)) * (0.6 + 0.4 * np.sin(2 * np.pi * 17.0 * t))
    for hz, chirps_hz, share in ((4500.0, 2.6, 1.0), (4720.0, 2.1, 0.5), (4310.0, 3.1, 0.4)):
        turn = (t * chirps_hz + rng.uniform()) % 1.0
        pulses = np.maximum(np.sin(2 * np.pi * 30.0 * t), 0.0) * (turn < 0.4)
        wave += share * pulses * np.sin(2 * np.pi * hz * t)
    return wave


def clock_alarm(t: Wave, rng: np.random.Generator) -> Wave:
    """An alarm clock: two beeps a second, the shrill overtones of 980 Hz without their fundamental."""
    beeping = np.clip(40.0 * np.sin(2 * np.pi * 2.0 * t), 0.0, 1.0)
    wave: Wave = harmonics(980.0 * t, [0.0, 1.0, 0.6, 0.7, 0.5, 0.5, 0.4]) * beeping
    return wave


def dog(t: Wave, rng: np.random.Generator) -> Wave:
    """A dog: barks of 0.14 s, a hoarse voice that leaps to 650 Hz and falls, through a muzzle's resonances."""
    wave = np.zeros_like(t)
    breath = noise(t, rng, lambda hz: peak_at(hz, 800.0, 300.0) ** 2 + 0.7 * peak_at(hz, 1700.0, 500.0) ** 2)
    for start_s in (0.1, 0.42, 1.2, 1.52, 1.84):
        first, last = np.searchsorted(t, (start_s, start_s + 0.14))
        u = np.linspace(0.0, 1.0, last - first)
        hz = rng.uniform(0.9, 1.1) * (400.0 + 250.0 * np.sin(np.pi * u**0.6))
        voice = harmonics(np.cumsum(hz) * t[1], [0.8, 1.0, 0.7, 0.35, 0.25, 0.12, 0.06])
        wave[first:last] = np.sin(np.pi * u**0.6) * (voice + breath[first:last])
    return wave


def sea_waves(t: Wave, rng: np.random.Generator) -> Wave:
    """Surf: a low roar that swells, breaks into foam and draws back, every 4 s."""
    turn = t / 4.0 % 1.0
    swell = np.where(turn < 0.4, (turn / 0.4) ** 2, np.exp(-(turn - 0.4) / 0.25))
    roar = noise(t, rng, lambda hz: 1.0 / (1.0 + (hz / 400.0) ** 1.5))
    foam = noise(t, rng, lambda hz: peak_at(hz, 1500.0, 3000.0))
    wave: Wave = (0.2 + 0.5 * swell) * roar + swell**1.5 * foam
    return wave


def vacuum_cleaner(t: Wave, rng: np.random.Generator) -> Wave:
    """A vacuum cleaner: mains hum, a motor's whine and its blades far above, in rushing air."""
    hum = harmonics(100.0 * t, [0.5, 0.5, 1.0, 0.4, 0.3, 0.5])
    whine = harmonics(620.0 * (t + 0.0003 * np.sin(2 * np.pi * 3.0 * t)), [1.0, 0.5, 0.3, 0.2])
    blades = np.sin(2 * np.pi * 5200.0 * t + 0.3 * np.sin(2 * np.pi * 5.0 * t))
    air = noise(t, rng, lambda hz: (hz > 100.0) / (1.0 + hz / 2000.0))
    wave: Wave = 0.3 * hum + 0.8 * whine + 0.4 * blades + 0.8 * air
    return wave


# Start and length in seconds, peak in dBFS, and the sound.
SCENE: tuple[tuple[float, float, float, Recipe], ...] = (
    (2.3, 2.6, -8.0, knocks),
    (7.3, 4.0, -14.0, clock_tick),
    (14.3, 4.0, -10.0, crickets),
    (21.3, 4.5, -9.0, siren),
    (28.3, 5.5, -8.0, church_bells),
    (36.3, 3.0, -6.0, dog),
    (42.3, 4.0, -9.0, clock_alarm),
    (49.3, 5.0, -12.0, rain),
    (57.3, 4.5, -9.0, sea_waves),
    (64.3, 4.0, -9.0, vacuum_cleaner),
)
DURATION_S = 70.0
HUSH_S = 6.0


class Scene:
    """The scene, to be played.

    Parameters
    ----------
    native_rate : in Hz; not the front end's, so that the sound is resampled as most microphones' is
    """

    name = "demo scene"
    channels = 1
    duration_s: float | None = DURATION_S

    def __init__(self, native_rate: int = 44_100) -> None:
        self.native_rate = native_rate

    def blocks(self, block_s: float) -> Iterator[Float32]:
        """Yield the scene in blocks of at most so long, float32 [shape=(n, 1)]."""
        block = max(1, round(block_s * self.native_rate))
        for piece in self.pieces():
            for start in range(0, len(piece), block):
                yield piece[start : start + block, np.newaxis]

    def pieces(self) -> Iterator[Float32]:
        """Yield hush and sounds in turn, float32 [shape=(n,)]; a sound in its room is made when it is due."""
        rate, at = self.native_rate, 0
        # Noise made through a transform goes round without a seam: a few seconds of it do for the whole scene.
        t = np.arange(round(HUSH_S * rate)) / rate
        hush = (10.0 ** (HUSH_DBFS / 20.0) * noise(t, np.random.default_rng(SEED), pink)).astype(np.float32)
        for start_s, length_s, peak_dbfs, recipe in SCENE:
            first = round(start_s * rate)
            yield hush.take(np.arange(at, first), mode="wrap")
            heard = synthesise(rate, start_s, length_s, peak_dbfs, recipe)
            at = first + len(heard)
            yield heard + hush.take(np.arange(first, at), mode="wrap")
        yield hush.take(np.arange(at, round(DURATION_S * rate)), mode="wrap")


def synthesise(native_rate: int, start_s: float, length_s: float, peak_dbfs: float, recipe: Recipe) -> Float32:
    """Return a sound of the scene in a small room."""
    t = np.arange(round(length_s * native_rate)) / native_rate
    rng = np.random.default_rng((SEED, round(start_s * 10)))  # one for each sound: one sound's recipe changes no other
    wave = recipe(t, rng)
    wave *= np.minimum(1.0, np.minimum(t, t[::-1]) / FADE_S)
    wave *= 10.0 ** (peak_dbfs / 20.0) / np.abs(wave).max()
    return in_room(wave, native_rate, rng).astype(np.float32)


def in_room(sound: Wave, native_rate: int, rng: np.random.Generator) -> Wave:
    """Return a sound with the echo of a room: noise that dies away by 60 dB in `REVERB_S`."""
    t = np.arange(round(REVERB_S * native_rate)) / native_rate
    echo = rng.standard_normal(len(t)) * 10.0 ** (-3.0 * t / REVERB_S)
    n_fft = len(sound) + len(echo)
    spectrum = np.fft.rfft(sound, n_fft)
    spectrum *= np.fft.rfft(echo, n_fft)
    heard = np.fft.irfft(spectrum, n_fft)
    heard *= REVERB_SHARE / np.sqrt(np.sum(echo**2))
    heard[: len(sound)] += sound
    return heard

"""Chirps: what is played at known times, who of a bundle's tags hears it, and where it is found again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from bowstream import Bundle, Tagger

RATE = 16_000
CHIRP_S, CHIRP_EVERY_S = 0.5, 10.0
HUSH = 1e-4


def chirp() -> np.ndarray:
    """Half a second from 300 to 6000 Hz: it is found in a clip to the sample."""
    t = np.arange(round(CHIRP_S * RATE)) / RATE
    hz = 300.0 * 20.0 ** (t / CHIRP_S)
    edges = np.minimum(1.0, np.minimum(t, CHIRP_S - t) / 0.01)
    return 0.3 * np.sin(2.0 * np.pi * np.cumsum(hz) / RATE) * edges


def ear(bundle: Bundle) -> tuple[str, float, float]:
    """Return the tag that tells a chirp best from the hush, whatever the bundle has learned, and its `on` and `off`.

    They lie at a half and a quarter of the way, in logits, from its highest score of hush to its lowest of a chirp,
    which may begin anywhere in a column.
    """
    sound, hushes, chirps = chirp(), [], []
    for offset in range(0, 1600, 200):
        samples = np.random.default_rng(offset).standard_normal(6 * RATE) * HUSH
        first = 4 * RATE + offset
        samples[first : first + len(sound)] += sound
        windows = Tagger(bundle, hop_s=0.1).push(samples.astype(np.float32))
        logits = {round(tags.end_s * RATE): np.log(tags.array + 1e-7) - np.log1p(1e-7 - tags.array) for tags in windows}
        hushes.append(np.max([row for end, row in logits.items() if end <= first], axis=0))
        chirps.append(np.max([row for end, row in logits.items() if first < end < first + RATE], axis=0))
    highest, lowest = np.max(hushes, axis=0), np.min(chirps, axis=0)
    best = int(np.argmax(lowest - highest))
    on, off = (highest[best] + share * (lowest[best] - highest[best]) for share in (0.5, 0.25))
    return bundle.tags[best].name, float(1.0 / (1.0 + np.exp(-on))), float(1.0 / (1.0 + np.exp(-off)))


def find_chirps(folder: Path, played: list[float]) -> list[tuple[float, float, float]]:
    """Return for each chirp in a clip when it was played, and when it was heard: by the clock, in the stream."""
    sound, found = chirp(), []
    for file in sorted(folder.glob("*.flac")):
        samples, _ = soundfile.read(file)
        with soundfile.SoundFile(file) as opened:
            start = json.loads(opened.comment)
        if len(samples) < len(sound):
            continue
        length = len(samples) + len(sound)
        spectrum = np.fft.rfft(samples, length) * np.conj(np.fft.rfft(sound, length))
        match = np.abs(np.fft.irfft(spectrum, length)[: len(samples) - len(sound) + 1])
        place = int(match.argmax())
        if match[place] < 0.8 * np.dot(sound, sound):
            continue
        heard = start["start_unix_s"] + place / RATE
        when = min(played, key=lambda moment: abs(moment - heard), default=0.0)
        if abs(when - heard) < CHIRP_EVERY_S / 2:
            found.append((when, heard, start["start_s"] + place / RATE))
    return sorted({round(one[0], 4): one for one in found}.values())

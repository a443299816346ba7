"""What the codes have learned: how each looks, sounds, and which tags it speaks for."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from bowstream.model.front_end import FrontEnd
from bowstream.model.log_mel import mel_filterbank
from bowstream.model.patches import FAMILIES, O_FRAMES, PATCH_BANDS

from ..dataset.data import Float32, Index
from ..dataset.features import Features
from ..measure.trial import Study
from ..model.bundle import Parts
from ..model.codebook import load_encoder
from ..model.encoder import patches_of

# Windows that are looked at, codes shown of each family, tags named beside a code.
WINDOWS = 1000
SHOWN = 12
NAMED = 3
# A code heard less often than this share of its family says little.
RARE = 1e-3
# Column patches are repeated so that the ear can follow.
REPEATS = 5


@dataclass(frozen=True)
class Code:
    """A code: the mean of its patches, its share of all, its most telling tags and how much likelier it makes each."""

    family: str
    index: int
    share: float
    patch: Float32  # (frames, bands)
    tags: tuple[tuple[str, float], ...]
    sound: bytes  # WAV


def look(study: Study, parts: Parts, clips: Index) -> list[Code]:
    """Return the most telling codes of each family, as heard in at most `WINDOWS` windows of these clips."""
    sound, tags, windows = study.sound, study.data.tags, study.sound.windows(clips)
    drawn = np.sort(np.random.default_rng(study.config.seed).permutation(windows)[:WINDOWS])
    targets = study.data.targets()[sound.clip_of_window()[drawn]]
    priors = targets.mean(axis=0) + 1e-9
    found = []
    for family in FAMILIES:
        encoder = load_encoder(parts.networks[family], parts.codebooks[family])
        patches = patches_of(sound, family, drawn)  # (W, P, values)
        codes = np.concatenate([encoder.codes(part) for part in np.array_split(patches, len(patches) // 10 + 1)])
        counts = np.stack([np.bincount(row, minlength=len(encoder.codebook)) for row in codes])  # (W, D)
        shares = counts.sum(axis=0) / counts.sum()
        # How much likelier each tag is where the code is, with ten windows' worth of doubt.
        lifts = (counts.T @ targets + 10 * priors) / (counts.sum(axis=0)[:, np.newaxis] + 10) / priors  # (D, C)
        telling = np.argsort(-np.where(shares >= RARE, lifts.max(axis=1), 0.0))[:SHOWN]
        for index in telling:
            here = (codes.reshape(*patches.shape[:2], -1) == index).any(axis=-1)  # in one of a patch's parts
            if not here.any():
                continue
            patch = as_picture(patches[here].mean(axis=0), family, sound.front_end)
            band = int(np.bincount(np.nonzero(here)[1] % FAMILIES[family].bands(sound.front_end)).argmax())
            best = np.argsort(-lifts[index])[:NAMED]
            named = tuple((tags[tag], float(lifts[index, tag])) for tag in best)
            heard = as_wav(patch, family, band, sound)
            found.append(Code(family, int(index), float(shares[index]), patch, named, heard))
    return found


def as_picture(patch: Float32, family: str, front_end: FrontEnd) -> Float32:
    """Return a flat patch as (frames, bands)."""
    frames = {
        "pat": front_end.frames_per_column,
        "env": front_end.frames_per_column,
        "fenv": front_end.frames_per_window,
        "o": O_FRAMES,
    }
    return patch.reshape(frames[family], -1)


def as_wav(patch: Float32, family: str, band: int, sound: Features) -> bytes:
    """Return noise shaped as a patch, alone in its place of the spectrum, as a WAV."""
    front_end = sound.front_end
    if family == "o":
        patch = patch.repeat(front_end.frames_per_window // O_FRAMES, 0).repeat(front_end.n_mels // PATCH_BANDS, 1)
    power = np.exp(patch)
    if sound.level:
        power = 10.0 ** ((patch - 1.0) * sound.level.top_db / 10.0) * (patch > 0)
    if family in ("pat", "env"):
        power = np.tile(power, (REPEATS, 1))
    spectrum = np.zeros((len(power), front_end.n_mels))
    spectrum[:, band * PATCH_BANDS : band * PATCH_BANDS + power.shape[1]] = power
    samples = shaped_noise(spectrum, front_end)
    file = io.BytesIO()
    soundfile.write(file, 0.5 * samples / (np.abs(samples).max() + 1e-9), front_end.sample_rate, "PCM_16", format="WAV")
    return file.getvalue()


def shaped_noise(mel_power: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """Return noise with this mel power, (frames, mels), by overlapping windows of filtered noise."""
    filters = mel_filterbank(front_end)
    gains = np.sqrt(mel_power @ (filters / (filters.sum(axis=1, keepdims=True) + 1e-12)).T)  # (frames, bins)
    rng = np.random.default_rng(0)
    samples = np.zeros(len(gains) * front_end.hop_length + front_end.n_fft)
    window = np.hanning(front_end.win_length)
    for frame, gain in enumerate(gains):
        noise = np.fft.rfft(window * rng.standard_normal(front_end.win_length), front_end.n_fft)
        start = frame * front_end.hop_length
        samples[start : start + front_end.n_fft] += np.fft.irfft(noise * gain)
    return samples[: len(gains) * front_end.hop_length]

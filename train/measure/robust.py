"""How scores bear up when clips are fainter, noisier, narrower, of another rate or scored more often."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from bowstream.audio.convert import Converter
from bowstream.audio.file import FILE_COLUMNS, AudioFile
from bowstream.model.front_end import FrontEnd

from ..common.progress import say
from ..common.store import digest
from ..dataset.data import Float32
from ..dataset.negatives import Negative, held_back
from .evaluate import CLIPS, Held, hear, measure, spread
from .trial import Model, Study, Trial

FULL_SCALE = 1 << 15
QUIETEST_POWER = 1e-12
# A telephone's band.
PHONE_HZ = (300.0, 3400.0)
RATE_HZ = 48_000
# What a negative is mixed in at.
NEGATIVE_SNR_DB = 10.0


@dataclass(frozen=True)
class Change:
    """What is done to a recording, in this order; then it is 16 bits again, as from a sound card.

    gain_db : louder, or fainter
    snr_db : how far added noise lies below the clip; none is added where it is None
    noise : a negative to take it from; white noise without one
    band_hz : what is left of the spectrum
    rate_hz : the rate that it is given at
    hop_s : seconds between two scores
    """

    name: str
    gain_db: float = 0.0
    snr_db: float | None = None
    noise: Negative | None = None
    band_hz: tuple[float, float] | None = None
    rate_hz: int | None = None
    hop_s: float = 1.0

    def __call__(self, samples: Float32, front_end: FrontEnd) -> Iterator[Float32]:
        """Yield the recording, float32 (n,) at the front end's rate, changed, in whole columns."""
        changed = samples * 10 ** (self.gain_db / 20)
        if self.snr_db is not None:
            changed = changed + self._noise_for(samples, front_end, self.snr_db)
        if self.band_hz:
            changed = band_limited(changed, front_end.sample_rate, *self.band_hz)
        rate_hz = self.rate_hz or front_end.sample_rate
        if rate_hz != front_end.sample_rate:
            changed = soxr.resample(changed, front_end.sample_rate, rate_hz)
        frames = np.clip(np.rint(changed * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE
        converter = Converter(self.name, rate_hz, front_end.format, FILE_COLUMNS)
        yield from converter.push(frames.astype(np.float32)[:, np.newaxis])
        yield from converter.finish()

    def _noise_for(self, samples: Float32, front_end: FrontEnd, snr_db: float) -> np.ndarray:
        rng = np.random.default_rng(zlib.crc32(samples.tobytes()))  # the same in every run
        noise = rng.standard_normal(len(samples))
        if self.noise:
            recording = recorded(self.noise.path, front_end)
            noise = np.resize(np.roll(recording, -rng.integers(len(recording))), len(samples))
        power = float(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-snr_db / 10)
        return noise * math.sqrt(power / max(float(np.mean(noise**2)), QUIETEST_POWER))


CHANGES = (
    *(Change(f"gain {gain_db:+d} dB", gain_db=gain_db) for gain_db in (-30, -20, -10, 6)),
    *(Change(f"white noise, {snr_db} dB SNR", snr_db=snr_db) for snr_db in (20, 10, 0)),
    Change(f"{PHONE_HZ[0]:.0f} … {PHONE_HZ[1]:.0f} Hz only", band_hz=PHONE_HZ),
    Change(f"a copy at {RATE_HZ // 1000} kHz", rate_hz=RATE_HZ),
    Change("ten scores a second", hop_s=0.1),
)


@functools.lru_cache(1)
def recorded(path: Path, front_end: FrontEnd) -> np.ndarray:
    """Return a recording; a process decodes it once."""
    with AudioFile(path, front_end.format) as source:
        return np.concatenate([heard.samples for heard in source]).astype(np.float64)


def band_limited(samples: np.ndarray, sample_rate: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Return samples with nothing outside of a band."""
    hz = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    return np.fft.irfft(np.where((hz >= low_hz) & (hz <= high_hz), np.fft.rfft(samples), 0.0), len(samples))


def robustness(
    study: Study, trials: Sequence[Trial], models: Sequence[Model], negatives: Sequence[Negative]
) -> dict[str, Any]:
    """Return the measures of held-out clips as they are, and after each change: means over the folds.

    Parameters
    ----------
    negatives : into each trial's clips a recorded one that its model does not know is mixed, too
    """
    table = {}
    changes: list[Sequence[Change | None]] = [[change] * len(trials) for change in (None, *CHANGES)]
    if negatives:
        changes.append([with_negative(negatives, trial) for trial in trials])
    for of_trials in changes:
        folds = [measured(study, *of_trial) for of_trial in zip(trials, models, of_trials)]
        title = of_trials[0].name if of_trials[0] else "as recorded"
        table[title] = {name: round(float(np.mean([fold[name] for fold in folds])), 4) for name in folds[0]}
        say(f"{title}: " + "  ".join(f"{name} {value:.3f}" for name, value in table[title].items()))
    return {"splits": [trial.split.name for trial in trials], "most_clips_of_a_split": CLIPS, "table": table}


def with_negative(negatives: Sequence[Negative], trial: Trial) -> Change:
    """Return the mixing in of a recorded negative that a trial's model does not know, with as few tags as may be."""
    own = [negatives[number] for number in held_back(negatives, trial.split)]
    noise = min((negative for negative in own if not negative.made), key=lambda negative: len(negative.may))
    return Change(f"a negative, {NEGATIVE_SNR_DB:.0f} dB SNR", snr_db=NEGATIVE_SNR_DB, noise=noise)


def measured(study: Study, trial: Trial, model: Model, change: Change | None) -> dict[str, float]:
    """Return the measures of a trial's held-out clips after a change."""
    data, clips = study.data, spread(trial.split.held, CLIPS)
    if change:
        inputs = {
            "features": study.sound.key,
            "held": digest([data.clips[clip].name for clip in clips]),
            "change": {**asdict(replace(change, noise=None)), "noise": change.noise.content if change.noise else None},
        }
        paths = [data.clips[clip].path for clip in clips]
        title = f"{trial.split.name}, {change.name}"
        held = hear(study.root, "robust", inputs, trial.shipped, paths, clips, title, change)
    else:
        some_of_it = np.isin(trial.held.clip, clips)
        held = Held(trial.held.scores[some_of_it], trial.held.clip[some_of_it])
    return measure(held.calibrated(model.tags), data.presence(), data.single_label)

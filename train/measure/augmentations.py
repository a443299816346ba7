"""What each augmentation brings: heads trained with and without it, tried on sources that the encoders never heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level

from ..common.learned_config import HeadTrials
from ..common.progress import say, track
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features
from ..dataset.published import ESC50_KINDS
from ..learned import augment
from ..learned.heads import Encoders, Streams, fit_head, scores_of
from ..learned.pool import Pool, restless
from .evaluate import Held, average_precisions, spread
from .places import Said, for_tags, ranked, rounded

AS_RECORDED, SPOILT = "as recorded", "spoilt"
# Clips whose windows are counted together.
AT_ONCE = 64
# How clips are spoilt: what is left beside a telephone's band; noise, below the mean power; a tilt, an octave.
PHONE_HZ, BESIDE_DB = (300.0, 3400.0), -60.0
NOISE_DB, TILT_DB = -10.0, -6.0
# Clips of a source at most: a large one would decide alone.
OF_A_SOURCE = 30


def spoilt(power: Float32, noise: Float32, chance: np.random.Generator, front_end: FrontEnd) -> dict[str, Float32]:
    """Return a clip's mel power (T, M) as it is, and spoilt in ways that augmentations are for.

    Parameters
    ----------
    noise : mel power of noise
    """
    octaves = augment.octaves(front_end)
    hz = augment.TILT_HZ * 2.0**octaves
    beside = (hz < PHONE_HZ[0]) | (hz > PHONE_HZ[1])
    steady = np.resize(np.roll(noise, -chance.integers(len(noise)), axis=0), power.shape)
    key = augment.new_key(int(chance.integers(1 << 31)), 0)
    return {
        AS_RECORDED: power,
        "telephone": power * decibels(np.where(beside, BESIDE_DB, 0.0)),
        "noise": power + steady * (decibels(NOISE_DB) * power.mean() / steady.mean()),
        "tilt": power * decibels(TILT_DB * octaves),
        "room": augment.smear(key, power[np.newaxis], 1.0).numpy()[0],
    }


def decibels(values: Any) -> Any:
    """Return the power that decibels are, float32."""
    return np.power(10.0, np.asarray(values, np.float32) / 10.0, dtype=np.float32)


@dataclass(frozen=True)
class HeldCounts:
    """What encoders count in clips that they did not learn from.

    clip : int [shape=(windows,)], which of the data set's clips each window belongs to
    counts : uint8 [shape=(windows, K)] for each way in which they are spoilt
    """

    clip: Index
    counts: Mapping[str, NDArray[np.uint8]]


def some_of_each_source(data: DataSet, clips: Index) -> Index:
    """Return at most `OF_A_SOURCE` of the clips of each source."""
    source = np.array([data.clips[clip].source for clip in clips])
    return np.concatenate([spread(clips[source == name], OF_A_SOURCE) for name in np.unique(source)])


def count_held(encoders: Encoders, sound: Features, clips: Index) -> HeldCounts:
    """Return what encoders count in clips, as they are and spoilt.

    Parameters
    ----------
    sound : absolute log-mel
    """
    front_end, level = encoders.task.front_end, encoders.task.level
    noise, chance = restless(front_end.n_mels), np.random.default_rng(encoders.task.config.seed)
    shape = -1, front_end.columns_per_window, front_end.frames_per_column, front_end.n_mels
    order, counts = list[int](), dict[str, list[NDArray[np.uint8]]]()
    parts = np.array_split(clips[np.argsort(sound.first[clips])], -(-len(clips) // AT_ONCE))
    for some in track(parts, len(parts), "held-out clips"):
        scaled = dict[str, list[Float32]]()
        for number, log_mel in sound.each(some):
            order.extend([number] * len(log_mel))
            power = np.exp(log_mel).reshape(-1, front_end.n_mels)
            for way, changed in spoilt(power, noise, chance, front_end).items():
                log = np.log(np.maximum(changed, np.float32(front_end.power_floor)))
                columns = Level(level, front_end).push(log).reshape(shape)
                scaled.setdefault(way, []).append(columns)
        for way, windows in scaled.items():
            counts.setdefault(way, []).append(encoders.counts(np.concatenate(windows)))
    return HeldCounts(np.array(order), {way: np.concatenate(of_way) for way, of_way in counts.items()})


@dataclass(frozen=True)
class Outcome:
    """How heads do on clips.

    first : float32 [shape=(n,)], whether the kind ranked first is right, for clips of one of ESC-50's kinds
    precision : float32 [shape=(C,)], each tag's average precision; NaN for one that does not occur
    """

    first: Float32
    precision: Float32


def outcome_of(scores: Held, data: DataSet, tags: Sequence[str]) -> Outcome:
    """Return how a head does whose scores of windows (n, len(tags)) these are."""
    of_clips, clips = scores.of_clips()
    mean = for_tags(data, tags, of_clips)
    _, _, truth, order = ranked(data, Said(clips, mean, mean), ESC50_KINDS)
    known = np.where(np.isnan(mean), np.nan, data.presence()[clips])
    return Outcome((order[:, 0] == truth).astype(np.float32), average_precisions(np.nan_to_num(mean), known))


def mean_of(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the mean of several."""
    return Outcome(*(np.mean([getattr(one, name) for one in outcomes], axis=0) for name in ("first", "precision")))


@dataclass(frozen=True)
class Comparison:
    """Heads on encoders that stay as they are, each tried on the same clips.

    heads : how many there are, and what they learn
    """

    encoders: Encoders
    data: DataSet
    tags: Sequence[str]
    held: HeldCounts
    heads: HeadTrials

    def outcomes(self, pool: Pool, streams: Streams) -> dict[str, Outcome]:
        """Return how heads do that learned from streams, in each way in which clips are spoilt, and in all of these."""
        task, found = self.encoders.task, dict[str, list[Outcome]]()
        for seed in range(self.heads.seeds):
            head = fit_head(task, pool, streams, self.heads.epochs, seed)
            for way, counts in self.held.counts.items():
                scores = Held(scores_of(task, head, counts, self.held.clip), self.held.clip)
                found.setdefault(way, []).append(outcome_of(scores, self.data, self.tags))
        means = {way: mean_of(of_way) for way, of_way in found.items()}
        return means | {SPOILT: mean_of([one for way, one in means.items() if way != AS_RECORDED])}

    @property
    def sources(self) -> Index:
        """The source, as a number, of each clip that `Outcome.first` is about."""
        clips = np.unique(self.held.clip)
        nothing = np.zeros((len(clips), len(self.data.tags)), np.float32)
        _, lone, _, _ = ranked(self.data, Said(clips, nothing, nothing), ESC50_KINDS)
        return np.unique([self.data.clips[clip].source for clip in clips[lone]], return_inverse=True)[1]


def gain(now: Outcome, without: Outcome, sources: Index) -> dict[str, float]:
    """Return by how much top-1 and mean average precision are higher now, each with its standard error.

    Top-1's is over sources, which clips of one share; that of average precision is over tags. Both are of differences.
    """
    first = now.first - without.first
    apart = np.bincount(sources, first - first.mean())
    precision = (now.precision - without.precision)[~np.isnan(now.precision)]
    return {
        "top1": rounded(first.mean()),
        "top1_se": rounded(np.sqrt(np.sum(apart**2)) / len(first)),
        "map": rounded(precision.mean()),
        "map_se": rounded(precision.std(ddof=1) / np.sqrt(len(precision))),
    }


def what_each_brings(comparison: Comparison, pool: Pool, changes: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return the outcome with all augmentations, and what each brings that some changes of settings leave out."""
    encoders, sources, streams = comparison.encoders, comparison.sources, comparison.heads.streams
    now = comparison.outcomes(pool, encoders.streams(pool, {}, streams))
    every = {
        way: {"top1": rounded(one.first.mean()), "map": rounded(np.nanmean(one.precision))} for way, one in now.items()
    }
    brings: dict[str, Any] = {}
    for name, change in changes.items():
        without = comparison.outcomes(pool, encoders.streams(pool, change, streams))
        brings[name] = {way: gain(one, without[way], sources) for way, one in now.items()}
        say(f"{name}: " + "  ".join(f"{way} {brings[name][way]['map']:+.3f}" for way in (AS_RECORDED, SPOILT)) + " mAP")
    return {"clips": len(sources), "sources": int(sources.max()) + 1, "all": every, "brings": brings}

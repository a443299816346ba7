"""Held-out recordings through `bowstream.Tagger`, and the scores that are published."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import bowstream
from bowstream.audio.file import AudioFile
from bowstream.model.bundle import Bundle
from bowstream.model.front_end import FrontEnd
from bowstream.tagger import Tagger

from ..common.parallel import parallel
from ..common.progress import track
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Float32, Index, Split
from ..dataset.negatives import Negative, held_back
from ..model.bundle import TagCalibration
from ..model.calibrate import apply

SCORES = "scores.npz"
# Held-out clips of a split that what is slow looks at: more would say little that is new.
CLIPS = 400


class Change(Protocol):
    """What is done to a recording before it is heard, and the seconds between two scores of it."""

    @property
    def hop_s(self) -> float:
        """Seconds between two scores."""

    def __call__(self, samples: Float32, front_end: FrontEnd) -> Iterable[Float32]:
        """Return a recording's samples, (n,), changed, in whole columns."""


@dataclass(frozen=True)
class Held:
    """What a bundle said of clips that it was not fitted on.

    scores : float32 [shape=(windows, C)]
    clip : int [shape=(windows,)], the clip that each window belongs to
    path : the artefact that holds them, if one does
    """

    scores: Float32
    clip: Index
    path: Path | None = None

    def calibrated(self, tags: Sequence[TagCalibration]) -> Held:
        """Return the same with calibrated scores."""
        return replace(self, scores=apply(self.scores, tags).astype(np.float32))

    def of_clips(self) -> tuple[Float32, Index]:
        """Return a clip's scores, the average over its windows (paper, IV), and which clip they are of."""
        clips, place, windows = np.unique(self.clip, return_inverse=True, return_counts=True)
        total = np.zeros((len(clips), self.scores.shape[1]))
        np.add.at(total, place, self.scores)
        return (total / windows[:, np.newaxis]).astype(np.float32), clips


def spread(clips: Index, most: int) -> Index:
    """Return at most so many clips, evenly spread; neighbours by name may be of one tag."""
    places = np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)
    some: Index = clips[places]
    return some


def together(parts: Sequence[Held]) -> Held:
    """Return the held-out scores of several splits as one."""
    return Held(np.concatenate([part.scores for part in parts]), np.concatenate([part.clip for part in parts]))


def hear_held(root: Path, bundle: Path, data: DataSet, split: Split, features_key: str) -> Held:
    """Return what a bundle says of a split's held-out clips."""
    clips = [data.clips[clip] for clip in split.held]
    inputs = {"features": features_key, "held": digest([clip.name for clip in clips])}
    return hear(root, "held", inputs, bundle, [clip.path for clip in clips], split.held, split.name)


def hear_negatives(root: Path, bundle: Path, negatives: Sequence[Negative], split: Split) -> Held:
    """Return what a bundle says of the negatives that its split holds back; `clip` is their place among all."""
    numbers = held_back(negatives, split)
    heard = [negatives[number] for number in numbers]
    inputs = {"negatives": digest([numbers, [negative.content for negative in heard]])}
    paths = [negative.path for negative in heard]
    return hear(root, "heard_negatives", inputs, bundle, paths, np.array(numbers), f"{split.name}, negatives")


def hear(
    root: Path,
    stage: str,
    inputs: Mapping[str, Any],
    bundle: Path,
    paths: Sequence[Path],
    clips: Index,
    title: str,
    change: Change | None = None,
) -> Held:
    """Return what a bundle says of recordings, each a stream of its own, worked out once on all cores.

    Parameters
    ----------
    inputs : what tells the recordings, for the artefact's name
    clips : the number of each recording
    change : what is done to each before it is heard
    """

    def make(path: Path) -> None:
        work = functools.partial(scores_of, str(bundle), change=change)
        heard = list(track(parallel(work, paths), len(paths), title))
        np.savez(path / SCORES, scores=np.concatenate(heard), clip=np.repeat(clips, [len(scores) for scores in heard]))

    path = artefact(root, stage, {"bundle": bundle.name, **inputs}, make)
    with np.load(path / SCORES) as arrays:
        return Held(arrays["scores"], arrays["clip"], path)


@functools.lru_cache(1)
def loaded(bundle: str) -> Bundle:
    """Return a bundle; a process loads it once."""
    return bowstream.load_bundle(bundle)


def scores_of(bundle: str, path: Path, change: Change | None = None) -> Float32:
    """Return the scores of a recording's windows, float32 [shape=(windows, C)], as `bowstream replay` gives them."""
    tagger = Tagger(loaded(bundle), change.hop_s) if change else Tagger(loaded(bundle))
    with AudioFile(path, tagger.front_end.format) as source:
        blocks: Iterable[Float32] = (heard.samples for heard in source)
        if change:
            blocks = change(np.concatenate(list(blocks)), tagger.front_end)
        tags = [tags for block in blocks for tags in tagger.push(block)]
    return np.stack([heard.array for heard in [*tags, *tagger.flush()]])


def average_precisions(scores: Float32, presence: Float32) -> Float32:
    """Return each tag's average precision over what is known of it, (C,); NaN for a tag that does not occur.

    Parameters
    ----------
    presence : float32 [shape=(n, C)], 1 where a tag is there, 0 where it is not, NaN where it may be
    """
    from sklearn.metrics import average_precision_score

    known = ~np.isnan(presence)
    return np.array(
        [
            average_precision_score(truth[sure], score[sure]) if (truth == 1.0).any() else np.nan
            for truth, score, sure in zip(presence.T, scores.T, known.T)
        ]
    )


def measure(held: Held, presence: Float32, single_label: bool) -> dict[str, float]:
    """Return chunk mAP and clip mAP as the paper defines them, and accuracy over clips for single-label sets.

    Parameters
    ----------
    presence : float32 [shape=(clips, C)], of all clips of the data set: 1, 0, or NaN where it is unknown
    """
    clip_scores, clips = held.of_clips()
    values = {
        "clip_map": float(np.nanmean(average_precisions(clip_scores, presence[clips]))),
        "chunk_map": float(np.nanmean(average_precisions(held.scores, presence[held.clip]))),
    }
    if single_label:
        values["accuracy"] = float((clip_scores.argmax(axis=1) == np.nanargmax(presence[clips], axis=1)).mean())
    return values


def over_folds(values: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Return each measure's mean over folds with its 95 % confidence interval (Student's t)."""
    from scipy.stats import t

    summary: dict[str, dict[str, Any]] = {}
    for name in values[0]:
        folds = np.array([fold[name] for fold in values])
        summary[name] = {"mean": round(float(folds.mean()), 4), "folds": [round(float(value), 4) for value in folds]}
        if len(folds) > 1:
            half = t.ppf(0.975, len(folds) - 1) * folds.std(ddof=1) / np.sqrt(len(folds))
            summary[name]["interval_95"] = [
                round(float(np.clip(folds.mean() + sign * half, 0.0, 1.0)), 4) for sign in (-1, 1)
            ]
    return summary

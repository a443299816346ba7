"""Teaching, measured: tags that a bundle does not know, learned from few clips and tried on clips of other recordings.

Background and what is tried come from different sources, and no recording is both learned from and tried. Another
tagger's scores (their logarithm) and its embedding are learned from by the same analysis; and all by logistic
regression, as openWakeWord's verifier does it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.errors import UsageError
from bowstream.learn.fit import Background

from ..common.parallel import parallel
from ..common.progress import track
from ..dataset.data import Clip, DataSet, Float32
from .evaluate import loaded
from .lessons import Heard, hear_embedding, hear_ours, hear_scores
from .waveform import WaveformTagger

EXAMPLES = (1, 3, 5, 10, 20)
# Clips and recordings that a tag needs to be tried, and recordings that are left to try it on.
FEWEST_CLIPS, FEWEST_GROUPS, FEWEST_TRIED = 5, 3, 2
# Share of the clips that must surely be without it: what may be anywhere is told from nothing.
WITHOUT = 0.5
# Windows of everyday sound, and of a clip of it.
WINDOWS, OF_CLIP = 2000, 2
# Share of the tried clips that are of the tag, by weight: what average precision depends on.
SHARE = 0.25
FALSE_SHARE = 0.01
SEED = 5


@dataclass(frozen=True)
class Measured:
    """What was measured of a tag with `k` examples, a mean over trials."""

    tag: str
    k: int
    average_precision: float
    recall: float


def unknown_tags(data: DataSet, known: Sequence[str]) -> list[str]:
    """Return the tags that a bundle does not know and that have clips and recordings enough, and clips without."""
    names = {name.lower() for name in known}
    found = []
    for tag in data.tags:
        clips = [clip for clip in data.clips if tag in clip.tags]
        groups = {clip.group or clip.name for clip in clips}
        enough = len(clips) >= FEWEST_CLIPS and len(groups) >= FEWEST_GROUPS
        if tag.lower() not in names and enough and without(data, tag) >= WITHOUT:
            found.append(tag)
    return found


def without(data: DataSet, tag: str) -> float:
    """Return the share of the clips that are surely without a tag."""
    return float(np.mean([tag not in clip.tags and tag not in clip.may for clip in data.clips]))


def few_shot(
    data: DataSet,
    bundle: Path,
    tags: Sequence[str],
    trials: int,
    other: WaveformTagger | None = None,
    verifier: bool = False,
    of_source: int | None = None,
) -> dict[str, list[Measured]]:
    """Return the measures of each tagger, by its name; tags are those that the bundle does not know, unless given.

    Parameters
    ----------
    verifier : whether all is also learned by logistic regression
    of_source : how many clips of each source are heard at the most, beside those of the tags

    Raises
    ------
    UsageError
        If the data set lacks a tag, or it or no tag can be tried.
    """
    if missing := set(tags) - set(data.tags):
        raise UsageError(f"the data set has no tag {min(missing)!r}")
    for tag in tags:
        if without(data, tag) < WITHOUT:
            raise UsageError(f"{tag!r} may sound in most clips: it can be told from nothing in this data set")
    described = loaded(str(bundle)).description["tags"]
    chosen = tags or unknown_tags(data, [tag["name"] for tag in described])
    if not chosen:
        raise UsageError(f"no tag is unknown to {bundle} and has {FEWEST_CLIPS} clips of {FEWEST_GROUPS} recordings")
    hearers = {"ours": partial(hear_ours, bundle=str(bundle))}
    if other:
        hearers[other.path.stem] = partial(hear_scores, other=other)
        hearers[f"{other.path.stem}, embedding"] = partial(hear_embedding, other=other.embedding)
    measured, wanted = {}, [*data.clips] if of_source is None else fewer(data.clips, chosen, of_source)
    for name, hear in hearers.items():
        paths = [clip.path for clip in wanted]
        heard = [*track(parallel(hear, paths), len(paths), f"{name} hears clips")]
        pairs = [(clip, each) for clip, each in zip(wanted, heard) if each]
        clips, features = [clip for clip, _ in pairs], [each for _, each in pairs]
        measured[name] = measure(clips, features, chosen, trials)
        if verifier:
            measured[f"{name}, verifier"] = measure(clips, features, chosen, trials, Verifier)
    return measured


def fewer(clips: Sequence[Clip], tags: Sequence[str], of_source: int) -> list[Clip]:
    """Return the clips of tags, and so many of each source, of whatever."""
    taken: Counter[str] = Counter()
    kept = {place for place, clip in enumerate(clips) if not set(tags).isdisjoint(clip.tags)}
    for place in np.random.default_rng(SEED).permutation(len(clips)).tolist():
        taken[clips[place].source] += 1
        if taken[clips[place].source] <= of_source:
            kept.add(place)
    return [clip for place, clip in enumerate(clips) if place in kept]


class Verifier:
    """Learns as openWakeWord's verifier does: by logistic regression on standardised features.

    Source: `openwakeword/custom_verifier_model.py`, whose settings these are.
    """

    def __init__(self, features: Float32) -> None:
        self.features = features

    def fit(self, examples: Sequence[Float32]) -> Callable[[Float32], Float32]:
        """Return what scores features."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features = np.concatenate([self.features, *examples])
        truth = np.arange(len(features)) >= len(self.features)
        model = make_pipeline(StandardScaler(), LogisticRegression(random_state=0, max_iter=2000, C=0.001))
        scores: Callable[[Float32], Float32] = model.fit(features, truth).decision_function
        return scores


def measure(
    clips: Sequence[Clip],
    heard: Sequence[Heard],
    tags: Sequence[str],
    trials: int,
    learner: type[Background] | type[Verifier] = Background,
) -> list[Measured]:
    """Return the measures of tags, each a mean over trials with other background and examples."""
    sources = sorted({clip.source for clip in clips})
    windows = np.concatenate([each.features for each in heard])
    firsts = np.cumsum([0, *(len(each.features) for each in heard)])[:-1]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for trial in range(trials):
        order = np.random.default_rng(trial).permutation(sources)
        behind = set(order[: len(order) // 2].tolist())
        for tag in tags:
            rng = np.random.default_rng([trial, zlib.crc32(tag.encode())])
            background = learner(everyday(clips, heard, tag, behind, rng))
            groups = [clip.group or clip.name for clip in clips]
            examples = one_of_each(clips, groups, tag, rng)
            for k in EXAMPLES:
                if len(examples) < k + FEWEST_TRIED:
                    continue
                learned = examples[:k]
                row = background.fit([heard[index].features[heard[index].loud] for index in learned])
                taken = {groups[index] for index in learned}
                tried = [
                    index
                    for index, clip in enumerate(clips)
                    if (groups[index] not in taken if tag in clip.tags else clip.source not in behind)
                    and tag not in clip.may
                ]
                scores = np.maximum.reduceat(row(windows), firsts)[tried]
                truth = np.array([tag in clips[index].tags for index in tried])
                if truth.any() and not truth.all():
                    result = (average_precision(truth, scores), recall_at(truth, scores))
                    found.setdefault((tag, k), []).append(result)
    return [Measured(tag, k, *np.mean(values, axis=0).tolist()) for (tag, k), values in found.items()]


def everyday(
    clips: Sequence[Clip], heard: Sequence[Heard], tag: str, sources: set[str], rng: np.random.Generator
) -> Float32:
    """Return features of windows of clips from these sources that are not of the tag."""
    parts = [
        each.features[rng.permutation(len(each.features))[:OF_CLIP]]
        for clip, each in zip(clips, heard)
        if clip.source in sources and tag not in clip.tags and tag not in clip.may
    ]
    windows = np.concatenate(parts)
    return windows[rng.permutation(len(windows))[:WINDOWS]]


def one_of_each(clips: Sequence[Clip], groups: Sequence[str], tag: str, rng: np.random.Generator) -> list[int]:
    """Return a clip of the tag from each of its recordings, in any order."""
    of_group: dict[str, list[int]] = {}
    for index, clip in enumerate(clips):
        if tag in clip.tags:
            of_group.setdefault(groups[index], []).append(index)
    return [int(rng.choice(of_group[group])) for group in rng.permutation(sorted(of_group)).tolist()]


def average_precision(truth: NDArray[np.bool_], scores: Float32) -> float:
    """Return the average precision, with clips weighted so that `SHARE` of them are of the tag."""
    weight = truth.sum() * (1.0 - SHARE) / SHARE / (~truth).sum()
    ordered = truth[np.argsort(-scores, kind="stable")]
    true, false = np.cumsum(ordered), np.cumsum(~ordered) * weight
    return float((true / (true + false))[ordered].mean())


def recall_at(truth: NDArray[np.bool_], scores: Float32) -> float:
    """Return the share of the tag's clips above the score that `FALSE_SHARE` of the others reach."""
    return float((scores[truth] > np.quantile(scores[~truth], 1.0 - FALSE_SHARE)).mean())


def means(measured: Sequence[Measured]) -> Mapping[int, tuple[int, float, float]]:
    """Return how many tags were tried with `k` examples, and their mean average precision and recall, by `k`."""
    rows = {k: [each for each in measured if each.k == k] for k in EXAMPLES}
    return {
        k: (
            len(each),
            float(np.mean([one.average_precision for one in each])),
            float(np.mean([one.recall for one in each])),
        )
        for k, each in rows.items()
        if each
    }

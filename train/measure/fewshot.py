"""Teaching, measured: what a bundle does not know, learned from few clips and tried on others.

Background is of the sources that the bundle learned from, as on a device; what is tried is of sources that it never
heard. Another tagger's scores (their logarithm) and its embedding are learned from by the same analysis; and all by
logistic regression, as openWakeWord's verifier does it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
from .kinds import FEWEST_TRIED, SEED, THING, WITHOUT, Kind, a_tag, fewer, tags_outside, things_outside, without
from .lessons import Heard, hear_other, hear_ours
from .waveform import WaveformTagger

EXAMPLES = (1, 3, 5, 10, 20)
# Of a thing as well: told from clips of the same tags alone, of which there must be so many.
LIKE, FEWEST_LIKE = "thing among its like", 20
# Windows of everyday sound, and of a clip of it.
WINDOWS, OF_CLIP = 2000, 2
# Share of the tried clips that are of the kind, by weight: what average precision depends on.
SHARE = 0.25
FALSE_SHARE = 0.01


@dataclass(frozen=True)
class Measured:
    """What was measured of a kind with `k` examples, a mean over trials; `what` is `TAG`, `THING` or `LIKE`."""

    what: str
    name: str
    k: int
    average_precision: float
    recall: float


def few_shot(
    data: DataSet,
    bundle: Path,
    tags: Sequence[str],
    trials: int,
    other: WaveformTagger | None = None,
    verifier: bool = False,
    of_source: int | None = None,
) -> dict[str, list[Measured]]:
    """Return the measures of each tagger, by its name, of all that the bundle does not know, or of tags if given.

    Parameters
    ----------
    verifier : whether all is also learned by logistic regression
    of_source : how many clips of each source are heard at the most, beside those of the kinds

    Raises
    ------
    UsageError
        If the data set lacks a tag, or it or nothing can be tried.
    """
    if missing := set(tags) - set(data.tags):
        raise UsageError(f"the data set has no tag {min(missing)!r}")
    for tag in tags:
        if without(data, tag) < WITHOUT:
            raise UsageError(f"{tag!r} may sound in most clips: it can be told from nothing in this data set")
    knows = loaded(str(bundle))
    known, learned = knows.output_names, knows.description.get("sources", {}).keys()
    kinds = [a_tag(data, tag) for tag in tags] or [*tags_outside(data, known, learned), *things_outside(data, learned)]
    if not kinds:
        raise UsageError(f"the data set has no tag and no thing that {bundle} does not know, with recordings enough")
    hearers: dict[tuple[str, ...], Callable[[Path], tuple[Heard, ...] | None]]
    hearers = {("ours",): partial(hear_ours, bundle=str(bundle))}
    if other:
        stem = other.path.stem
        hearers[stem, f"{stem}, embedding"] = partial(hear_other, other=other.embedding)
    measured, wanted = {}, [*data.clips] if of_source is None else fewer(data.clips, kinds, of_source)
    for names, hear in hearers.items():
        paths = [clip.path for clip in wanted]
        heard = [*track(parallel(hear, paths), len(paths), f"{names[0]} hears clips")]
        clips = [clip for clip, each in zip(wanted, heard) if each]
        for name, features in zip(names, zip(*(each for each in heard if each))):
            measured[name] = measure(clips, features, kinds, trials, learned)
            if verifier:
                measured[f"{name}, verifier"] = measure(clips, features, kinds, trials, learned, Verifier)
    return measured


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


Learner = type[Background] | type[Verifier]


def measure(
    clips: Sequence[Clip],
    heard: Sequence[Heard],
    kinds: Sequence[Kind],
    trials: int,
    learned: Collection[str] = (),
    learner: Learner = Background,
) -> list[Measured]:
    """Return the measures of kinds, each a mean over trials with other background and examples.

    Parameters
    ----------
    learned : sources of the background; half of all, in each trial others, if there is no clip of them
    """
    windows = np.concatenate([each.features for each in heard])
    firsts = np.cumsum([0, *(len(each.features) for each in heard)])[:-1]
    found: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for trial in range(trials):
        behind = sources_behind(clips, learned, trial)
        backgrounds = Backgrounds(clips, heard, behind, trial, learner)
        for kind in kinds:
            background = backgrounds.without(kind)
            examples = examples_of(kind, clips, np.random.default_rng([trial, zlib.crc32(kind.name.encode())]))
            for k in EXAMPLES:
                if len(examples) < k + FEWEST_TRIED:
                    continue
                row = background.fit([heard[place].features[heard[place].loud] for place in examples[:k]])
                scores = np.maximum.reduceat(row(windows), firsts)
                taken = {kind.clips[clips[place].name] for place in examples[:k]}
                for what, tried in others(clips, kind, taken, behind):
                    truth = np.array([clips[place].name in kind.clips for place in tried])
                    if truth.any() and not truth.all():
                        result = average_precision(truth, scores[tried]), recall_at(truth, scores[tried])
                        found.setdefault((what, kind.name, k), []).append(result)
    return [Measured(*key, *np.mean(values, axis=0).tolist()) for key, values in found.items()]


def sources_behind(clips: Sequence[Clip], learned: Collection[str], trial: int) -> set[str]:
    """Return the sources that background is drawn from."""
    sources = sorted({clip.source for clip in clips})
    if behind := set(learned).intersection(sources):
        return behind
    return set(np.random.default_rng(trial).permutation(sources)[: len(sources) // 2].tolist())


class Backgrounds:
    """Everyday sound of a trial, the same for all kinds but for what may be of the kind itself."""

    def __init__(
        self, clips: Sequence[Clip], heard: Sequence[Heard], behind: set[str], trial: int, learner: Learner
    ) -> None:
        rng = np.random.default_rng([trial, SEED])
        parts = [
            (clip.name, features)
            for clip, each in zip(clips, heard)
            if clip.source in behind
            for features in each.features[rng.permutation(len(each.features))[:OF_CLIP]]
        ]
        self._drawn = [parts[place] for place in rng.permutation(len(parts)).tolist()]
        self._learner = learner
        self._whole = self._of([features for _, features in self._drawn])

    def without(self, kind: Kind) -> Background | Verifier:
        """Return what learns a kind."""
        kept = [features for name, features in self._drawn if name not in kind.clips and name not in kind.unclear]
        return self._whole if len(kept) == len(self._drawn) else self._of(kept)

    def _of(self, windows: Sequence[Float32]) -> Background | Verifier:
        return self._learner(np.stack(windows[:WINDOWS]))


def examples_of(kind: Kind, clips: Sequence[Clip], rng: np.random.Generator) -> list[int]:
    """Return a clip from each of a kind's recordings, in any order."""
    of_recording: dict[str, list[int]] = {}
    for place, clip in enumerate(clips):
        if clip.name in kind.clips:
            of_recording.setdefault(kind.clips[clip.name], []).append(place)
    return [int(rng.choice(of_recording[name])) for name in rng.permutation(sorted(of_recording)).tolist()]


def others(
    clips: Sequence[Clip], kind: Kind, taken: Collection[str], behind: Collection[str]
) -> Iterator[tuple[str, list[int]]]:
    """Yield the clips that a kind is tried on, its own of other recordings among them: all, then of its like."""
    tried = [
        place
        for place, clip in enumerate(clips)
        if clip.name not in kind.unclear
        and (kind.clips[clip.name] not in taken if clip.name in kind.clips else clip.source not in behind)
    ]
    yield kind.what, tried
    like = [place for place in tried if not kind.like.isdisjoint(clips[place].tags) or clips[place].name in kind.clips]
    if kind.what == THING and sum(clips[place].name not in kind.clips for place in like) >= FEWEST_LIKE:
        yield LIKE, like


def average_precision(truth: NDArray[np.bool_], scores: Float32) -> float:
    """Return the average precision, with clips weighted so that `SHARE` of them are of the kind."""
    weight = truth.sum() * (1.0 - SHARE) / SHARE / (~truth).sum()
    ordered = truth[np.argsort(-scores, kind="stable")]
    true, false = np.cumsum(ordered), np.cumsum(~ordered) * weight
    return float((true / (true + false))[ordered].mean())


def recall_at(truth: NDArray[np.bool_], scores: Float32) -> float:
    """Return the share of the kind's clips above the score that `FALSE_SHARE` of the others reach."""
    return float((scores[truth] > np.quantile(scores[~truth], 1.0 - FALSE_SHARE)).mean())


def means(measured: Sequence[Measured], what: str) -> Mapping[int, tuple[int, float, float]]:
    """Return how many kinds were tried with `k` examples, and their mean average precision and recall, by `k`."""
    rows = {k: [each for each in measured if each.what == what and each.k == k] for k in EXAMPLES}
    return {
        k: (
            len(each),
            float(np.mean([one.average_precision for one in each])),
            float(np.mean([one.recall for one in each])),
        )
        for k, each in rows.items()
        if each
    }

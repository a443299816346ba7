"""Other places: what bundles say of clips from sources that they did not learn from, and another tagger beside them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.model.bundle import Bundle

from ..common.parallel import parallel
from ..common.progress import say, track
from ..common.store import artefact, digest
from ..dataset.data import ALWAYS, Clip, DataSet, Float32, Index
from ..dataset.errors import DataError
from .evaluate import average_precisions, scores_of
from .waveform import WaveformTagger

SCORES = "scores.npz"
# Windows of another tagger overlap by half, as YAMNet's do.
HOPS_A_WINDOW = 2


@dataclass(frozen=True)
class Said:
    """What a tagger says of clips.

    clips : int [shape=(n,)], which of the data set's clips
    mean, highest : float32 [shape=(n, C)], over the windows of each clip; NaN for a tag that it does not know
    """

    clips: Index
    mean: Float32
    highest: Float32

    def of(self, clips: Index) -> Said:
        """Return what it says of these of its clips."""
        place = np.searchsorted(self.clips, clips)
        return Said(clips, self.mean[place], self.highest[place])


def learned_from(bundle: Bundle) -> frozenset[str]:
    """Return the sources that a bundle learned from."""
    return frozenset(bundle.description.get("sources", [bundle.description["trained_on"]]))


def stranger(clip: Clip, bundles: Sequence[Bundle]) -> Bundle | None:
    """Return the first bundle that did not learn from a clip's source, nor from a set that holds its recording.

    What is never tried on is tried on no bundle.
    """
    if clip.fold == ALWAYS:
        return None
    return next((bundle for bundle in bundles if not {clip.source, clip.twin} & learned_from(bundle)), None)


def said_by_strangers(root: Path, data: DataSet, bundles: Sequence[Bundle]) -> Said:
    """Return what is said of each clip by the first of the bundles that did not learn from its source.

    Raises
    ------
    DataError
        If all of them learned from all sources.
    """
    by_bundle = [stranger(clip, bundles) for clip in data.clips]
    parts = []
    for bundle in bundles:
        clips = np.flatnonzero([one is bundle for one in by_bundle])
        if len(clips):
            said = heard(root, bundle.description["sha256"], functools.partial(summed_up, bundle.path), data, clips)
            names = [tag.name for tag in bundle.tags]
            parts.append(Said(clips, *(for_tags(data, names, values) for values in said)))
    if not parts:
        raise DataError([f"{data.name}: the bundles have learned from each of its sources"])
    if left := sum(one is None for one in by_bundle):
        say(f"note: {left} of {len(by_bundle)} clips are left out: no bundle may be tried on their sources")
    clips = np.concatenate([part.clips for part in parts])
    order = np.argsort(clips)
    mean, highest = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("mean", "highest"))
    return Said(clips[order], mean, highest)


def said_by_other(root: Path, data: DataSet, other: WaveformTagger, clips: Index) -> Said:
    """Return what another tagger says of clips, its labels mapped onto the data set's vocabulary."""
    if data.vocabulary is None:
        raise DataError([f"{data.name}: labels of another tagger can only be mapped onto a --vocabulary"])
    work = functools.partial(summed_up_by_other, other)
    values = heard(root, digest([other.path.name, other.path.stat().st_size, *other.labels]), work, data, clips)
    found = [data.vocabulary.heard(other.labels, one, near=False) for one in values]
    return Said(clips, *(for_tags(data, list(one), np.stack(list(one.values()), axis=1)) for one in found))


def heard(root: Path, tagger: str, work: Any, data: DataSet, clips: Index) -> Float32:
    """Return mean and highest scores of clips, float32 [shape=(2, n, L)], worked out once on all cores."""
    paths = [data.clips[clip].path for clip in clips]

    def make(path: Path) -> None:
        scores = list(track(parallel(work, paths), len(paths), "hearing"))
        np.savez(path / SCORES, scores=np.stack(scores, axis=1))

    names = [[data.clips[clip].name, data.clips[clip].path.stat().st_size] for clip in clips]
    with np.load(artefact(root, "places", {"tagger": tagger, "clips": digest(names)}, make) / SCORES) as arrays:
        scores: Float32 = arrays["scores"]
        return scores


def summed_up(bundle: Path, path: Path) -> Float32:
    """Return mean and highest of a bundle's scores over a recording's windows, (2, C)."""
    scores = scores_of(str(bundle), path)
    return np.stack([scores.mean(axis=0), scores.max(axis=0)])


def summed_up_by_other(other: WaveformTagger, path: Path) -> Float32:
    """Return mean and highest of another tagger's scores over a recording's windows, (2, L)."""
    scores = other.hear(path, other.window_length // HOPS_A_WINDOW)
    return np.stack([scores.mean(axis=0), scores.max(axis=0)])


def for_tags(data: DataSet, names: Sequence[str], scores: Float32) -> Float32:
    """Return scores (n, L) of these names in the columns of the data set's tags, (n, C); NaN where there is none."""
    place = {name: column for column, name in enumerate(names)}
    columns = [scores[:, place[tag]] if tag in place else np.full(len(scores), np.nan) for tag in data.tags]
    return np.stack(columns, axis=1).astype(np.float32)


def of_kinds(data: DataSet, said: Said, kinds: Sequence[str]) -> dict[str, Any]:
    """Return how often the highest of these tags is the one that a clip has, for clips that have just one of them.

    Returns
    -------
    table : `top1` and `top5` over clips, `macro` over kinds and `by_source` over sources (means of top-1), `sources`
        with each source's clips and top-1
    """
    columns, lone, truth, order = ranked(data, said, kinds)
    first, five = order[:, 0] == truth, (order[:, :5] == truth[:, np.newaxis]).any(axis=1)
    source = np.array([data.clips[clip].source for clip in said.clips[lone]])
    sources = {
        str(name): {"clips": int((source == name).sum()), "top1": rounded(first[source == name].mean())}
        for name in np.unique(source)
    }
    of_kind = {data.tags[columns[kind]]: rounded(first[truth == kind].mean()) for kind in np.unique(truth)}
    return {
        "clips": int(lone.sum()),
        "top1": rounded(first.mean()),
        "top5": rounded(five.mean()),
        "macro": rounded(np.mean(list(of_kind.values()))),
        "by_source": rounded(np.mean([one["top1"] for one in sources.values()])),
        "sources": sources,
        "kinds": of_kind,
    }


def ranked(data: DataSet, said: Said, kinds: Sequence[str]) -> tuple[Index, Index, Index, Index]:
    """Return the columns of these tags, (k,), which clips have just one of them, (n,), which, and their order in each.

    The last two are places among the columns, for those clips alone: (m,), and (m, k) with the highest first.
    """
    columns = np.array([data.tags.index(kind) for kind in kinds if kind in data.tags], np.intp)
    targets = data.targets()[np.ix_(said.clips, columns)]
    lone = targets.sum(axis=1) == 1
    order = np.argsort(-np.nan_to_num(said.mean[np.ix_(lone, columns)], nan=-1.0), axis=1, kind="stable")
    return columns, lone, targets[lone].argmax(axis=1), order


def of_tags(data: DataSet, said: Said, on: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return each tag's evidence over clips of which it is known whether they have it.

    Parameters
    ----------
    on : the threshold of each tag that has one

    Returns
    -------
    table : `clips` that have it, `average_precision`, and where there is a threshold `recall`, the share of them of
        which a window reaches it, all in all and in each of its `sources`
    """
    presence = data.presence()[said.clips]
    known = np.where(np.isnan(said.mean), np.nan, presence)
    precisions = average_precisions(np.nan_to_num(said.mean), known)
    source = np.array([data.clips[clip].source for clip in said.clips])
    table: dict[str, dict[str, Any]] = {}
    for column, tag in enumerate(data.tags):
        there = presence[:, column] == 1.0
        if not there.any() or np.isnan(precisions[column]):
            continue
        table[tag] = {"clips": int(there.sum()), "average_precision": rounded(precisions[column])}
        names, counts = np.unique(source[there], return_counts=True)
        table[tag]["sources"] = {str(name): int(count) for name, count in zip(names, counts)}
        if tag in on:
            raised = said.highest[:, column] >= on[tag]
            table[tag]["recall"] = rounded(raised[there].mean())
            table[tag]["recalls"] = {str(name): rounded(raised[there & (source == name)].mean()) for name in names}
    return table


def rounded(value: Any) -> float:
    """Return a share as JSON holds it."""
    return round(float(value), 4)

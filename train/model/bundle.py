"""Writes a bundle in the form that `bowstream.model.bundle` reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bowstream.model.bundle
from bowstream.model.bundle import BACKGROUND, CODEBOOKS, DESCRIPTION, ENCODERS, FILES, FORMAT, HEAD, HEAD_ROWS, PROBE
from bowstream.model.patches import FAMILIES
from bowstream.tagger import Tagger

from ..common.config import TrainConfig
from ..common.store import git_revision, inputs_of, stated_time, versions
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features, synthetic_second
from .codebook import CENTROIDS
from .export import NETWORK
from .split import split_head

LICENCE_FILE = "LICENSE"
LICENCE = """The weights in this folder were trained on {name}. Their licence:

{licence}
{sources}
The code that made and runs them is MIT, see the LICENSE of bowstream.
"""
LICENSED_SOURCE = "{source} ({clips} clips): {licences}"


@dataclass(frozen=True)
class Parts:
    """The artefacts of one fitted model, what its head wants to see, and how its tags compete.

    context : windows whose counts are one sum
    warm_starts : settings of the trainings that it went on from, the first one first
    """

    networks: Mapping[str, Path]
    codebooks: Mapping[str, Path]
    head: Path
    count_transform: str
    context: int
    competition: float = 0.0
    warm_starts: Sequence[Mapping[str, Any]] = ()

    def names(self) -> list[str]:
        """Return the artefacts' names, which tell this model from any other."""
        return [path.name for path in (*self.networks.values(), *self.codebooks.values(), self.head)]

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Return what went into each stage of it: hashes of recordings, of labels and of code, and settings."""
        return inputs_of(self.head.parents[1], (*self.networks.values(), *self.codebooks.values(), self.head))


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and what it was made from.

    fit : the clips that it learned from
    held_back : the part of the negatives that it did not learn from, if there is one
    """

    parts: Parts
    features: Features
    data: DataSet
    config: TrainConfig
    fit: Index
    held_back: int | None = None


@dataclass(frozen=True)
class TagCalibration:
    """A tag's calibration, score = sigmoid(slope * logit + bias), and the scores at which its events begin and end.

    `average_precision` is that over held-out clips, None where the tag was in none. A tag that does not work is heard
    of by the head only. `usual` is the logit that other sound usually scores, if that was measured. `untuned` are slope
    and bias before `tune` changed them.
    """

    slope: float = 1.0
    bias: float = 0.0
    on: float = 0.5
    off: float = 0.25
    average_precision: float | None = None
    works: bool = True
    usual: float | None = None
    untuned: Sequence[float] | None = None


def write_bundle(
    path: Path, name: str, model: Fitted, tags: Sequence[TagCalibration], metrics: Mapping[str, Any]
) -> None:
    """Write a bundle into a folder, with its probe, its licence and where it learned from; `rewrite` tunes it."""
    parts, features, data, fit = model.parts, model.features, model.data, model.fit
    path.mkdir(parents=True, exist_ok=True)
    copy_parts(path, parts)
    (path / LICENCE_FILE).write_text(licence_text(data, fit), "utf-8")
    groups = data.vocabulary.groups() if data.vocabulary else {}
    description = {
        "format": FORMAT,
        "name": name,
        "created": stated_time(),
        "git_revision": git_revision(),
        "front_end": asdict(features.front_end),
        "level": features.level.stored() if features.level else None,
        "count_transform": parts.count_transform,
        "context": parts.context,
        "competition": parts.competition,
        "tags": [
            {"name": tag, "group": groups.get(tag, ""), **asdict(settings), "sources": sources_of(data, fit, tag)}
            for tag, settings in zip(data.tags, tags)
        ],
        "sensitivity": None,
        **origin(data, fit),
        "negatives_held_back": model.held_back,
        "training": {**model.config.read(), **({"warm_starts": parts.warm_starts} if parts.warm_starts else {})},
        "made_from": parts.inputs(),
        "versions": versions(),
        "metrics": dict(metrics),
    }
    finish(path, description, synthetic_second(features.front_end))


def copy_parts(path: Path, parts: Parts) -> None:
    """Copy networks and codebooks into a bundle's folder, the head's first layer as rows."""
    for family in FAMILIES:
        shutil.copyfile(parts.networks[family] / NETWORK, path / ENCODERS[family])
    rows, rest = split_head((parts.head / NETWORK).read_bytes())
    save_arrays(path / HEAD_ROWS, rows)
    (path / HEAD).write_bytes(rest)
    save_arrays(path / CODEBOOKS, {f: np.load(parts.codebooks[f] / CENTROIDS) for f in FAMILIES})
    save_arrays(path / PROBE, {})  # until the bundle can be heard


def origin(data: DataSet, fit: Index) -> dict[str, Any]:
    """Return the fields that say what a bundle learned from, and the licences."""
    return {
        "trained_on": data.name,
        "sources": sources_of(data, fit),
        "source_licences": licences_of(data, fit),
        "licences": {"weights": data.licence, "code": "MIT"},
    }


def finish(path: Path, description: Mapping[str, Any], samples: Float32) -> None:
    """Write `bundle.json` and the probe, and load the bundle."""
    seal(path, description)
    save_arrays(path / PROBE, probe(path, samples))
    seal(path, description)
    bowstream.load_bundle(path)


def rewrite(
    path: Path, tags: Sequence[TagCalibration], sensitivity: Mapping[str, Any] | None, metrics: Mapping[str, Any]
) -> None:
    """Give a bundle other calibration and thresholds, its sensitivity, and more metrics; its networks stay."""
    bundle, _ = bowstream.model.bundle.read(path)
    description = {
        **bundle.description,
        "tags": [{**old, **asdict(tag)} for old, tag in zip(bundle.description["tags"], tags)],
        "sensitivity": sensitivity,
        "metrics": {**bundle.description["metrics"], **metrics},
    }
    finish(path, description, synthetic_second(bundle.front_end))


def sources_of(data: DataSet, fit: Index, tag: str | None = None) -> dict[str, int]:
    """Return how many of the clips that are learned from are of each source: of those with a tag, or of all."""
    clips = [data.clips[index] for index in fit]
    return dict(sorted(Counter(clip.source for clip in clips if tag is None or tag in clip.tags).items()))


def licence_text(data: DataSet, fit: Index) -> str:
    """Return the text of a bundle's licence file: those of the data sets, and of each source that states its own."""
    clips = sources_of(data, fit)
    lines = [
        LICENSED_SOURCE.format(source=source, clips=clips[source], licences="; ".join(stated))
        for source, stated in licences_of(data, fit).items()
        if stated
    ]
    sources = "\n".join(["", "The sources, and what is stated of them:", "", *lines, ""]) if lines else ""
    return LICENCE.format(name=data.name, licence=data.licence, sources=sources)


def licences_of(data: DataSet, fit: Index) -> dict[str, list[str]]:
    """Return the licences of each source's clips, as their tables state them."""
    stated: dict[str, set[str]] = {}
    for index in fit:
        clip = data.clips[index]
        stated.setdefault(clip.source, set()).update([clip.licence] if clip.licence else [])
    return {source: sorted(licences) for source, licences in sorted(stated.items())}


def seal(path: Path, description: Mapping[str, Any]) -> None:
    """Write `bundle.json` with the hashes of the files and its own."""
    names = [*FILES, *([BACKGROUND] if (path / BACKGROUND).exists() else [])]
    hashes = {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in names}
    content = {**description, "files": hashes}
    content["sha256"] = bowstream.model.bundle.digest(content)
    (path / DESCRIPTION).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def probe(path: Path, samples: np.ndarray) -> dict[str, np.ndarray]:
    """Return what this machine makes of a second of sound."""
    bundle, _ = bowstream.model.bundle.read(path)
    tagger = Tagger(bundle)
    log_mel = tagger.columns.log_mel.push(samples)
    tagger.reset()
    (scores,) = tagger.push(samples)
    return {"samples": samples, "log_mel": log_mel, "codes": scores.codes[-1], "scores": scores.array}


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz file whose bytes depend on the arrays alone, not on the time."""
    np.savez(path, **arrays)

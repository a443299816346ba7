"""Bundles on scenes of what they did not learn from: clips of other sources, negatives that were held back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle
from bowstream.tagger import Tagger

from ..common.progress import say
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Index
from ..dataset.negatives import Negative
from ..dataset.scenes import Scene, backgrounds_alone, in_a_quiet_room, scenes
from .evaluate import SCORES, loaded
from .places import stranger
from .streams import Heard, by_bundle, by_other, hear, with_usual, without_samples
from .waveform import WaveformTagger


def clips_for(data: DataSet, bundles: Sequence[Bundle]) -> dict[Path, Index]:
    """Return the clips that each bundle is tried on: each on the first that did not learn from its source.

    Only clips of the bundles' tags are.
    """
    tags = {tag.name for tag in bundles[0].tags}
    of: dict[Path, list[int]] = {bundle.path: [] for bundle in bundles}
    for index, clip in enumerate(data.clips):
        if tags.intersection(clip.tags) and (bundle := stranger(clip, bundles)):
            of[bundle.path].append(index)
    return {path: np.array(clips, np.intp) for path, clips in of.items() if clips}


def held_back(negatives: Sequence[Negative], bundle: Bundle) -> list[Negative]:
    """Return the negatives that a bundle did not learn from; all, with a note, if it learned from all."""
    part = bundle.description.get("negatives_held_back")
    if part is None:
        say(f"note: {bundle.name} may have learned from the negatives: its false events there are fewer than elsewhere")
        return list(negatives)
    return [negative for negative in negatives if negative.part == part]


def states_part(bundle: Bundle) -> bool:
    """Whether a bundle states which negatives it did not learn from."""
    return bundle.description.get("negatives_held_back") is not None


def scenes_for(data: DataSet, negatives: Sequence[Negative], bundles: Sequence[Bundle]) -> dict[Path, list[Scene]]:
    """Return the scenes that each bundle is tried on, and the backgrounds as they are.

    A bundle that may have learned from all negatives has backgrounds as they are only if all bundles may.

    Raises
    ------
    UsageError
        If no bundle may be tried on any clip, or one has no recorded background.
    """
    made = {}
    clips = clips_for(data, bundles)
    is_known = any(states_part(bundle) for bundle in bundles if bundle.path in clips)
    for bundle in bundles:
        if bundle.path not in clips:
            continue
        own = held_back(negatives, bundle)
        recorded = [negative for negative in own if not negative.made]
        if not recorded:
            raise UsageError(f"{bundle.name}: no recorded negative was held back from it")
        alone = own if states_part(bundle) or not is_known else []
        made[bundle.path] = [*scenes(data, clips[bundle.path], recorded), *backgrounds_alone(alone)]
    if not made:
        raise UsageError(f"{data.name}: the bundles have learned from each of its sources")
    return made


def brief_for(data: DataSet, bundles: Sequence[Bundle]) -> dict[Path, list[Scene]]:
    """Return brief sounds in a quiet room, for the bundles that may be tried on them."""
    return {path: list(in_a_quiet_room(data, clips)) for path, clips in clips_for(data, bundles).items()}


def heard_by_bundles(root: Path, scenes: Mapping[Path, list[Scene]], hop_s: float) -> list[Heard]:
    """Return what each bundle says of its scenes, worked out once."""
    return [
        one for path, of_bundle in scenes.items() for one in heard_by_bundle(root, loaded(str(path)), of_bundle, hop_s)
    ]


def heard_by_bundle(root: Path, bundle: Bundle, scenes: list[Scene], hop_s: float) -> list[Heard]:
    """Return what a bundle says of scenes, and what its tags usually score, if it states that."""
    heard = kept(root, scenes, hop_s, bundle.description["sha256"], by_bundle_at(bundle.path, hop_s))
    usual = [tag.usual for tag in Tagger(bundle, hop_s).tracked]
    return heard if None in usual else with_usual(heard, np.array(usual, np.float32))


def by_bundle_at(path: Path, hop_s: float) -> Callable[[Scene], Heard]:
    """Return what hears a scene by a bundle, for other processes."""
    return functools.partial(by_bundle, path, hop_s)


def kept(root: Path, scenes: list[Scene], hop_s: float, tagger: str, work: Callable[[Scene], Heard]) -> list[Heard]:
    """Return what is said of scenes, from the artefact that keeps it."""

    def make(path: Path) -> None:
        heard = hear(scenes, work, len(scenes))
        lengths = [[len(one.logits), len(one.levels)] for one in heard]
        logits, levels = (np.concatenate([getattr(one, name) for one in heard]) for name in ("logits", "levels"))
        np.savez(path / SCORES, logits=logits, levels=levels, lengths=np.array(lengths))

    told = [[scene.name, scene.length, *(one.onset_s for one in scene.placed)] for scene in scenes]
    path = artefact(root, "streams", {"tagger": tagger, "hop_s": hop_s, "scenes": digest(told)}, make)
    with np.load(path / SCORES) as arrays:
        ends = np.cumsum(arrays["lengths"], axis=0)[:-1]
        logits, levels = (np.split(arrays[name], ends[:, place]) for place, name in enumerate(("logits", "levels")))
    said = zip(scenes, logits, levels)
    return [Heard(without_samples(scene), one, of_columns, hop_s) for scene, one, of_columns in said]


def heard_by_other(
    root: Path,
    scenes: Mapping[Path, list[Scene]],
    other: WaveformTagger,
    data: DataSet,
    tags: tuple[str, ...],
    hop_s: float,
) -> list[Heard]:
    """Return what another tagger says of the same scenes.

    Raises
    ------
    UsageError
        If there is no vocabulary to map its labels onto.
    """
    if data.vocabulary is None:
        raise UsageError("labels of another tagger can only be mapped onto a --vocabulary")
    everything = [scene for of_bundle in scenes.values() for scene in of_bundle]
    work = functools.partial(by_other, other, data.vocabulary, tags, hop_s)
    return kept(root, everything, hop_s, digest([other.path.name, other.path.stat().st_size, *tags]), work)

"""`python -m train tune`: a bundle's calibration, thresholds and sensitivity, from held-out sound."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import bowstream
from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle, ships

from ..common.parallel import parallel
from ..common.progress import say, track
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Float32, Index
from ..dataset.negatives import Negative
from ..dataset.published import ESC50_CLIPS
from ..measure.evaluate import SCORES, Held, scores_of, together
from ..measure.hearing import clips_for, heard_by_bundles, scenes_for
from ..measure.places import Said, of_tags
from ..measure.streams import logit, sigmoid
from ..measure.tuning import HOPS_S, tune
from ..model.bundle import TagCalibration, rewrite
from ..model.calibrate import OFF_SHARE, calibrate
from .support import RULE, evidence_of, wanting

ON = 0.5
# How far calibration goes towards the one that held-out windows of other places ask for: wholly, it puts rare tags so
# far behind frequent ones that clips are named wrong, top-1 mean over kinds 0.43; half-way 0.50, and not at all 0.52.
CALIBRATED = 0.5
# Logits that what does not ship is below all others: it raises nothing while thresholds are chosen.
SILENT = 30.0


def tune_bundle(
    root: Path,
    data: DataSet,
    negatives: Sequence[Negative],
    folds: Sequence[Path],
    final: Path,
    by_group: Mapping[str, float],
) -> list[str]:
    """Give a bundle its calibration, thresholds and sensitivity, and the folds the same; return what does not work.

    Parameters
    ----------
    root : the folder of all artefacts
    folds : bundles trained in the same way, each without some sources and negatives, whose scores are held out; what
        they show at thresholds that were chosen by what they say is a little flattered
    final : the bundle that is changed; it is heard itself on sources that it did not learn from
    by_group : average precision of tags that too few sources have, from clips held out with their recording

    Raises
    ------
    UsageError
        If the bundles do not name the same tags, or none works.
    """
    target, *others = loaded = [bowstream.load_bundle(untuned(root, path)) for path in (final, *folds)]
    tags = target.output_names
    if any(tuple(tag.name for tag in bundle.tags) != tags for bundle in loaded):
        raise UsageError(f"{final.name} and the bundles it is tuned by must name the same tags, in the same order")
    data = in_order(data, tags)
    held = together([windows(root, data, bundle, clips) for bundle, clips in by_path(loaded, data)])
    slopes, biases = half_way(calibrate(held.scores, data.presence()[held.clip]))
    judged = evidence(data, summed_up(held, slopes, biases), by_group)
    lacks = {tag: wanting(of_tag) for tag, of_tag in judged.items()}
    refuse_nothing(final.name, lacks)
    silent = np.array([SILENT if lacks[tag] else 0.0 for tag in tags], np.float32)
    scenes = scenes_for(data, negatives, loaded)
    by_hop = {
        hop_s: [one.scaled(slopes, biases - silent) for one in heard_by_bundles(root, scenes, hop_s)]
        for hop_s in HOPS_S
    }
    tuning = tune(by_hop, tags)
    precisions = [of_tag["average_precision"] if of_tag else None for of_tag in judged.values()]
    settings = [
        TagCalibration(
            slope=round(float(slope), 4),
            bias=round(float(bias), 4),
            on=ON,
            off=ON * OFF_SHARE,
            average_precision=precision,
            works=not lacks[tag],
            usual=round(float(usual), 2),
        )
        for tag, slope, bias, precision, usual in zip(tags, slopes, biases + tuning.shift, precisions, tuning.usual)
    ]
    rewrite(final, compose(target, settings), tuning.sensitivity, {"rule": RULE})
    for path, bundle in zip(folds, others):  # so that what ships can be tried
        rewrite(path, compose(bundle, settings), tuning.sensitivity, {})
    return [tag for tag in tags if lacks[tag]]


def untuned(root: Path, path: Path) -> Path:
    """Return a bundle's folder, or that of a copy without what an earlier tuning made of it.

    Raises
    ------
    UsageError
        If it was tuned by an earlier version, which did not keep how it was before.
    """
    description = bowstream.load_bundle(path).description
    if description.get("sensitivity") is None and all(ships(tag) for tag in description["tags"]):
        return path
    before = [tag.get("untuned") for tag in description["tags"]]
    if None in before:
        raise UsageError(f"{path} was tuned by an earlier version: tune it as `run` wrote it")

    def make(copy: Path) -> None:
        shutil.copytree(path, copy, dirs_exist_ok=True)
        rewrite(copy, [TagCalibration(slope, bias) for slope, bias in before], None, {})

    return artefact(root, "untuned", {"sha256": description["sha256"]}, make)


def evidence(data: DataSet, said: Said, by_group: Mapping[str, float]) -> dict[str, Mapping[str, Any] | None]:
    """Return what each tag is judged by."""
    groups = {tag: {"clips": ESC50_CLIPS, "average_precision": value} for tag, value in by_group.items()}
    by_source = of_tags(data, said, {})
    return {tag: evidence_of(tag, by_source, groups) for tag in data.tags}


def refuse_nothing(name: str, lacks: Mapping[str, str]) -> None:
    """Say what is left out, and why; raise `UsageError` if all is."""
    for tag, what in lacks.items():
        if what:
            say(f"note: {tag} is left out: {what}")
    if all(lacks.values()):
        tag, what = next(iter(lacks.items()))
        raise UsageError(f"{name}: no tag works: of {tag}, {what}")


def half_way(found: Sequence[TagCalibration]) -> tuple[Float32, Float32]:
    """Return slopes and biases, float32 (C,), that go `CALIBRATED` of the way to a calibration."""
    slopes, biases = (np.array([getattr(tag, name) for tag in found], np.float32) for name in ("slope", "bias"))
    return 1.0 + CALIBRATED * (slopes - 1.0), CALIBRATED * biases


def in_order(data: DataSet, tags: tuple[str, ...]) -> DataSet:
    """Return a data set with these tags, in this order.

    Raises
    ------
    UsageError
        If its vocabulary lacks one.
    """
    if missing := sorted(set(tags) - set(data.tags)):
        raise UsageError(f"the data sets have no tag {', '.join(missing)}: name the vocabulary it was trained with")
    clips = (replace(clip, tags=tuple(tag for tag in clip.tags if tag in tags)) for clip in data.clips)
    return replace(data, tags=tags, clips=tuple(clips))


def by_path(bundles: Sequence[Bundle], data: DataSet) -> list[tuple[Bundle, Index]]:
    """Return each bundle with the clips that it is tried on."""
    clips = clips_for(data, bundles)
    return [(bundle, clips[bundle.path]) for bundle in bundles if bundle.path in clips]


def windows(root: Path, data: DataSet, bundle: Bundle, clips: Index) -> Held:
    """Return what a bundle says of clips, window by window, worked out once on all cores."""
    paths = [data.clips[clip].path for clip in clips]

    def make(path: Path) -> None:
        heard = list(track(parallel(functools.partial(scores_of, str(bundle.path)), paths), len(paths), "hearing"))
        lengths = [len(scores) for scores in heard]
        np.savez(path / SCORES, scores=np.concatenate(heard), clip=np.repeat(np.arange(len(clips)), lengths))

    names = digest([data.clips[clip].name for clip in clips])
    inputs = {"sha256": bundle.description["sha256"], "clips": names}
    with np.load(artefact(root, "windows", inputs, make) / SCORES) as arrays:
        return Held(arrays["scores"], clips[arrays["clip"]])


def summed_up(held: Held, slopes: Float32, biases: Float32) -> Said:
    """Return mean and highest scores of clips, calibrated."""
    scores = sigmoid(slopes * logit(held.scores) + biases)
    mean, clips = replace(held, scores=scores).of_clips()
    highest = np.stack([scores[held.clip == clip].max(axis=0) for clip in clips])
    return Said(clips, mean, highest)


def compose(bundle: Bundle, settings: Sequence[TagCalibration]) -> list[TagCalibration]:
    """Return calibrations of a bundle's logits for calibrations of its scores'."""
    return [
        replace(
            tag,
            slope=round(tag.slope * own["slope"], 4),
            bias=round(tag.slope * own["bias"] + tag.bias, 4),
            untuned=(own["slope"], own["bias"]),
        )
        for tag, own in zip(settings, bundle.description["tags"])
    ]

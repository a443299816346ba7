"""One run: data set in; calibrated bundle, metrics and report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .bundle import Parts, TagSettings, write_bundle
from .calibrate import calibrate
from .config import Config
from .data import DataSet, Split
from .evaluate import Held, average_precisions, hear_held, measure, over_folds, together
from .features import Features, features
from .problems import check
from .progress import say
from .recipe import fit
from .store import artefact

METRICS = "metrics.json"


@dataclass(frozen=True)
class Trial:
    """A split, the model fitted on it, its bundle without calibration, and what that says of the held-out clips."""

    split: Split
    parts: Parts
    bundle: Path
    held: Held


def try_split(root: Path, sound: Features, data: DataSet, split: Split, config: Config) -> Trial:
    """Fit on a split's `fit` clips and hear its `held` clips."""
    say(f"{split.name}: fitted on {len(split.fit)} clips, tried on {len(split.held)}")
    parts = fit(root, sound, data, split, config)
    plain = [TagSettings()] * len(data.tags)
    bundle = artefact(
        root,
        "bundle",
        {"parts": parts.names(), "tags": list(data.tags)},
        lambda path: write_bundle(path, split.name, parts, sound, data, config, plain, {}),
    )
    held = hear_held(root, bundle, data, split, sound.key)
    scores = measure(held, data.targets(), data.single_label)
    say(f"{split.name}: " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    return Trial(split, parts, bundle, held)


def run(root: Path, data: DataSet, out: Path, config: Config) -> dict[str, Any]:
    """Train, try on held-out clips, calibrate, write the bundle to `out`; return the metrics."""
    sound = features(root, data, check(data), config.features)
    trials = [try_split(root, sound, data, split, config) for split in data.splits()]
    calibration = trials
    if data.own_split:
        calibration = [try_split(root, sound, data, split, config) for split in data.calibration_splits()]
    held = together([trial.held for trial in calibration])
    tags = calibrate(held.scores, data.targets()[held.clip])
    metrics = summary(data, trials)
    say("final: fitted on " + ("the training part" if data.own_split else "all folds"))
    parts = fit(root, sound, data, data.final(), config)
    write_bundle(out, out.name, parts, sound, data, config, tags, metrics)
    (root / METRICS).write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{out}: written")
    return metrics


def summary(data: DataSet, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the measures of held-out clips over folds, and each tag's average precision over clips."""
    targets = data.targets()
    held = together([trial.held for trial in trials])
    clip_scores, clips = held.of_clips()
    precisions = average_precisions(clip_scores, targets[clips])
    return {
        "protocol": "held-out clips through bowstream.Tagger, " + ", ".join(trial.split.name for trial in trials),
        **over_folds([measure(trial.held, targets, data.single_label) for trial in trials]),
        "clip_ap_by_tag": {
            tag: None if np.isnan(value) else round(float(value), 4) for tag, value in zip(data.tags, precisions)
        },
    }

"""One run: data set in; calibrated bundle, metrics and report out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .bundle import TagSettings, write_bundle
from .calibrate import apply, calibrate
from .codes import look
from .compare import compare
from .config import Config
from .data import DataSet
from .evaluate import Held, average_precisions, measure, over_folds, together
from .negatives import find_negatives
from .plots import MEASURES
from .problems import check
from .progress import say
from .quiet import start_tensorflow
from .report import confusion, reliability, write_report
from .store import git_revision, lineage, now, record
from .trial import Trial, study, try_split

METRICS = "metrics.json"


def run(
    root: Path, data: DataSet, out: Path, page: Path, config: Config, negatives_folder: Path | None = None
) -> dict[str, Any]:
    """Train, try on held-out clips, calibrate; write the bundle to `out`, the report to `page`; return the metrics.

    Parameters
    ----------
    negatives_folder : recordings of none of the tags, if there are any
    """
    for folder in (root, out, page):
        folder.mkdir(parents=True, exist_ok=True)
    hashes = check(data)
    negatives = find_negatives(root, negatives_folder, data, hashes) if negatives_folder else ()
    its = study(root, data, hashes, config, negatives)
    start_tensorflow()
    trials = [try_split(its, split) for split in data.splits()]
    calibration = [try_split(its, split) for split in data.calibration_splits()] if data.own_split else trials
    precisions = by_tag(data, together([trial.held for trial in trials]))
    tags = [
        replace(tag, average_precision=precisions[name])
        for tag, name in zip(calibrated([trial.held for trial in calibration], data), data.tags)
    ]
    first = trials[0]
    metrics = {
        "protocol": "held-out clips through bowstream.Tagger, " + ", ".join(trial.split.name for trial in trials),
        **over_folds([measure(trial.held, data.targets(), data.single_label) for trial in trials]),
        "clip_ap_by_tag": precisions,
        "precision": compare(its, first),
        "stages": stages(root, first),
    }
    say("final: fitted on " + ("the training part" if data.own_split else "all folds"))
    final = data.final()
    parts = its.fit(final)
    write_bundle(out, out.name, parts, its.sound, data, config, tags, in_short(metrics))
    say(f"{out}: the bundle")
    metrics |= {"created": now(), "git_revision": git_revision(), "training": config.read()}
    windows = its.sound.windows(final.fit)
    of_windows = data.targets()[its.sound.clip_of_window()[windows]]
    codes = look(its.sound, parts.networks, parts.codebooks, windows, of_windows, data.tags, config.seed)
    written = write_report(page, f"{data.name}: {out.name}", metrics, figures(data, trials, calibration), codes)
    (page / METRICS).write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{written}: the report, with {METRICS} beside it")
    return metrics


def in_short(metrics: Mapping[str, Any]) -> dict[str, float | str]:
    """Return what a bundle says of how good it is."""
    short: dict[str, float | str] = {}
    for name in MEASURES:
        if name in metrics:
            short[name] = metrics[name]["mean"]
            if "interval_95" in metrics[name]:
                short[f"{name}_interval_95"] = " … ".join(map(str, metrics[name]["interval_95"]))
    return {**short, "protocol": metrics["protocol"]}


def calibrated(parts: Sequence[Held], data: DataSet) -> list[TagSettings]:
    """Return calibration and thresholds from held-out scores."""
    held = together(parts)
    return calibrate(held.scores, data.targets()[held.clip])


def by_tag(data: DataSet, held: Held) -> dict[str, float | None]:
    """Return each tag's average precision over held-out clips; None where it does not occur."""
    clip_scores, clips = held.of_clips()
    precisions = average_precisions(clip_scores, data.targets()[clips])
    return {tag: None if np.isnan(value) else round(float(value), 4) for tag, value in zip(data.tags, precisions)}


def figures(data: DataSet, trials: Sequence[Trial], calibration: Sequence[Trial]) -> dict[str, Any]:
    """Return what the report draws: confusion over clips, and reliability over windows before and after calibration."""
    targets, held = data.targets(), together([trial.held for trial in trials])
    clip_scores, clips = held.of_clips()
    scores = []
    for trial in trials:
        others = [other.held for other in calibration if other is not trial]
        scores.append(apply(trial.held.scores, calibrated(others, data)))
    return {
        "tags": data.tags,
        "confusion": confusion(clip_scores, targets[clips]) if data.single_label else None,
        "reliability": {
            "as trained": reliability(held.scores, targets[held.clip]),
            "calibrated": reliability(np.concatenate(scores), targets[held.clip]),
        },
    }


def stages(root: Path, trial: Trial) -> dict[str, dict[str, Any]]:
    """Return what each stage of a split took: seconds, and the most memory that the process had held by its end."""
    records = [record(path) for path in lineage(root, trial.held.path)]
    return {stage["stage"]: {key: stage[key] for key in ("seconds", "peak_memory_mb")} for stage in records}

"""One run: data set in; calibrated bundle, metrics and report out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import UsageError

from .common.config import LEARNED, TrainConfig
from .common.crew import ALL_CORES, Crew
from .common.progress import say
from .common.quiet import start_tensorflow
from .common.store import git_revision, lineage, make_folder, now, record
from .dataset.data import DataSet
from .dataset.features import absolute
from .dataset.negatives import Negative, find_negatives, to_learn_from
from .dataset.problems import check
from .measure.compare import compare
from .measure.evaluate import Held, average_precisions, hear_negatives, measure, over_folds, together
from .measure.expense import expense
from .measure.false_events import false_events
from .measure.robust import robustness
from .measure.trial import Model, Study, Trial, study, try_split
from .model.bundle import Fitted, TagCalibration, write_bundle
from .model.calibrate import calibrate, shifted
from .report.codes import look
from .report.page import confusion, reliability, write_report
from .report.plots import MEASURES

METRICS = "metrics.json"
PROTOCOL = "held-out clips through bowstream.Tagger, "


def run(
    root: Path,
    data: DataSet,
    out: Path,
    page: Path,
    config: TrainConfig,
    negatives_folder: Path | None = None,
    crew: Crew = ALL_CORES,
) -> dict[str, Any]:
    """Train, try on held-out clips, calibrate; write the bundle to `out`, the report to `page`; return the metrics.

    Parameters
    ----------
    negatives_folder : recordings of none of the tags, if there are any
    crew : who makes shards
    """
    for folder in (root, out, page):
        make_folder(folder)
    git_revision()
    hashes = check(data)
    negatives = find_negatives(root, negatives_folder, data, hashes) if negatives_folder else ()
    start_tensorflow()
    its = study(root, data, hashes, config, negatives, crew)
    trials = [try_split(its, split) for split in data.splits()]
    calibration = [try_split(its, split) for split in data.calibration_splits()] if data.own_split else trials
    models = [model_of(trial, its, calibration, negatives) for trial in trials]
    metrics = tried(its, trials, models, negatives)
    tags = calibrated([trial.held for trial in calibration], data)
    if negatives:
        metrics["false_events"] = false_events(data, its.sound.front_end, negatives, models)
        tags = shifted(tags, metrics["false_events"]["shipped"]["offset"])
    precisions = by_tag(data, together([model.held.calibrated(model.tags) for model in models]))
    tags = [replace(tag, average_precision=precisions[name]) for tag, name in zip(tags, data.tags)]
    metrics |= {"data": about(its, trials), "tags": of_tags(data, tags)}
    say("final: fitted on " + ("the training part" if data.own_split else "all folds"))
    final = data.final()
    parts = its.fit(final)
    write_bundle(out, out.name, Fitted(parts, its.sound, data, config, final.fit), tags, in_short(metrics))
    say(f"{out}: the bundle")
    metrics |= {"expense": expense(out), "processors": os.cpu_count()}
    metrics |= {"created": now(), "git_revision": git_revision(), "training": config.read()}
    written = write_report(
        page, f"{data.name}: {out.name}", metrics, figures(data, models), look(its, parts, final.fit)
    )
    for folder in (page, out):
        (folder / METRICS).write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{written}: the report, with {METRICS} beside it")
    return metrics


def tried(
    its: Study, trials: Sequence[Trial], models: Sequence[Model], negatives: Sequence[Negative]
) -> dict[str, Any]:
    """Return what the models of all folds scored on clips that they did not learn from."""
    data = its.data
    calibration = "calibrated on val: " if data.own_split else "each fold calibrated on the others: "
    return {
        "protocol": PROTOCOL + calibration + ", ".join(trial.split.name for trial in trials),
        **scores_of_folds(data, [model.held.calibrated(model.tags) for model in models]),
        "uncalibrated": scores_of_folds(data, [model.held for model in models]),
        "precision": compare(its, trials),
        "robustness": robustness(its, trials, models, negatives),
        "stages": stages(its.root, trials[0]),
    }


def prepare(
    root: Path, data: DataSet, config: TrainConfig, negatives_folder: Path | None = None, crew: Crew = ALL_CORES
) -> None:
    """Write what the joint trainings of all splits and of the final model read, for machines elsewhere."""
    if config.method != LEARNED:
        raise UsageError(f"--elsewhere must come with --method {LEARNED} (got {config.method})")
    make_folder(root)
    hashes = check(data)
    negatives = find_negatives(root, negatives_folder, data, hashes) if negatives_folder else ()
    from .learned.learned import Learning

    sound = absolute(root, data, hashes, crew)
    for split in (*data.splits(), data.final()):
        learning = Learning(root, sound, data, split, config, to_learn_from(negatives, split))
        say(f"{split.name}: {learning.write_task()}")


def model_of(trial: Trial, its: Study, calibration: Sequence[Trial], negatives: Sequence[Negative]) -> Model:
    """Return a trial's model: calibrated on what other models said of other clips, and heard on negatives."""
    tags = calibrated([other.held for other in calibration if other is not trial], its.data)
    said = hear_negatives(its.root, trial.shipped, negatives, trial.split) if negatives else None
    return Model(tags, trial.held, said)


def scores_of_folds(data: DataSet, parts: Sequence[Held]) -> dict[str, Any]:
    """Return the measures over folds."""
    return over_folds([measure(held, data.presence(), data.single_label) for held in parts])


def in_short(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bundle says of how good it is."""
    short = {name: metrics[name] for name in (*MEASURES, "protocol") if name in metrics}
    if "false_events" in metrics:
        shipped = metrics["false_events"]["shipped"]
        short |= {
            "false_events_per_hour": shipped["recorded_per_hour"],
            "false_events_per_hour_of_made_up_sound": shipped["made_per_hour"],
            "event_recall": shipped["recall"],
        }
    return short


def calibrated(parts: Sequence[Held], data: DataSet) -> list[TagCalibration]:
    """Return calibration and thresholds from held-out scores."""
    held = together(parts)
    return calibrate(held.scores, data.presence()[held.clip])


def about(its: Study, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return how much sound there is, and how much of it each model learned from and was tried on."""
    seconds = len(its.sound.log_mel) * its.sound.front_end.window_length / its.sound.front_end.sample_rate
    splits = {trial.split.name: {"fit": len(trial.split.fit), "held": len(trial.split.held)} for trial in trials}
    return {"clips": len(its.data.clips), "hours": round(seconds / 3600, 3), "splits": splits}


def of_tags(data: DataSet, tags: Sequence[TagCalibration]) -> dict[str, dict[str, Any]]:
    """Return each tag's clips and settings by its name."""
    clips = data.targets().sum(axis=0)
    return {name: {"clips": int(count), **asdict(tag)} for name, count, tag in zip(data.tags, clips, tags)}


def by_tag(data: DataSet, held: Held) -> dict[str, float | None]:
    """Return each tag's average precision over held-out clips; None where it does not occur."""
    clip_scores, clips = held.of_clips()
    precisions = average_precisions(clip_scores, data.presence()[clips])
    return {tag: None if np.isnan(value) else round(float(value), 4) for tag, value in zip(data.tags, precisions)}


def figures(data: DataSet, models: Sequence[Model]) -> dict[str, Any]:
    """Return what the report draws: confusion over clips, and reliability over windows before and after calibration."""
    targets, presence = data.targets(), data.presence()
    curves = {
        "as trained": together([model.held for model in models]),
        "calibrated": together([model.held.calibrated(model.tags) for model in models]),
    }
    clip_scores, clips = curves["calibrated"].of_clips()
    return {
        "tags": data.tags,
        "confusion": confusion(clip_scores, targets[clips]) if data.single_label else None,
        "reliability": {name: reliability(held.scores, presence[held.clip]) for name, held in curves.items()},
    }


def stages(root: Path, trial: Trial) -> dict[str, dict[str, Any]]:
    """Return what each stage of a split took: seconds, and the most memory that the process held meanwhile."""
    if trial.held.path is None:
        raise ValueError("the held-out scores must be an artefact (got none)")
    records = [record(path) for path in lineage(root, trial.held.path)]
    keys = ("seconds", "peak_memory_mb", "resumed")
    return {stage["stage"]: {key: stage[key] for key in keys} for stage in records}

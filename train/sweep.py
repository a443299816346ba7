"""Experiments: each setting fitted and tried, as a CSV, a plot and a table of means."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bowstream.config.fields import flag
from bowstream.errors import UsageError

from .common.config import TrainConfig, all_settings, refuse_idle_negatives, refuse_unread
from .common.progress import say
from .common.quiet import start_tensorflow
from .common.store import make_folder
from .dataset.data import DataSet, Split
from .dataset.negatives import find_negatives
from .dataset.problems import check
from .experiments import Variant
from .measure.evaluate import measure
from .measure.expense import LABELS, expense
from .measure.trial import study, try_split
from .report.numbers import markdown
from .report.plots import plot_steps, plot_sweep


def configs_of(variants: Sequence[Variant], given: Mapping[str, Any]) -> list[TrainConfig]:
    """Return each variant's config, with settings that all of them share.

    Raises
    ------
    UsageError
        If a value is out of range, or a setting would do nothing.
    """
    base = TrainConfig().with_values(**given)
    configs = [base.with_values(**variant.values) for variant in variants]
    for variant, config in zip(variants, configs):
        for name in given.keys() & variant.values.keys():
            raise UsageError(f"{flag(name)} is set by this experiment: leave it out")
        refuse_unread(variant.values, [config.method])
    refuse_unread(given, sorted({config.method for config in configs}))
    return configs


def sweep(
    root: Path,
    data: DataSet,
    out: Path,
    variants: Sequence[Variant],
    configs: Sequence[TrainConfig],
    folds: int | None,
    negatives_folder: Path | None,
) -> Path:
    """Fit and try every variant; return the CSV, which grows a row at a time. Shared stages are made once.

    Parameters
    ----------
    folds : splits to try each setting on, the first so many; None for all
    negatives_folder : recordings of none of the tags for the learned codebook to learn from, if there are any
    """
    splits = first_splits(data, folds)
    refuse_idle_negatives(negatives_folder, {config.method for config in configs})
    make_folder(out)
    hashes = check(data)
    negatives = find_negatives(root, negatives_folder, data, hashes) if negatives_folder else ()
    start_tensorflow()
    rows: list[dict[str, Any]] = []
    for number, (variant, config) in enumerate(zip(variants, configs), 1):
        say(
            f"setting {number}/{len(variants)}: {'  '.join(f'{name} {value}' for name, value in variant.label.items())}"
        )
        its = study(root, data, hashes, config, negatives)
        for split in splits:
            trial = try_split(its, split)
            measures = measure(trial.held, data.presence(), data.single_label)
            row = {name: round(value, 4) for name, value in measures.items()}
            cost = expense(trial.bundle) if trial.bundle else dict.fromkeys(LABELS, "")
            rows.append({**variant.label, "split": split.name, **row, **cost})
            write_rows(out / "sweep.csv", rows)
    labels = list(variants[0].label)
    if labels[0] in all_settings():
        plot_sweep(out, rows, labels)
    else:
        plot_steps(out, rows, labels[0])
    (out / "sweep.md").write_text(markdown(rows, labels), "utf-8")
    return out / "sweep.csv"


def first_splits(data: DataSet, folds: int | None) -> Sequence[Split]:
    """Return the first so many of a data set's splits, or all."""
    splits = data.splits()
    if folds is not None and not 1 <= folds <= len(splits):
        raise UsageError(f"--folds must be 1 … {len(splits)}, which {data.name} has (got {folds})")
    return splits[:folds]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

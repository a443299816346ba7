"""The paper's experiments: every combination of some knobs' values, as a CSV and a plot."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bowstream.errors import UsageError

from .config import Config, flag
from .data import DataSet
from .evaluate import measure
from .experiments import Axes
from .features import features
from .plots import plot_sweep
from .problems import check
from .progress import say
from .quiet import start_tensorflow
from .run import try_split


def sweep(root: Path, data: DataSet, out: Path, base: Config, axes: Axes, folds: int | None) -> Path:
    """Fit and try every combination; return the CSV, which grows a row at a time. Shared stages are made once.

    Parameters
    ----------
    folds : splits to try each setting on, the first so many; None for all
    """
    if folds is not None and folds < 1:
        raise UsageError(f"--folds must be at least 1, got {folds}")
    settings = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    configs = [base.with_values(**values) for values in settings]  # checked before anything is trained
    splits = data.splits()[:folds]
    hashes = check(data)
    start_tensorflow()
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for number, (values, config) in enumerate(zip(settings, configs), 1):
        named = "  ".join(f"{flag(name)} {value}" for name, value in values.items())
        say(f"setting {number}/{len(settings)}: {named}")
        sound = features(root, data, hashes, config.features)
        for split in splits:
            trial = try_split(root, sound, data, split, config)
            measures = measure(trial.held, data.targets(), data.single_label)
            rows.append({**values, "split": split.name, **{name: round(value, 4) for name, value in measures.items()}})
            write_rows(out / "sweep.csv", rows)
    plot_sweep(out, rows, list(axes))
    return out / "sweep.csv"


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

"""Experiments: each setting fitted and tried, as a CSV, a plot and a table of means."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowstream.config.fields import flag
from bowstream.errors import UsageError

from .common.config import TrainConfig, all_settings, refuse_unread
from .common.crew import Crew
from .common.progress import console, say
from .common.quiet import start_tensorflow
from .common.store import make_folder
from .dataset.data import DataSet, Split
from .dataset.negatives import Negative, find_negatives
from .dataset.problems import check
from .experiments import Variant
from .measure.evaluate import measure
from .measure.expense import LABELS, expense
from .measure.trial import Study, study, try_split
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


@dataclass(frozen=True)
class Common:
    """What all trials of a sweep have in common. What they make in common, one makes, and the others wait for it."""

    root: Path
    data: DataSet
    hashes: Mapping[str, str]
    negatives: Sequence[Negative]

    @classmethod
    def of(cls, root: Path, data: DataSet, negatives_folder: Path | None) -> Common:
        """Look at every file of a data set, once.

        Parameters
        ----------
        negatives_folder : recordings of none of the tags for the learned codebook to learn from, if there are any
        """
        hashes = check(data)
        negatives = find_negatives(root, negatives_folder, data, hashes) if negatives_folder else ()
        return cls(root.absolute(), data, hashes, negatives)

    def study(self, config: TrainConfig) -> Study:
        """Return the study with these settings."""
        return study(self.root, self.data, self.hashes, config, self.negatives)


def sweep(
    common: Common,
    out: Path,
    variants: Sequence[Variant],
    configs: Sequence[TrainConfig],
    splits: Sequence[Split],
    crew: Crew,
) -> Path:
    """Fit and try every variant on each split; return the CSV, which grows a row at a time.

    Stages that trials share are made once. `crew` carries it out.
    """
    make_folder(out)
    rows: dict[int, dict[str, Any]] = {}
    trials = [(variant, config, split) for variant, config in zip(variants, configs) for split in splits]
    for place, row in rows_of(trials, common, crew):
        variant, _, split = trials[place]
        rows[place] = {**variant.label, "split": split.name, **row}
        say(f"{len(rows)}/{len(trials)}: {'  '.join(f'{name} {value}' for name, value in rows[place].items())}")
        write_rows(out / "sweep.csv", [rows[done] for done in sorted(rows)])
    every = [rows[place] for place in range(len(trials))]
    labels = list(variants[0].label)
    if labels[0] in all_settings():
        plot_sweep(out, every, labels)
    else:
        plot_steps(out, every, labels[0])
    (out / "sweep.md").write_text(markdown(every, labels), "utf-8")
    return out / "sweep.csv"


def first_splits(data: DataSet, folds: int | None) -> Sequence[Split]:
    """Return the first so many of a data set's splits, or all."""
    splits = data.splits()
    if folds is not None and not 1 <= folds <= len(splits):
        raise UsageError(f"--folds must be 1 … {len(splits)}, which {data.name} has (got {folds})")
    return splits[:folds]


def rows_of(
    trials: Sequence[tuple[Variant, TrainConfig, Split]], common: Common, crew: Crew
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the place of each trial and its row, as they end."""
    if crew.is_alone(len(trials)):
        start_tensorflow()
        its: Study | None = None
        for place, (_, config, split) in enumerate(trials):
            if its is None or its.config != config:
                its = common.study(config)
            yield place, row_of(its, split)
        return
    items = [(place, config, split) for place, (_, config, split) in enumerate(trials)]
    yield from crew.each(functools.partial(in_silence, common=common), items)


def in_silence(item: tuple[int, TrainConfig, Split], common: Common) -> tuple[int, dict[str, Any]]:
    """Return the place and the row of a trial, without a word, which would stand among those of others."""
    place, config, split = item
    console.quiet = True
    start_tensorflow()
    return place, row_of(common.study(config), split)


def row_of(its: Study, split: Split) -> dict[str, Any]:
    """Fit and try one model; return what it scores and costs."""
    trial = try_split(its, split)
    measures = measure(trial.held, its.data.presence(), its.data.single_label)
    row = {name: round(value, 4) for name, value in measures.items()}
    return {**row, **(expense(trial.bundle) if trial.bundle else dict.fromkeys(LABELS, ""))}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of the same columns as a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

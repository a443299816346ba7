"""The paper's whole recipe: its figures and its row of Table I, and a table of ours beside its own numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .common.config import TrainConfig
from .common.crew import Crew
from .common.progress import say
from .common.store import make_folder
from .dataset.data import Split
from .experiments import EXPERIMENTS, Variant
from .report.paper import beside, read_rows
from .sweep import Common, configs_of, sweep

# The encoders of the paper (III-A), where an experiment does not vary them.
ENCODERS = {"width": 2048, "encoder_dropout": 0.5}
NAMES = ("table1", "figure3", "factor", "width", "figure2")


@dataclass(frozen=True)
class Experiment:
    """One of the paper's experiments: its settings, and a config for each."""

    name: str
    variants: Sequence[Variant]
    configs: Sequence[TrainConfig]


def experiments(given: Mapping[str, Any]) -> list[Experiment]:
    """Return the paper's experiments, what comes soonest to a result first.

    Parameters
    ----------
    given : settings by name, which hold wherever an experiment does not vary them

    Raises
    ------
    UsageError
        If a value is out of range, or it is the paper that says what a setting is.
    """
    return [Experiment(name, EXPERIMENTS[name], configs_here(EXPERIMENTS[name], given)) for name in NAMES]


def configs_here(variants: Sequence[Variant], given: Mapping[str, Any]) -> list[TrainConfig]:
    """Return each variant's config, with what is given or the paper's encoders where the variants do not vary it."""
    varied = {name for variant in variants for name in variant.label}
    return configs_of(variants, {name: value for name, value in {**ENCODERS, **given}.items() if name not in varied})


def reproduce(common: Common, out: Path, wanted: Sequence[Experiment], splits: Sequence[Split], crew: Crew) -> Path:
    """Carry out all of the paper's experiments, a folder each, as `sweep` does; return the table beside the paper's.

    The table is written as each experiment ends.
    """
    make_folder(out)
    table, rows = out / "paper.md", {}
    for experiment in wanted:
        say(f"{experiment.name}: {len(experiment.variants)} settings")
        written = sweep(common, out / experiment.name, experiment.variants, experiment.configs, splits, crew)
        rows[experiment.name] = read_rows(written)
        table.write_text(beside(rows), "utf-8")
    return table

"""The forecast: a line for each kind of stage, and beside it what the same took where it was run."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.config import TrainConfig
from ..report.numbers import table
from .extent import Extent
from .rates import Measured, Took, cost_of, rates_of, stages
from .work import ALIKE, COUNTED_MB, KEPT, KEPT_POOL_MB, ON_ALL_CORES, POOL, TRAINED, Work, work_of

# Not a stage: what one process that did it all would keep.
KEPT_LINE = "kept"
COLUMNS = ("made", "core-minutes", "memory, GB", "disk, GB")


@dataclass(frozen=True)
class Line:
    """What all stages of a kind take: how many are made, their time together, the most memory, and their disk."""

    kind: str
    made: int
    cpu_s: float
    memory_mb: float
    disk_mb: float

    @property
    def seconds(self) -> float:
        """How long it takes where nothing else runs: some kinds keep one core busy, others all."""
        return self.cpu_s / (os.cpu_count() or 1) if self.kind in ON_ALL_CORES else self.cpu_s


def works(configs: Sequence[TrainConfig], extent: Extent) -> list[Work]:
    """Return what is to be done for all of these on all splits; what several share is there once."""
    every = [work for config in configs for split in extent.fit for work in work_of(config, extent, split)]
    return list({(work.name, work.key): work for work in every}.values())


def forecast(todo: Sequence[Work], found: Measured) -> list[Line]:
    """Return what work takes, from what other work took; and what one process that did it all would keep."""
    lines, memory = [], memory_rates(found)
    for kind in dict.fromkeys(work.kind for work in todo):
        alike = ALIKE.get(kind, kind)
        time = rates_of((work.time, took.cpu_s) for work, took in found if ALIKE.get(work.kind, work.kind) == alike)
        same = [(work, took) for work, took in found if work.kind == kind]
        disk = rates_of((work.disk, took.disk_mb) for work, took in same)
        mine = [work for work in todo if work.kind == kind]
        lines.append(
            Line(
                kind,
                len(mine),
                sum(cost_of(work.time, time) for work in mine),
                max(cost_of(work.memory, memory) for work in mine),
                sum(cost_of(work.disk, disk) for work in mine),
            )
        )
    trained = [work.disk[TRAINED] for work in todo if TRAINED in work.disk]
    pools_mb = KEPT_POOL_MB * sum(work.memory.get(POOL, 0.0) for work in todo)
    return [*lines, Line(KEPT_LINE, len(trained), 0.0, cost_of({KEPT: sum(trained)}, memory) + pools_mb, 0.0)]


def memory_rates(found: Measured) -> dict[str, float]:
    """Return what units of memory come to, in MB: those that are counted, and the others as measured."""
    pairs = [
        (
            {name: amount for name, amount in work.memory.items() if name not in COUNTED_MB},
            took.memory_mb - cost_of(work.memory, COUNTED_MB),
        )
        for work, took in found
    ]
    return {**rates_of(pairs), **COUNTED_MB}


def measured_in(runs: Path, kinds: Sequence[str]) -> list[Line]:
    """Return what the artefacts below a folder took, those of these kinds."""
    by_kind: dict[str, list[Took]] = defaultdict(list)
    for path, took in stages(runs).items():
        by_kind[path.parent.name.partition("_")[0]].append(took)
    return [
        Line(
            kind,
            len(by_kind[kind]),
            sum(took.cpu_s for took in by_kind[kind]),
            max(took.memory_mb for took in by_kind[kind]),
            sum(took.disk_mb for took in by_kind[kind]),
        )
        for kind in kinds
        if by_kind[kind]
    ]


def as_table(lines: Sequence[Line], beside: Mapping[str, Line]) -> str:
    """Return lines and their sum as Markdown; with `beside`, what was measured by the kind, too."""
    total = Line(
        "together",
        sum(line.made for line in lines if line.kind != KEPT_LINE),
        sum(line.cpu_s for line in lines),
        max(line.memory_mb for line in lines if line.kind != KEPT_LINE)
        + sum(line.memory_mb for line in lines if line.kind == KEPT_LINE),
        sum(line.disk_mb for line in lines),
    )
    heads = ["stage", *COLUMNS, f"minutes on {os.cpu_count()} cores"]
    heads += [f"measured: {name}" for name in COLUMNS] if beside else []
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for line in (*lines, total):
        seconds = sum(one.seconds for one in lines) if line is total else line.seconds
        cells = [line.kind, *cells_of(line), f"{seconds / 60:.1f}"]
        cells += cells_of(beside[line.kind]) if line.kind in beside else []
        rows.append(cells + ["—"] * (len(heads) - len(cells)))
    return table(rows)


def cells_of(line: Line) -> list[str]:
    """Return a line's `COLUMNS` as text."""
    return [str(line.made), f"{line.cpu_s / 60:.1f}", f"{line.memory_mb / 1e3:.2f}", f"{line.disk_mb / 1e3:.2f}"]

"""Teaching, as tables and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..measure.fewshot import LIKE, Measured, means
from ..measure.kinds import TAG, THING
from .plots import figure

# What each table is of, and its first cell.
TABLES = {TAG: "a tag", THING: "a thing", LIKE: "a thing, told from its like"}


def told(measured: Mapping[str, Sequence[Measured]]) -> str:
    """Return the means over tags and over things as Markdown: average precision, and recall at 1 % of other clips."""
    tables = (table(measured, what, heading) for what, heading in TABLES.items())
    return "\n".join(each for each in tables if each)


def table(measured: Mapping[str, Sequence[Measured]], what: str, heading: str) -> str:
    """Return a table, empty if nothing of the sort was measured."""
    by_name = {name: means(each, what) for name, each in measured.items()}
    counts = {k: n for rows in by_name.values() for k, (n, _, _) in rows.items()}
    if not counts:
        return ""
    lines = [
        f"| {heading} | " + " | ".join(f"{k} example{'s' * (k > 1)}" for k in counts) + " |",
        "| --- " + "| ---: " * len(counts) + "|",
        f"| {what.partition(' ')[0]}s | " + " | ".join(map(str, counts.values())) + " |",
    ]
    for name, rows in by_name.items():
        cells = [f"{rows[k][1]:.2f}, {rows[k][2]:.2f}" if k in rows else "—" for k in counts]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def read(path: Path) -> dict[str, list[Measured]]:
    """Return what `write` wrote to `fewshot.json`."""
    content: dict[str, list[dict[str, Any]]] = json.loads(path.read_text("utf-8"))
    return {name: [Measured(**one) for one in each] for name, each in content.items()}


def write(folder: Path, measured: Mapping[str, Sequence[Measured]]) -> None:
    """Write `fewshot.json`, the measures of every kind, a line each, and `fewshot.png`, their means."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, each in measured.items():
        lines = ",\n".join(json.dumps(rounded(one)) for one in each)
        parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    (folder / "fewshot.json").write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")
    shown = [what for what in TABLES if any(means(each, what) for each in measured.values())]
    drawing, panels = figure(9, 3 * len(shown), len(shown), 2)
    for row, what in zip(panels, shown):
        for name, each in measured.items():
            rows = means(each, what)
            for place, panel in enumerate(row):
                points = [values[1 + place] for values in rows.values()]
                panel.plot([str(k) for k in rows], points, marker="o", label=name)
        for panel, title in zip(row, ("average precision", "recall at 1 % of other clips")):
            panel.set(title=TABLES[what], xlabel="examples", ylabel=title, ylim=(0, 1))
            panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize="small")
    drawing.savefig(folder / "fewshot.png", dpi=120)


def rounded(one: Measured) -> dict[str, Any]:
    """Return a measure with four digits of its figures."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(one).items()}

"""Teaching, as a table and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..measure.fewshot import Measured, means
from .plots import figure


def told(measured: Mapping[str, Sequence[Measured]]) -> str:
    """Return the means over tags as Markdown: average precision, and recall at 1 % of other clips."""
    by_name = {name: means(each) for name, each in measured.items()}
    counts = {k: n for rows in by_name.values() for k, (n, _, _) in rows.items()}
    lines = [
        "| learned from | " + " | ".join(f"{k} example{'s' * (k > 1)}" for k in counts) + " |",
        "| --- " + "| ---: " * len(counts) + "|",
        "| tags | " + " | ".join(map(str, counts.values())) + " |",
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
    """Write `fewshot.json`, every tag's measures, and `fewshot.png`, their means."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {name: [asdict(one) for one in each] for name, each in measured.items()}
    (folder / "fewshot.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    drawing, panels = figure(9, 3.5, 1, 2)
    for name, each in measured.items():
        rows = means(each)
        for place, panel in enumerate(panels[0]):
            panel.plot([str(k) for k in rows], [values[1 + place] for values in rows.values()], marker="o", label=name)
    for panel, title in zip(panels[0], ("average precision", "recall at 1 % of other clips")):
        panel.set(xlabel="examples", ylabel=title, ylim=(0, 1))
        panel.grid(alpha=0.3)
    panels[0, 0].legend()
    drawing.savefig(folder / "fewshot.png", dpi=120)

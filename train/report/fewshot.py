"""Teaching, as a table and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ..measure.fewshot import Measured, means
from .plots import figure


def told(measured: Mapping[str, Sequence[Measured]]) -> str:
    """Return the means over tags as Markdown."""
    lines = [
        "| tagger | examples | tags | average precision | recall at 1 % of other clips |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, each in measured.items():
        lines += [f"| {name} | {k} | {n} | {ap:.3f} | {recall:.3f} |" for k, (n, ap, recall) in means(each).items()]
    return "\n".join(lines) + "\n"


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

"""Figures. Each function writes one PNG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.data import Float32

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = {"clip_map": "clip mAP", "chunk_map": "chunk mAP", "accuracy": "clip accuracy"}


def figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    """Return a figure without a screen, and its axes in an array (rows, columns)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing, drawing.subplots(rows, columns, squeeze=False)


def plot_sweep(out: Path, rows: Sequence[Mapping[str, Any]], axes: Sequence[str]) -> None:
    """Write `sweep.png`: measures over the first axis, a line for each setting of the others; mean and range."""
    first, others = axes[0], axes[1:]
    measures = [name for name in MEASURES if name in rows[0]]
    drawing, panels = figure(5 * len(measures), 4, 1, len(measures))
    for panel, measure in zip(panels[0], measures):
        lines: dict[tuple[Any, ...], dict[Any, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            lines[tuple(row[name] for name in others)][row[first]].append(row[measure])
        for setting, points in lines.items():
            label = ", ".join(f"{name} {value}" for name, value in zip(others, setting))
            means = np.array([np.mean(values) for values in points.values()])
            low = means - [min(values) for values in points.values()]
            high = [max(values) for values in points.values()] - means
            panel.errorbar([str(x) for x in points], means, [low, high], marker="o", capsize=3, label=label or None)
        panel.set(xlabel=first.replace("_", " "), ylabel=MEASURES[measure])
        panel.grid(alpha=0.3)
    if others:
        panels[0, 0].legend(fontsize=7)
    drawing.savefig(out / "sweep.png", dpi=120)


def plot_steps(out: Path, rows: Sequence[Mapping[str, Any]], label: str) -> None:
    """Write `sweep.png`: measures of named settings in their order from the top; bars are means, dots splits."""
    measures = [name for name in MEASURES if name in rows[0]]
    names = list(dict.fromkeys(row[label] for row in rows))
    drawing, panels = figure(4 * len(measures) + 1, 0.4 * len(names) + 1.2, 1, len(measures))
    for panel, measure in zip(panels[0], measures):
        values = [[row[measure] for row in rows if row[label] == name] for name in names]
        panel.barh(range(len(names)), [np.mean(of_name) for of_name in values], color="#35608d")
        for place, of_name in enumerate(values):
            panel.plot(of_name, [place] * len(of_name), "k.", markersize=4)
        panel.set_yticks(range(len(names)), names if panel is panels[0, 0] else [""] * len(names))
        panel.invert_yaxis()
        panel.set(xlabel=MEASURES[measure])
        panel.grid(alpha=0.3, axis="x")
    drawing.savefig(out / "sweep.png", dpi=120)


def plot_over(
    path: Path, rows: Sequence[Mapping[str, Any]], x: tuple[str, str], y: tuple[str, str], lines: Sequence[str]
) -> None:
    """Write one column over another from 0 on, each with its label, a line for each combination of those in `lines`."""
    drawing, panels = figure(6, 4)
    drawn: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        drawn[", ".join(f"{name} {row[name]}" for name in lines)].append((row[x[0]], row[y[0]]))
    for label, points in drawn.items():
        panels[0, 0].plot(*zip(*points), marker="o", label=label or None)
    panels[0, 0].set(xlabel=x[1], ylabel=y[1], ylim=(0, 1.1 * max(row[y[0]] for row in rows)))
    panels[0, 0].grid(alpha=0.3)
    if lines:
        panels[0, 0].legend(fontsize=7)
    drawing.savefig(path, dpi=120)


def plot_confusion(path: Path, confusion: Float32, tags: Sequence[str]) -> None:
    """Write the confusion matrix, (C, C), each row the share of a tag's clips that were given each tag."""
    side = max(4.0, 0.2 * len(tags) + 2)
    drawing, panels = figure(side, side)
    image = panels[0, 0].imshow(confusion, cmap="magma_r", vmin=0, vmax=1)
    panels[0, 0].set_xticks(range(len(tags)), tags, rotation=90, fontsize=7)
    panels[0, 0].set_yticks(range(len(tags)), tags, fontsize=7)
    panels[0, 0].set(xlabel="highest clip score", ylabel="tag of the clip")
    drawing.colorbar(image, ax=panels[0, 0], shrink=0.6, label="share of the tag's clips")
    drawing.savefig(path, dpi=110)


def plot_reliability(path: Path, curves: Mapping[str, tuple[Float32, Float32]]) -> None:
    """Write how often a score comes true: by name, mean scores and shares, (bins,) each."""
    drawing, panels = figure(5, 4.5)
    panel = panels[0, 0]
    panel.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    for name, (scores, shares) in curves.items():
        panel.plot(scores, shares, marker="o", label=name)
    panel.set(xlabel="score of a window", ylabel="share of windows that have the tag", xlim=(0, 1), ylim=(0, 1))
    panel.grid(alpha=0.3)
    panel.legend()
    drawing.savefig(path, dpi=110)


def plot_bars(path: Path, values: Mapping[str, float | None], label: str) -> None:
    """Write a bar for each name, longest on top; names without a value are left out."""
    known = sorted((value, name) for name, value in values.items() if value is not None)
    drawing, panels = figure(6, 0.16 * len(known) + 1)
    panels[0, 0].barh([name for _, name in known], [value for value, _ in known], color="#35608d")
    panels[0, 0].tick_params(axis="y", labelsize=7)
    panels[0, 0].set(xlabel=label, xlim=(0, 1), ylim=(-0.6, len(known) - 0.4))
    panels[0, 0].grid(alpha=0.3, axis="x")
    drawing.savefig(path, dpi=110)


def plot_patches(path: Path, patches: Sequence[Float32], captions: Sequence[str], columns: int = 6) -> None:
    """Write patches, each (frames, bands), as small spectrograms with time to the right and pitch up."""
    rows = -(-len(patches) // columns)
    drawing, panels = figure(2.1 * columns, 2.2 * rows, rows, columns)
    low, high = min(patch.min() for patch in patches), max(patch.max() for patch in patches)
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, patch, caption in zip(panels.flat, patches, captions):
        panel.imshow(patch.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
        panel.set_title(caption, fontsize=7)
    drawing.savefig(path, dpi=90)


def plot_trade(path: Path, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], shipped: float) -> None:
    """Write false events per hour over recall: by name, recalls and rates; and the recall of what is shipped."""
    drawing, panels = figure(6, 4.5)
    panel = panels[0, 0]
    for name, (recalls, rates) in curves.items():
        panel.plot(recalls, rates, marker=".", label=name)
    panel.axvline(shipped, color="grey", linestyle=":", label="shipped")
    panel.set_yscale("symlog", linthresh=1.0)
    panel.set(xlabel="share of held-out tags that raise an event", ylabel="false events per hour", xlim=(0, 1))
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    panel.legend()
    drawing.savefig(path, dpi=110)

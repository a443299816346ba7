"""The numbers that the README quotes, from the metrics of the runs that made them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import UsageError

from ..measure.expense import LABELS
from .plots import MEASURES

CHECKOUT = Path(__file__).parents[2]
METRICS = CHECKOUT / "train" / "metrics"
# Whose numbers, and where the metrics of the run lie; `run` writes them beside the bundle.
COLUMNS = {
    "the paper's recipe, width 256": METRICS / "recipe.json",
    "the learned codebook": METRICS / "learned.json",
}
# Experiments whose means it quotes; `sweep` wrote them.
SWEEPS = [METRICS / f"{name}.csv" for name in ("context", "ablation")]
Metrics = Mapping[str, Any]


def over_folds(name: str) -> Callable[[Metrics], str]:
    """Return what tells a measure's mean with its interval."""

    def tell(metrics: Metrics) -> str:
        low, high = metrics[name]["interval_95"]
        return f"{metrics[name]['mean']:.3f} ({low:.3f} … {high:.3f})"

    return tell


def after(change: str, name: str) -> Callable[[Metrics], str]:
    """Return what tells a measure after a change of the clips."""

    def tell(metrics: Metrics) -> str:
        table = metrics["robustness"]["table"]
        return f"{table[change][name]:.3f}" if change in table else "not measured"

    return tell


def before_export(metrics: Metrics) -> str:
    """Tell what float and int8 networks reach, before calibration."""
    float_, int8 = metrics["precision"]["keras"], metrics["precision"]["tflite"]
    return f"{float_['accuracy']:.3f}, {int8['accuracy']:.3f}"


def false_events(metrics: Metrics) -> str:
    """Tell false events per hour with the interval of their count, and the recall they are bought with."""
    if "false_events" not in metrics:
        return "not measured"
    shipped, full = metrics["false_events"]["shipped"], metrics["false_events"]["full_recall"]
    low, high = shipped["recorded_interval_95"]
    rate = f"{shipped['recorded_per_hour']:.0f} ({low:.0f} … {high:.0f})"
    return f"{rate} at a recall of {shipped['recall']:.2f} of {full:.2f}"


def by_kind(metrics: Metrics) -> str:
    """Tell false events per hour on each kind of recording."""
    if "false_events" not in metrics:
        return "not measured"
    kinds = metrics["false_events"]["shipped"]["by_kind_per_hour"]
    return ", ".join(f"{kind} {rate:.0f}" for kind, rate in kinds.items())


def training(metrics: Metrics) -> str:
    """Tell what all stages of one split take together."""
    stages = metrics["stages"].values()
    minutes = sum(stage["seconds"] for stage in stages) / 60
    at_least = "at least " if any(stage["resumed"] for stage in stages) else ""
    memory_gb = max(stage["peak_memory_mb"] for stage in stages) / 1024
    return f"{at_least}{minutes:.0f} min, {memory_gb:.1f} GB, {metrics['processors']} cores"


ROWS: Mapping[str, Callable[[Metrics], str]] = {
    "clip accuracy": over_folds("accuracy"),
    "clip mAP": over_folds("clip_map"),
    "chunk mAP": over_folds("chunk_map"),
    "clip accuracy at ten scores a second": after("ten scores a second", "accuracy"),
    "clip mAP at ten scores a second": after("ten scores a second", "clip_map"),
    "accuracy in float, in int8, uncalibrated": before_export,
    "accuracy 30 dB fainter": after("gain -30 dB", "accuracy"),
    "accuracy 6 dB louder": after("gain +6 dB", "accuracy"),
    "accuracy in white noise, 20 dB SNR": after("white noise, 20 dB SNR", "accuracy"),
    "accuracy in white noise, 10 dB SNR": after("white noise, 10 dB SNR", "accuracy"),
    "accuracy in white noise, 0 dB SNR": after("white noise, 0 dB SNR", "accuracy"),
    "accuracy through a telephone's band": after("300 … 3400 Hz only", "accuracy"),
    "accuracy of copies at 48 kHz": after("a copy at 48 kHz", "accuracy"),
    "accuracy in another recording, 10 dB SNR": after("a negative, 10 dB SNR", "accuracy"),
    "false events per hour, recorded": false_events,
    "false events per hour by kind": by_kind,
    LABELS["bundle_mb"]: lambda metrics: f"{metrics['expense']['bundle_mb']:.1f}",
    LABELS["us_per_s"]: lambda metrics: f"{metrics['expense']['us_per_s']:.0f}",
    "training of one fold": training,
}


def metrics_of(path: Path, name: str = "metrics.json", command: str = "run") -> Metrics:
    """Return the metrics that a command wrote under a name; raise `UsageError` where they are missing."""
    content: Metrics = json.loads(text_of(path, name, command))
    return content


def text_of(path: Path, name: str, command: str) -> str:
    """Return the text of a file; where it is missing, raise `UsageError` with what wrote it under which name."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing: copy there the {name} that `python -m train {command}` wrote") from error


def numbers(columns: Mapping[str, Path]) -> str:
    """Return the README's table, Markdown.

    Raises
    ------
    UsageError
        If a run's metrics are missing.
    """
    metrics = {name: metrics_of(path) for name, path in columns.items()}
    lines = [["", *metrics], ["---", *("---" for _ in metrics)]]
    lines += [[row, *(tell(of_run) for of_run in metrics.values())] for row, tell in ROWS.items()]
    return table(lines)


def steps(path: Path) -> str:
    """Return the table of an experiment's means, Markdown, from the CSV that `python -m train sweep` wrote.

    Raises
    ------
    UsageError
        If it is missing.
    """
    rows = list(csv.DictReader(text_of(path, "sweep.csv", "sweep").splitlines()))
    return markdown(rows, list(rows[0])[: list(rows[0]).index("split")])


def markdown(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str:
    """Return a table of each setting's means over the splits."""
    settings: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        settings.setdefault(tuple(row[label] for label in labels), []).append(row)
    columns = {**{name: title for name, title in MEASURES.items() if name in rows[0]}, **LABELS}
    lines = [[*labels, *columns.values()], ["---"] * len(labels) + ["---:"] * len(columns)]
    for setting, of_setting in settings.items():
        lines.append([*map(str, setting), *(mean_of(name, of_setting) for name in columns)])
    return table(lines)


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as Markdown."""
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def mean_of(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a column's mean as text; a dash where no device can do what the rows are about."""
    if rows[0][name] == "":
        return "—"
    return f"{np.mean([float(row[name]) for row in rows]):.{0 if name == 'us_per_s' else 3}f}"


def between(text: str, name: str, content: str) -> str:
    """Return a text with other content between its markers of this name.

    Raises
    ------
    UsageError
        If it does not have them.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise UsageError(f"there is no {begin.strip()} … {end} in it")
    return head + begin + content + end + tail

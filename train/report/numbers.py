"""The numbers that the README quotes, from the metrics of the runs that made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bowstream.errors import UsageError

from ..measure.expense import LABELS

CHECKOUT = Path(__file__).parents[2]
# Whose numbers, and where the metrics of the run lie; `run` writes them beside the bundle.
COLUMNS = {
    "the paper's recipe": CHECKOUT / "train" / "metrics" / "recipe.json",
    "the shipped bundle": CHECKOUT / "models" / "default" / "metrics.json",
}
Metrics = Mapping[str, Any]


def over_folds(name: str) -> Callable[[Metrics], str]:
    """Return what tells a measure's mean with its interval."""

    def tell(metrics: Metrics) -> str:
        low, high = metrics[name]["interval_95"]
        return f"{metrics[name]['mean']:.3f} ({low:.3f} … {high:.3f})"

    return tell


def after(change: str, name: str) -> Callable[[Metrics], str]:
    """Return what tells a measure after a change of the clips."""
    return lambda metrics: f"{metrics['robustness']['table'][change][name]:.3f}"


def before_export(metrics: Metrics) -> str:
    """Tell what float and int8 networks reach, before calibration."""
    float_, int8 = metrics["precision"]["keras"], metrics["precision"]["tflite"]
    return f"{float_['accuracy']:.3f}, {int8['accuracy']:.3f}"


def false_events(metrics: Metrics) -> str:
    """Tell false events an hour, over how many hours, and the recall they are bought with."""
    if "false_events" not in metrics:
        return "not measured"
    shipped, full = metrics["false_events"]["shipped"], metrics["false_events"]["full_recall"]
    hours = metrics["false_events"]["hours"]["recorded"]
    return f"{shipped['recorded_per_hour']:.1f} (in {hours:.1f} h) at a recall of {shipped['recall']:.2f} of {full:.2f}"


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
    "false events an hour": false_events,
    LABELS["bundle_mb"]: lambda metrics: f"{metrics['expense']['bundle_mb']:.1f}",
    LABELS["us_per_s"]: lambda metrics: f"{metrics['expense']['us_per_s']:.0f}",
    "training of one fold": training,
}


def read(path: Path) -> Metrics:
    """Return a run's metrics."""
    try:
        content: Metrics = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path} is missing: copy there the metrics.json that `python -m train run` wrote") from error
    return content


def numbers(columns: Mapping[str, Path]) -> str:
    """Return the README's table, Markdown.

    Raises
    ------
    UsageError
        If a run's metrics are missing.
    """
    metrics = {name: read(path) for name, path in columns.items()}
    lines = [["", *metrics], ["---", *("---" for _ in metrics)]]
    lines += [[row, *(tell(of_run) for of_run in metrics.values())] for row, tell in ROWS.items()]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)

"""One run as one HTML page that needs nothing but itself; its figures lie beside it as PNGs too."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.model.patches import FAMILIES

from ..dataset.data import Float32
from . import plots
from .codes import Code
from .plots import MEASURES

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
div { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd }
th { text-align: left } td { text-align: right } td:first-child { text-align: left } img { max-width: 100% }
audio { height: 1.6rem; width: 9rem; vertical-align: middle } h2 { margin-top: 2.5rem }
"""


def write_report(
    path: Path, title: str, metrics: Mapping[str, Any], figures: Mapping[str, Any], codes: Sequence[Code]
) -> Path:
    """Write `report.html` and its PNGs into a folder; return the page.

    Parameters
    ----------
    metrics : as `run.py` collects them
    figures : `confusion` (C, C) or None, `tags`, `reliability` curves by name
    """
    path.mkdir(parents=True, exist_ok=True)
    sections = [
        ("Scores", scores_table(metrics) + f"<p>{html.escape(metrics['protocol'])}. {EXPLAINED}</p>"),
        ("Heard", data_section(metrics["data"])),
        ("Each tag", per_tag(path, metrics["tags"])),
    ]
    if figures["confusion"] is not None:
        plots.plot_confusion(path / "confusion.png", figures["confusion"], figures["tags"])
        sections.append(("What is taken for what", picture(path / "confusion.png")))
    plots.plot_reliability(path / "reliability.png", figures["reliability"])
    sections.append(("Does a score mean what it says?", picture(path / "reliability.png") + f"<p>{CALIBRATED}</p>"))
    if "false_events" in metrics:
        sections.append(("Does it know when it does not know?", false_events_section(path, metrics["false_events"])))
    sections.append(("Fainter, noisier, narrower", robustness_section(metrics["robustness"])))
    sections.append(("What the codes have learned", "".join(family_section(path, f, codes) for f in FAMILIES)))
    sections.append(("Float against int8", precision_table(metrics["precision"])))
    sections.append(("Time and memory", stages_table(metrics["stages"])))
    sections.append(("Settings", settings_table(metrics["training"])))
    body = "".join(f"<h2>{html.escape(name)}</h2>{content}" for name, content in sections)
    page = path / "report.html"
    page.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{metrics['created']}, revision "
        f"{metrics['git_revision']}</p>{body}</html>\n",
        "utf-8",
    )
    return page


EXPLAINED = (
    "mAP is the mean over tags of average precision; chunks are windows of 1 s, each with its clip's tags; a clip's "
    "scores are the average over its chunks. The interval, where there are folds, is Student's, 95 %, over them."
)
CALIBRATED = "No clip has a part in the calibration of its own scores, so the calibrated curve is held out too."


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return an HTML table."""
    lines = ["".join(f"<th>{html.escape(name)}</th>" for name in header)]
    lines += ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows]
    return wide("".join(f"<tr>{line}</tr>" for line in lines))


def wide(rows: str) -> str:
    """Return a table that scrolls by itself where the window is narrow."""
    return f"<div><table>{rows}</table></div>"


def embedded(content: bytes, kind: str) -> str:
    """Return a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture(path: Path) -> str:
    """Return a PNG inside the page."""
    return f'<p><img alt="{path.stem}" src="{embedded(path.read_bytes(), "image/png")}"></p>'


def scores_table(metrics: Mapping[str, Any]) -> str:
    """Return the measures over folds."""
    rows = []
    for name, label in MEASURES.items():
        if name in metrics:
            value = metrics[name]
            interval = " … ".join(f"{bound:.3f}" for bound in value.get("interval_95", ())) or "one split only"
            folds = ", ".join(f"{fold:.3f}" for fold in value["folds"])
            rows.append((label, f"{value['mean']:.3f}", interval, folds))
    return table(("", "mean", "95 % interval", "folds"), rows)


def data_section(data: Mapping[str, Any]) -> str:
    """Return how much was learned from and tried."""
    splits = [(name, split["fit"], split["held"]) for name, split in data["splits"].items()]
    return f"<p>{data['clips']} clips, {data['hours']:.2f} h.</p>" + table(
        ("clips of", "learned from", "tried on"), splits
    )


def per_tag(path: Path, tags: Mapping[str, Mapping[str, Any]]) -> str:
    """Return each tag's clips, its average precision over held-out ones, and the thresholds that ship."""
    precisions = {tag: of_tag["average_precision"] for tag, of_tag in tags.items()}
    plots.plot_bars(path / "tags.png", precisions, "average precision over clips")
    rows = [
        (
            tag,
            of_tag["clips"],
            "not held out" if precisions[tag] is None else f"{precisions[tag]:.3f}",
            f"{of_tag['on']:.3f}",
            f"{of_tag['off']:.3f}",
        )
        for tag, of_tag in tags.items()
    ]
    return picture(path / "tags.png") + table(("", "clips", "average precision", "begins at", "ends below"), rows)


def family_section(path: Path, family: str, codes: Sequence[Code]) -> str:
    """Return the most telling codes of one family: seen, heard, and their tags."""
    mine = [code for code in codes if code.family == family]
    plots.plot_patches(path / f"codes_{family}.png", [c.patch for c in mine], [f"code {c.index}" for c in mine])
    rows = "".join(
        f'<tr><td>{code.index}</td><td>{100 * code.share:.1f} %</td><td><audio controls src="'
        f'{embedded(code.sound, "audio/wav")}"></audio></td><td>'
        + html.escape(", ".join(f"{tag} ×{lift:.1f}" for tag, lift in code.tags))
        + "</td></tr>"
        for code in mine
    )
    header = "<tr><th>code</th><th>of patches</th><th>shaped noise</th><th>makes likelier</th></tr>"
    return f"<h3>{family}</h3>{picture(path / f'codes_{family}.png')}{wide(header + rows)}"


def precision_table(precision: Mapping[str, Any]) -> str:
    """Return what int8 changes, code by code and score by score."""
    shares = table(
        ("codes changed", *FAMILIES),
        [
            (label, *(f"{100 * precision[key][family]:.2f} %" for family in FAMILIES))
            for label, key in (
                ("Keras to TFLite", "codes_changed_keras_to_tflite"),
                ("TFLite to device", "codes_changed_tflite_to_device"),
            )
        ],
    )
    names = [name for name in MEASURES if name in precision["keras"]]
    measures = table(
        ("", *(MEASURES[name] for name in names)),
        [(path, *(f"{precision[path][name]:.3f}" for name in names)) for path in ("keras", "tflite", "device")],
    )
    return (
        f"{shares}{measures}<p>On {precision['clips']} held-out clips, before calibration. Scores differ by "
        f"{precision['largest_score_difference_keras_to_tflite']:.3f} at most and "
        f"{precision['mean_score_difference_keras_to_tflite']:.5f} on average between Keras and TFLite, by "
        f"{precision['largest_score_difference_tflite_to_device']:.3g} at most between TFLite on cached features and "
        "a tagger that hears the files.</p>"
    )


def robustness_section(robustness: Mapping[str, Any]) -> str:
    """Return the measures after each change."""
    names = [name for name in MEASURES if name in robustness["table"]["as recorded"]]
    rows = [(change, *(f"{values[name]:.3f}" for name in names)) for change, values in robustness["table"].items()]
    heard = (
        f"<p>Held-out clips of {html.escape(', '.join(robustness['splits']))}, at most "
        f"{robustness['most_clips_of_a_split']} of each, changed and put to 16 bits again before they are heard.</p>"
    )
    return heard + table(("", *(MEASURES[name] for name in names)), rows)


def false_events_section(path: Path, false: Mapping[str, Any]) -> str:
    """Return the trade of false events against recall, and what is shipped."""
    curve, shipped = false["curve"], false["shipped"]
    recalls = [point["recall"] for point in curve]
    curves = {
        label: (recalls, [point[key] for point in curve])
        for label, key in (("recorded sounds", "recorded_per_hour"), ("made-up sounds", "made_per_hour"))
    }
    plots.plot_trade(path / "false_events.png", curves, shipped["recall"])
    rows = [(f"{point['offset']:.2f}", *told(point)) for point in curve]
    rows.append((f"shipped: {shipped['offset']:.2f}", *told(shipped)))
    return (
        f"<p>{html.escape(false['protocol'])} {false['hours']['recorded']:.2f} h were recorded, "
        f"{false['hours']['made']:.2f} h made up. Shipped are {html.escape(false['rule'])}"
        + ("" if shipped["quiet"] else ": <strong>that limit is not met</strong>")
        + ".</p>"
        f"{picture(path / 'false_events.png')}<p>False events per hour, with thresholds raised by so many logits:</p>"
        + table(("logits", "recall", "recorded", "made up", *shipped["by_kind_per_hour"]), rows)
    )


def told(point: Mapping[str, Any]) -> list[str]:
    """Return the cells of a row of that table."""
    rates = [point["recorded_per_hour"], point["made_per_hour"], *point["by_kind_per_hour"].values()]
    return [f"{point['recall']:.3f}", *(f"{rate:.1f}" for rate in rates)]


def stages_table(stages: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what each stage of one split took."""
    rows = [
        (name, f"{'more than ' * stage['resumed']}{stage['seconds']:.1f} s", f"{stage['peak_memory_mb']} MB")
        for name, stage in stages.items()
    ]
    return table(("stage of one split", "time", "most memory so far"), rows)


def settings_table(training: Mapping[str, Any]) -> str:
    """Return all settings that the method reads."""
    stages = [(stage if isinstance(stage, dict) else {name: stage}) for name, stage in training.items()]
    return table(("setting", "value"), [row for stage in stages for row in stage.items()])


def confusion(clip_scores: Float32, targets: Float32) -> Float32:
    """Return the share of each tag's clips whose highest score is each tag's, (C, C)."""
    counts = np.zeros((targets.shape[1],) * 2)
    np.add.at(counts, (targets.argmax(axis=1), clip_scores.argmax(axis=1)), 1.0)
    shares: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return shares.astype(np.float32)


def reliability(scores: Float32, presence: Float32, bins: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean score and the share of hits in bins of the score, of what is known of all tags together."""
    known = ~np.isnan(presence)
    values, hits = scores[known], presence[known]
    place = np.minimum((values * bins).astype(int), bins - 1)
    number = np.bincount(place, minlength=bins)
    filled = number > 0
    mean = np.bincount(place, values, bins)[filled] / number[filled]
    return mean, np.bincount(place, hits, bins)[filled] / number[filled]

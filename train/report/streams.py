"""`python -m train streams`: events of bundles on scenes of other places, as the field measures them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bowstream
from bowstream.model.sensitivity import SPAN, USUAL

from ..common.progress import say
from ..common.store import git_revision, now
from ..dataset.data import DataSet, Float32
from ..dataset.negatives import Negative
from ..dataset.scenes import SNRS_DB
from ..measure.detection import f1, onset_errors, psds
from ..measure.hearing import heard_by_bundles, heard_by_other, scenes_for
from ..measure.streams import Heard, logit
from ..measure.tuning import SENSITIVITIES, best_shifts, counted, hours
from ..measure.waveform import WaveformTagger

# Operating points of PSDS, in logits around the thresholds.
POINTS = np.arange(-3.0, 3.01, 0.5, dtype=np.float32)
PROTOCOL = (
    "Clips of sources that a bundle did not learn from, each placed once at a known time into a recording that it did "
    "not learn from, at 0, 6 and 12 dB in turn (root mean square of the sounding part above that of the background); "
    "events by bowstream's tracker, for each tagger alike. An event is right if its onset is right by 0.5 s "
    "(event-based), or in each second (segment-based). False events an hour are those on the backgrounds alone, "
    "recall is the share of placed tags that raise an event."
)


def streams(
    data: DataSet,
    negatives: Sequence[Negative],
    bundles: Sequence[Path],
    hops_s: Sequence[float],
    out: Path,
    other: WaveformTagger | None = None,
) -> dict[str, Any]:
    """Write how bundles do on scenes to a JSON file; return it.

    Parameters
    ----------
    hops_s : seconds between two scores, each tried
    other : is heard on the same scenes, at the longest hop; its thresholds are chosen there, by the rule of `tune`
    """
    loaded = [bowstream.load_bundle(path) for path in bundles]
    tags = tuple(tag.name for tag in loaded[0].tags)
    shift = -logit(np.array([tag.on for tag in loaded[0].tags], np.float32))
    scenes = scenes_for(data, negatives, loaded)
    longest = max(hops_s)
    metrics: dict[str, Any] = {
        "protocol": PROTOCOL,
        "created": now(),
        "git_revision": git_revision(),
        "bundles": {bundle.name: bundle.description["sha256"] for bundle in loaded},
        "tags": list(tags),
        "ours": {},
    }
    for hop_s in hops_s:
        heard = heard_by_bundles(scenes, hop_s)
        metrics["ours"][f"{hop_s:g}"] = measured(heard, tags, shift, hop_s == longest)
        if hop_s == longest:
            metrics |= amounts(heard)
    if other:
        heard = heard_by_other(scenes, other, data, tags, longest)
        own = best_shifts(heard, tags)
        metrics["other"] = {"name": other.path.stem, f"{longest:g}": measured(heard, tags, own, True)}
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{out}: {metrics['scenes']} scenes")
    return metrics


def amounts(heard: Sequence[Heard]) -> dict[str, Any]:
    """Return how much there is."""
    placed = [one for one in heard if one.scene.placed]
    return {
        "scenes": len(placed),
        "placed": sum(len(one.scene.placed) for one in placed),
        "hours": {"scenes": round(hours(placed), 3), "backgrounds": round(hours(heard, alone=True), 3)},
    }


def measured(heard: Sequence[Heard], tags: Sequence[str], shift: Float32, whole: bool) -> dict[str, Any]:
    """Return all that is measured of one tagger at one hop; without `whole` no PSDS, which takes long."""
    placed = [one for one in heard if one.scene.placed]
    events = [one.events(tags, shift) for one in placed]
    measures: dict[str, Any] = {**f1(placed, events, tags), **onset_errors(placed, events)}
    for snr_db in SNRS_DB:
        some = [place for place, one in enumerate(placed) if one.scene.snr_db == snr_db]
        if some:
            at_snr = f1([placed[place] for place in some], [events[place] for place in some], tags)
            measures[f"event_f1_at_{snr_db:g}_db"] = at_snr["event_f1"]
    if whole:
        points = [[one.events(tags, shift + point) for one in placed] for point in POINTS]
        measures |= psds(placed, points, tags)
    measures["costs"] = [cost(heard, tags, shift, value) for value in SENSITIVITIES]
    return measures


def cost(heard: Sequence[Heard], tags: Sequence[str], shift: Float32, sensitivity: float) -> dict[str, float]:
    """Return false events an hour and recall at a sensitivity."""
    counts = counted(heard, tags, shift + np.float32(SPAN * (sensitivity - USUAL)))
    return {
        "sensitivity": sensitivity,
        "false_per_hour": round(counts.false_alone / max(hours(heard, alone=True), 1e-9), 2),
        "recall": round(counts.recall, 4),
    }


def told(metrics: Mapping[str, Any]) -> str:
    """Return the comparison as Markdown."""
    columns = {f"ours, hop {hop} s": values for hop, values in metrics["ours"].items()}
    if "other" in metrics:
        name, *hops = metrics["other"]
        columns |= {f"{metrics['other'][name]}, hop {hop} s": metrics["other"][hop] for hop in hops}
    rows = [name for name in next(iter(columns.values())) if name != "costs"]
    lines = [["", *columns], ["---", *("---:" for _ in columns)]]
    lines += [[TITLES[row], *(cell(values.get(row)) for values in columns.values())] for row in rows]
    for place, at in enumerate(SENSITIVITIES):
        pairs = [values["costs"][place] for values in columns.values()]
        texts = [f"{pair['false_per_hour']:.1f}, {pair['recall']:.3f}" for pair in pairs]
        lines.append([f"sensitivity {at:g}: false events an hour, recall", *texts])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def cell(value: float | None) -> str:
    """Return a number as text; a dash for none."""
    return "—" if value is None else f"{value:.3f}"


TITLES: Mapping[str, str] = {
    **{f"event_f1_at_{snr_db:g}_db": f"event-based F1 at {snr_db:g} dB" for snr_db in SNRS_DB},
    **{f"event_{name}": f"event-based {title}" for name, title in (("f1", "F1"), ("precision", "precision"))},
    **{f"segment_{name}": f"segment-based {title}" for name, title in (("f1", "F1"), ("precision", "precision"))},
    "event_recall": "event-based recall",
    "segment_recall": "segment-based recall",
    "onset_median_s": "onset, median error in s",
    "onset_95_s": "onset, 95 % within, in s",
    "psds1": "PSDS, scenario 1",
    "psds2": "PSDS, scenario 2",
}

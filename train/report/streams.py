"""`python -m train streams`: events of bundles on scenes of other places, as the field measures them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bowstream

from ..common.progress import say
from ..common.store import git_revision, now
from ..dataset.data import DataSet, Float32
from ..dataset.negatives import Negative
from ..dataset.scenes import SNRS_DB
from ..measure.detection import f1, onset_errors, psds
from ..measure.hearing import brief_for, heard_by_bundles, heard_by_other, scenes_for
from ..measure.streams import Heard, logit, usual_of, with_usual
from ..measure.tuning import SENSITIVITIES, TARGET_PER_HOUR, cost, hours, shift_for
from ..measure.waveform import WaveformTagger
from .numbers import table

# Operating points of PSDS, in logits around the thresholds.
POINTS = np.arange(-3.0, 3.01, 0.5, dtype=np.float32)
PROTOCOL = (
    "Clips of sources that a bundle did not learn from, each placed once at a known time into a recording that it did "
    "not learn from, at 0, 6 and 12 dB in turn (root mean square of the sounding part above that of the background); "
    "events by bowstream's tracker, for each tagger alike. An event is right if its onset is right by 0.5 s "
    "(event-based), or in each second (segment-based). False events per hour are those on the backgrounds alone, "
    "recall is the share of placed tags that raise an event."
)


def streams(
    root: Path,
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
    root : the folder of all artefacts
    hops_s : seconds between two scores, each tried
    other : is heard on the same scenes, at the longest hop; its threshold and what it usually says are found there
    """
    loaded = [bowstream.load_bundle(path) for path in bundles]
    tags = tuple(tag.name for tag in loaded[0].tags)
    shift = -logit(np.array([tag.on for tag in loaded[0].tags], np.float32))
    scenes, brief = scenes_for(data, negatives, loaded), brief_for(data, loaded)
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
        heard = heard_by_bundles(root, scenes, hop_s)
        metrics["ours"][f"{hop_s:g}"] = measured(heard, tags, shift, hop_s == longest)
        if hop_s == longest:
            metrics |= amounts(heard)
        metrics["ours"][f"{hop_s:g}"] |= brief_sounds(heard_by_bundles(root, brief, hop_s), tags, shift)
    if other:
        heard = heard_by_other(root, scenes, other, data, tags, longest)
        usual = usual_of(heard, tags)
        heard = with_usual(heard, usual)
        own = np.full(len(tags), shift_for(heard, tags, TARGET_PER_HOUR), np.float32)
        metrics["other"] = {"name": other.path.stem, f"{longest:g}": measured(heard, tags, own, True)}
        heard = with_usual(heard_by_other(root, brief, other, data, tags, longest), usual)
        metrics["other"][f"{longest:g}"] |= brief_sounds(heard, tags, own)
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{out}: {metrics['scenes']} scenes")
    return metrics


def amounts(heard: Sequence[Heard]) -> dict[str, Any]:
    """Return how much there is."""
    placed = [one for one in heard if one.scene.placed]
    return {
        "scenes": len(placed),
        "placed": sum(len(one.scene.placed) for one in placed),
        "hours": {
            "scenes": round(sum(one.scene.duration_s for one in placed) / 3600.0, 3),
            "backgrounds": round(hours(heard), 3),
        },
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


def brief_sounds(heard: Sequence[Heard], tags: Sequence[str], shift: Float32) -> dict[str, Any]:
    """Return the share of brief sounds in a quiet room that are ranked first, and of these the share that is raised."""
    first = [one for one in heard if tags[int(one.logits.max(axis=0).argmax())] in one.scene.placed[0].tags]
    raised = [
        any(event.tag in one.scene.placed[0].tags for event in one.events(tags, shift, onsets=False)) for one in first
    ]
    return {
        "brief_first": round(len(first) / max(1, len(heard)), 4),
        "brief_raised": round(sum(raised) / max(1, len(first)), 4),
    }


def told(metrics: Mapping[str, Any]) -> str:
    """Return all of the comparison as Markdown."""
    of_taggers = taggers(metrics)
    measures = [name for name in TITLES if any(name in values for values in of_taggers.values())]
    lines = rows(metrics, measures)
    for place, at in enumerate(SENSITIVITIES):
        pairs = [values["costs"][place] for values in of_taggers.values()]
        texts = [f"{pair['false_per_hour']:.1f}, {pair['recall']:.3f}" for pair in pairs]
        lines.append([f"sensitivity {at:g}: false events per hour, recall", *texts])
    return table(lines)


def in_short(metrics: Mapping[str, Any]) -> str:
    """Return what a README says of it, as Markdown."""
    lines = rows(metrics, SHORT)
    for per_hour in RATES:
        shares = [recall_at(values["costs"], per_hour) for values in taggers(metrics).values()]
        lines.append([f"sounds raised, at most {per_hour:g} false events per hour", *map(cell, shares)])
    return table(lines)


def taggers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measures of each tagger at each hop, by its title."""
    columns = {f"ours, hop {hop} s": values for hop, values in metrics["ours"].items()}
    if "other" in metrics:
        hops = {hop: values for hop, values in metrics["other"].items() if hop != "name"}
        columns |= {f"{metrics['other']['name']}, hop {hop} s": values for hop, values in hops.items()}
    return columns


def rows(metrics: Mapping[str, Any], measures: Sequence[str]) -> list[list[str]]:
    """Return the header and a row for each of these measures."""
    columns = taggers(metrics)
    title = f"{metrics['placed']} clips placed, {metrics['hours']['backgrounds']:.1f} h of backgrounds"
    lines = [[title, *columns], ["---", *("---:" for _ in columns)]]
    return lines + [[TITLES[name], *(cell(of.get(name)) for of in columns.values())] for name in measures]


def recall_at(costs: Sequence[Mapping[str, float]], per_hour: float) -> float:
    """Return the greatest recall with at most so many false events per hour."""
    return max((cost["recall"] for cost in costs if cost["false_per_hour"] <= per_hour), default=0.0)


def cell(value: float | None) -> str:
    """Return a number as text; a dash for none."""
    return "—" if value is None else f"{value:.3f}"


# False events per hour at which recalls are compared.
RATES = (1.0, 3.0)
SHORT = (
    *("event_f1", "segment_f1", "psds1", "psds2"),
    *("onset_median_s", "onset_95_s", "brief_first", "brief_raised"),
)
TITLES: Mapping[str, str] = {
    **{f"event_f1_at_{snr_db:g}_db": f"event-based F1 at {snr_db:g} dB" for snr_db in SNRS_DB},
    **{f"event_{name}": f"event-based {title}" for name, title in (("f1", "F1"), ("precision", "precision"))},
    **{f"segment_{name}": f"segment-based {title}" for name, title in (("f1", "F1"), ("precision", "precision"))},
    "event_recall": "event-based recall",
    "segment_recall": "segment-based recall",
    "onset_median_s": "onset, median error in s",
    "onset_95_s": "onset, 95 % within, in s",
    "brief_first": "brief sounds in a quiet room (noise 40 dB below): ranked first",
    "brief_raised": "of these, raised",
    "psds1": "PSDS, scenario 1",
    "psds2": "PSDS, scenario 2",
}

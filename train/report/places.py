"""`python -m train evaluate`: bundles on clips of sources that they did not learn from, beside another tagger."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import bowstream
from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle

from ..common.progress import say
from ..common.store import git_revision, now
from ..dataset.data import DataSet
from ..dataset.published import ESC50_KINDS
from ..measure.places import Said, of_kinds, of_tags, said_by_other, said_by_strangers, stranger
from ..measure.waveform import WaveformTagger
from .numbers import table
from .support import wanting

PROTOCOL = (
    "Each clip is heard by a bundle that did not learn from its source. A clip's score is the mean over its windows; "
    "what is shorter than a window is completed with silence, for each tagger alike. Top-1 is over clips that have one "
    "of ESC-50's 50 kinds, among these."
)
MEASURES = {"top1": "top-1", "top5": "top-5", "macro": "mean over kinds", "by_source": "mean over sources"}


def evaluate(
    root: Path,
    data: DataSet,
    bundles: Sequence[Path],
    out: Path,
    other: WaveformTagger | None = None,
    patterns: Sequence[str] = (),
    apart_from: Sequence[Path] = (),
) -> dict[str, Any]:
    """Write what bundles say of other places' clips to a JSON file; return it.

    Parameters
    ----------
    root : the folder of all artefacts
    other : is heard on the same clips
    patterns : of sources, `place*` say; only clips of those that match one are looked at
    apart_from : bundles that are to be compared with these: what one of them learned from is not looked at

    Raises
    ------
    UsageError
        If no source matches a pattern, or nothing is left.
    """
    loaded = [bowstream.load_bundle(path) for path in bundles]
    others = [bowstream.load_bundle(path) for path in apart_from]
    ours = new_to_all(data, of_sources(data, said_by_strangers(root, data, loaded), patterns), others)
    on = {tag.name: tag.on for tag in loaded[0].tags}
    metrics: dict[str, Any] = {
        "protocol": PROTOCOL,
        "created": now(),
        "git_revision": git_revision(),
        "bundles": {bundle.name: bundle.description["sha256"] for bundle in loaded},
        "apart_from": {bundle.name: bundle.description["sha256"] for bundle in others},
        "sources": sorted({data.clips[clip].source for clip in ours.clips}),
        "ours": measured(data, ours, on),
    }
    if other:
        metrics["other"] = {
            "name": other.path.stem,
            **measured(data, said_by_other(root, data, other, ours.clips), {}),
        }
    out.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{out}: {len(ours.clips)} clips of {len(metrics['sources'])} sources")
    return metrics


def of_sources(data: DataSet, said: Said, patterns: Sequence[str]) -> Said:
    """Return what is said of clips whose source matches one of the patterns; of all without any."""
    if not patterns:
        return said
    wanted = [any(fnmatch.fnmatchcase(data.clips[clip].source, one) for one in patterns) for clip in said.clips]
    return those(said, wanted, f"--sources {', '.join(patterns)}: no clip that can be tried is from there")


def new_to_all(data: DataSet, said: Said, bundles: Sequence[Bundle]) -> Said:
    """Return what is said of the clips whose source none of the bundles learned from."""
    if not bundles:
        return said
    wanted = [all(stranger(data.clips[clip], [one]) for one in bundles) for clip in said.clips]
    return those(said, wanted, "--apart-from must leave sources that no bundle learned from (got none)")


def those(said: Said, wanted: Sequence[bool], without: str) -> Said:
    """Return what is said of the clips that are wanted; raise `UsageError`, with this message, if none is."""
    if not any(wanted):
        raise UsageError(without)
    return said.of(said.clips[np.array(wanted)])


def measured(data: DataSet, said: Said, on: Mapping[str, float]) -> dict[str, Any]:
    """Return all that is measured of one tagger."""
    tags = of_tags(data, said, on)
    precisions = [tag["average_precision"] for tag in tags.values()]
    return {
        "kinds": of_kinds(data, said, ESC50_KINDS),
        "map": round(float(np.mean(precisions)), 4) if precisions else None,
        "tags": tags,
    }


def told(metrics: Mapping[str, Any]) -> str:
    """Return the comparison as Markdown: the kinds, then each tag."""
    of_taggers = taggers(metrics)
    lines = [["average precision", "clips", "sources", *of_taggers], ["---", *["---:"] * (2 + len(of_taggers))]]
    for tag, evidence in metrics["ours"]["tags"].items():
        precisions = [tagger["tags"].get(tag, {}).get("average_precision") for tagger in of_taggers.values()]
        cells = ["—" if value is None else f"{value:.3f}" for value in precisions]
        mark = " (would not ship)" if wanting(evidence) else ""
        lines.append([f"{tag}{mark}", str(evidence["clips"]), str(len(evidence["sources"])), *cells])
    return f"{kinds_table(metrics)}\n{table(lines)}"


def taggers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measures of each tagger by its name."""
    other = {metrics["other"]["name"]: metrics["other"]} if "other" in metrics else {}
    return {"ours": metrics["ours"]} | other


def kinds_table(metrics: Mapping[str, Any]) -> str:
    """Return how often each tagger names the kind of a clip, as Markdown."""
    of_taggers, kinds = taggers(metrics), metrics["ours"]["kinds"]
    title = f"{kinds['clips']} clips of {len(kinds['kinds'])} kinds from {len(kinds['sources'])} sources"
    lines = [[title, *of_taggers], ["---", *["---:"] * len(of_taggers)]]
    for name, words in MEASURES.items():
        lines.append([words, *(f"{tagger['kinds'][name]:.3f}" for tagger in of_taggers.values())])
    return table(lines)

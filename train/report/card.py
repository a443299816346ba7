"""The model card: each tag of a bundle with the evidence for it, and the sources that it learned from."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bowstream.model.bundle import ships

from .numbers import metrics_of, table
from .places import kinds_table
from .streams import in_short, told
from .support import LEAST_PRECISION, RULE

PLACES, STREAMS = "places.json", "streams.json"
# Sources that are named of a tag at most.
MOST_SOURCES = 6


def card(bundle: Path) -> str:
    """Return a bundle's card, Markdown: its tags, those that do not ship, and its sources.

    Raises
    ------
    UsageError
        If what `python -m train evaluate` or `streams` wrote is missing.
    """
    description = json.loads((bundle / "bundle.json").read_text("utf-8"))
    places = metrics_of(bundle / PLACES, "places.json", "evaluate")
    streams = metrics_of(bundle / STREAMS, "streams.json", "streams")
    parts = [f"{RULE}\n", tags(description, places), f"{streams['protocol']}\n", told(streams)]
    return "\n".join([*parts, sources(description, places)])


def tags(description: Mapping[str, Any], places: Mapping[str, Any]) -> str:
    """Return the tags that ship, then those that do not and why."""
    evidence, other = places["ours"]["tags"], places.get("other", {})
    name = other.get("name", "—")
    lines = [["tag", "group", "clips held out", "sources", "average precision", name, "recall", "learned from"]]
    lines.append(["---", "---", *["---:"] * 5, "---"])
    left_out = []
    for tag in description["tags"]:
        of_tag = evidence.get(tag["name"])
        if not ships(tag):
            left_out.append(f"{tag['name']} ({reason(tag['average_precision'])})")
            continue
        theirs = other.get("tags", {}).get(tag["name"], {}).get("average_precision")
        group, of = tag.get("group") or "—", learned(tag.get("sources", {}))
        lines.append([tag["name"], group, *known(of_tag, theirs), of])
    return table(lines) + (f"\nLearned, but not shipped: {', '.join(left_out)}.\n" if left_out else "")


def reason(average_precision: float | None) -> str:
    """Return why a tag does not ship."""
    if average_precision is None:
        return "no clip held out"
    if average_precision >= LEAST_PRECISION:
        return f"average precision {average_precision:.2f}, of too few clips"
    return f"average precision {average_precision:.2f}"


def known(evidence: Mapping[str, Any] | None, theirs: float | None) -> list[str]:
    """Return the cells of a tag's evidence."""
    other = "—" if theirs is None else f"{theirs:.2f}"
    if evidence is None:
        return ["0", "0", "—", other, "—"]
    recall = f"{evidence['recall']:.2f}" if "recall" in evidence else "—"
    clips, of = str(evidence["clips"]), str(len(evidence["sources"]))
    return [clips, of, f"{evidence['average_precision']:.2f}", other, recall]


def learned(of_sources: Mapping[str, int]) -> str:
    """Return where a tag was learned from, the greatest first, with clips."""
    in_order = sorted(of_sources.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [f"{name} {clips}" for name, clips in in_order[:MOST_SOURCES]]
    more = len(in_order) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])]) or "—"


def sources(description: Mapping[str, Any], places: Mapping[str, Any]) -> str:
    """Return the sources that were learned from with their licences, and those that were only tried on."""
    fallback = {description["trained_on"]: None}
    of_all: Mapping[str, Any] = description.get("sources") or fallback
    licences: Mapping[str, Sequence[str]] = description.get("source_licences", {})
    lines: list[Sequence[str]] = [["source", "clips learned from", "licence"], ["---", "---:", "---"]]
    for name, clips in of_all.items():
        stated = "; ".join(licences.get(name, [])) or description["licences"]["weights"].partition("\n")[0]
        lines.append([name, "—" if clips is None else str(clips), stated])
    tried = [name for name in places["sources"] if name not in of_all]
    return table(lines) + (f"\nTried on only: {', '.join(tried)}.\n" if tried else "")


def tag_list(bundle: Path) -> str:
    """Return the tags that ship by group, Markdown, for the README."""
    description = json.loads((bundle / "bundle.json").read_text("utf-8"))
    groups: dict[str, list[str]] = {}
    for tag in description["tags"]:
        if ships(tag):
            groups.setdefault(tag.get("group") or "tags", []).append(tag["name"])
    lines = [textwrap.fill(f"**{group}**: {', '.join(names)}", 120) for group, names in groups.items()]
    return "\n\n".join(lines) + "\n"


def comparison(bundle: Path) -> str:
    """Return the README's table by source held out, beside another tagger.

    Raises
    ------
    UsageError
        If what `python -m train evaluate` or `streams` wrote is missing.
    """
    places = metrics_of(bundle / PLACES, "places.json", "evaluate")
    streams = metrics_of(bundle / STREAMS, "streams.json", "streams")
    return kinds_table(places) + "\n" + in_short(streams)

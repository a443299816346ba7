"""The README's table of the shipped bundle beside another tagger, and its list of tags."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .numbers import CHECKOUT, Metrics, read, table

BUNDLE = CHECKOUT / "models" / "default"
# Written by `python -m train evaluate`, `python -m train streams` and `bowstream bench --json`.
PLACES, STREAMS, BENCH = BUNDLE / "places.json", BUNDLE / "streams.json", CHECKOUT / "train" / "metrics" / "bench.json"
# False events an hour at which recall is compared.
RATES_PER_HOUR = (3.0, 1.0)


def beside(places: Path, streams: Path, bench: Path) -> str:
    """Return the comparison, Markdown.

    Raises
    ------
    UsageError
        If a file is missing.
    """
    of_places, of_streams, costs = read(places), read(streams), read(bench)
    kinds, hop = of_places["ours"]["kinds"], max(of_streams["ours"], key=float)
    ours, other = of_streams["ours"][hop], of_streams["other"][hop]
    sources = f"{kinds['clips']:,} recordings of {len(kinds['sources'])} places"
    lines = [["", "bowstream", "YAMNet"], ["---", "---:", "---:"]]
    for name, title in (("top1", f"names the kind, one of 50, on {sources}"), ("macro", "the same, mean over kinds")):
        lines.append([title, *(f"{100 * one['kinds'][name]:.0f} %" for one in (of_places["ours"], of_places["other"]))])
    lines.append(["average precision, mean over tags", *(f"{of_places[one]['map']:.2f}" for one in ("ours", "other"))])
    lines.append(["events in other sound, event-based F1", f"{ours['event_f1']:.2f}", f"{other['event_f1']:.2f}"])
    for rate in RATES_PER_HOUR:
        recalls = [f"{100 * recall_at(one, rate):.0f} %" for one in (ours, other)]
        lines.append([f"recall there at {rate:g} false events per hour", *recalls])
    for hop_s in costs["hops"]:
        ratio = costs["hops"][hop_s]["live_to_other"]
        lines.append([f"CPU of `listen`, {float(hop_s):g} s between scores", f"{ratio:.2f}", "1"])
    return table(lines)


def recall_at(measured: Mapping[str, Any], per_hour: float) -> float:
    """Return the highest recall that costs at most so many false events an hour."""
    return max((cost["recall"] for cost in measured["costs"] if cost["false_per_hour"] <= per_hour), default=0.0)


def tag_list(bundle: Path) -> str:
    """Return the bundle's tags by group, Markdown."""
    description: Metrics = json.loads((bundle / "bundle.json").read_text("utf-8"))
    groups: dict[str, list[str]] = {}
    for tag in description["tags"]:
        groups.setdefault(tag.get("group", ""), []).append(tag["name"])
    lines = [f"**{group}**: {', '.join(names)}." for group, names in groups.items()]
    return "".join(f"{textwrap.fill(line, 120)}\n\n" for line in lines)

"""Which tags ship: those of which held-out evidence says that they work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Held-out clips, and average precision over them: what is rare has one near 0 by chance.
FEWEST_CLIPS, LEAST_PRECISION = 3, 0.1
# Sources that make a tag's evidence one of other places.
LEAST_SOURCES = 2
RULE = (
    f"A tag ships if it has at least {FEWEST_CLIPS} held-out clips, an average precision of at least "
    f"{LEAST_PRECISION:g} over them and all others, and if its threshold is reached in at least one of them. Clips are "
    "held out with their whole source where two or more sources have the tag, else with their group."
)


def wanting(evidence: Mapping[str, Any] | None) -> str:
    """Return what a tag lacks to ship; nothing if it may.

    Parameters
    ----------
    evidence : of a tag, as `measure.places.of_tags` collects it; None without any. Before thresholds are chosen it has
        no recall, and nothing is asked of that
    """
    if evidence is None or evidence["clips"] < FEWEST_CLIPS:
        return f"{evidence['clips'] if evidence else 0} held-out clips"
    if evidence["average_precision"] < LEAST_PRECISION:
        return f"average precision {evidence['average_precision']:.2f}"
    if evidence.get("recall") == 0.0:
        return "no clip reaches the threshold"
    return ""


def evidence_of(tag: str, by_source: Mapping[str, Any], by_group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what to judge a tag by: clips held out with their source if several sources have it, else by group."""
    own: Mapping[str, Any] | None = by_source.get(tag)
    if own and len(own["sources"]) >= LEAST_SOURCES:
        return own
    of_group: Mapping[str, Any] | None = by_group.get(tag, own)
    return of_group

"""Which tags ship: those of which held-out evidence says that they work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Held-out clips, average precision over them, and the share of them that reaches the threshold.
FEWEST_CLIPS, LEAST_PRECISION, LEAST_RECALL = 5, 0.3, 0.2
# Sources in which a tag must have been raised, where as many have it.
LEAST_SOURCES = 2
RULE = (
    f"A tag ships if it has at least {FEWEST_CLIPS} held-out clips, an average precision of at least "
    f"{LEAST_PRECISION:g} over them and all others, and if at least {LEAST_RECALL:g} of them reach its threshold, in "
    f"at least {LEAST_SOURCES} sources where two or more have it. Clips are held out with their whole source where "
    "two or more sources have the tag, else with their group."
)


def wanting(evidence: Mapping[str, Any] | None) -> str:
    """Return what a tag lacks to ship; nothing if it may.

    Parameters
    ----------
    evidence : of a tag, as `measure.places.of_tags` collects it; None without any
    """
    if evidence is None or evidence["clips"] < FEWEST_CLIPS:
        return f"{evidence['clips'] if evidence else 0} held-out clips"
    if evidence["average_precision"] < LEAST_PRECISION:
        return f"average precision {evidence['average_precision']:.2f}"
    if evidence["recall"] < LEAST_RECALL:
        return f"{evidence['recall']:.2f} of its clips reach the threshold"
    raised = sum(recall > 0 for recall in evidence["recalls"].values())
    if raised < min(LEAST_SOURCES, len(evidence["recalls"])):
        return f"raised in {raised} of {len(evidence['recalls'])} sources"
    return ""


def evidence_of(tag: str, by_source: Mapping[str, Any], by_group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what to judge a tag by: clips held out with their source if several sources have it, else by group."""
    own: Mapping[str, Any] | None = by_source.get(tag)
    if own and len(own["sources"]) >= LEAST_SOURCES:
        return own
    of_group: Mapping[str, Any] | None = by_group.get(tag, own)
    return of_group

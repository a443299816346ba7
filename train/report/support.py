"""Which tags ship: those of which held-out evidence says that they work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Held-out clips, and average precision over them: what is rare has one near 0 by chance.
FEWEST_CLIPS, LEAST_PRECISION = 3, 0.1
# Sources that make a tag's evidence one of other places.
LEAST_SOURCES = 2
RULE = (
    f"A tag ships if it has at least {FEWEST_CLIPS} held-out clips, and an average precision of at "
    f"least {LEAST_PRECISION:g} over them and all others. Clips are held out with their whole source; for a tag that "
    "too few other sources have, clips of ESC-50 are, with their recording."
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
    return ""


def evidence_of(tag: str, by_source: Mapping[str, Any], by_group: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what to judge a tag by: clips held out with their source if there are enough of several, else by group."""
    own: Mapping[str, Any] | None = by_source.get(tag)
    if own and len(own["sources"]) >= LEAST_SOURCES and own["clips"] >= FEWEST_CLIPS:
        return own
    of_group: Mapping[str, Any] | None = by_group.get(tag, own)
    return of_group

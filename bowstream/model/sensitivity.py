"""Sensitivity: one setting that moves the scores of all tags, and what was measured of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bowstream._given import NUMBER, check
from bowstream.errors import BundleError, UsageError

# The setting at which a bundle's scores are as they were calibrated, and the logits from 0 to 1.
USUAL, SPAN = 0.5, 4.0


@dataclass(frozen=True)
class Cost:
    """What a sensitivity costs at a hop, false events per hour, and brings, the share of sounds that raise an event."""

    hop_s: float
    sensitivity: float
    false_per_hour: float
    recall: float


@dataclass(frozen=True)
class Sensitivity:
    """How scores move with the setting and with the hop.

    A shorter hop has more chances of a false event, so logits are shifted by what keeps their rate as it is at the
    longest hop.

    Attributes
    ----------
    hops : the shift in logits at each hop that was measured, by hop in seconds; between them it goes with the
        logarithm of the hop
    costs : what was measured
    """

    hops: Mapping[float, float]
    costs: tuple[Cost, ...]

    def __post_init__(self) -> None:
        values = (*self.hops.keys(), *self.hops.values())
        if not all(map(math.isfinite, values)) or min(self.hops, default=1.0) <= 0.0:
            raise BundleError(f"sensitivity must have finite shifts at hops above 0 s (got {dict(self.hops)})")

    def shift(self, hop_s: float, sensitivity: float) -> float:
        """Return how far the logits of all tags are shifted at a hop and a setting; `UsageError` unless it is 0 … 1."""
        check(NUMBER, sensitivity=sensitivity)
        if not 0.0 <= sensitivity <= 1.0:
            raise UsageError(f"sensitivity must be 0 … 1 (got {sensitivity:g})")
        return SPAN * (sensitivity - USUAL) + self._of_hop(hop_s)

    def _of_hop(self, hop_s: float) -> float:
        known = sorted(self.hops)
        if not known:
            return 0.0
        if hop_s <= known[0] or hop_s >= known[-1]:
            return self.hops[known[0] if hop_s <= known[0] else known[-1]]
        above = next(place for place, hop in enumerate(known) if hop >= hop_s)
        low, high = known[above - 1], known[above]
        share = math.log(hop_s / low) / math.log(high / low)
        return (1.0 - share) * self.hops[low] + share * self.hops[high]


def read_sensitivity(description: Mapping[str, Any]) -> Sensitivity:
    """Return what `bundle.json` says of it; a bundle of which nothing was measured has no shifts and no costs."""
    content = description.get("sensitivity") or {"hops": [], "costs": []}
    hops = {float(hop["hop_s"]): float(hop["logits"]) for hop in content["hops"]}
    return Sensitivity(hops, tuple(Cost(**cost) for cost in content["costs"]))

"""Thresholds, chosen over streams: false events per hour against the sounds that are raised.

Scores are scaled so that every tag is raised at 0.5. All tags are shifted alike, to where they raise so many false
events together: an hour of backgrounds is little evidence of a single tag. Shifts of each tag's own, chosen on half of
the sources and backgrounds, whole or halved, raised fewer sounds on the other half at the same rate than a common one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowstream.model.sensitivity import SPAN, USUAL

from ..dataset.data import Float32
from .streams import Heard, matched, usual_of, with_usual

# False events per hour, of all tags together, on recorded backgrounds: in made-up sounds some tags are not wrong.
TARGET_PER_HOUR = 3.0
# Where a rate is looked for: at parts and multiples of it, since an hour of backgrounds has few false events.
ABOUT = (0.5, 1.0, 2.0)
HOPS_S = (1.0, 0.1)
SENSITIVITIES = tuple(round(0.1 * step, 1) for step in range(11))
STEPS = 9


@dataclass(frozen=True)
class Tuning:
    """What was chosen.

    shift : of all tags, in logits, at the longest hop
    usual : what tags usually score after it, as logits, float32 [shape=(C,)]
    sensitivity : for `bundle.json`
    """

    shift: float
    usual: Float32
    sensitivity: dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """What events at one setting are: false ones on recorded backgrounds, and raised ones of the sounds placed."""

    false: int
    raised: int
    placed: int

    @property
    def recall(self) -> float:
        """The share of placed sounds that were raised."""
        return self.raised / max(1, self.placed)


def counted(heard: Sequence[Heard], tags: Sequence[str], shift: float | Float32) -> Counts:
    """Return what events there are with logits shifted by so much."""
    false = 0
    sounds: list[bool] = []
    for one in heard:
        wrong, found = matched(one.events(tags, shift, onsets=False), one.scene.placed)
        false += len(wrong) if one.scene.alone else 0
        sounds += [is_raised for tag, is_raised in found if tag in tags and tag not in one.scene.may]
    return Counts(false, sum(sounds), len(sounds))


def hours(heard: Sequence[Heard]) -> float:
    """Return how long recorded backgrounds are."""
    return sum(one.scene.duration_s for one in heard if one.scene.alone) / 3600.0


def shift_for(heard: Sequence[Heard], tags: Sequence[str], per_hour: float) -> float:
    """Return the shift of all tags, in hundredths, at which they raise about so many false events per hour.

    It is the mean of those at half the rate, at the rate and at twice the rate: false events double about as often
    as logits rise by the same amount, and one event more or less matters little.
    """
    return math.floor(100.0 * sum(highest_shift(heard, tags, per_hour * part) for part in ABOUT) / len(ABOUT)) / 100.0


def highest_shift(heard: Sequence[Heard], tags: Sequence[str], per_hour: float) -> float:
    """Return the highest shift of all tags at which they raise at most so many false events per hour."""
    low, high = -8.0, 4.0
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        rate = counted(heard, tags, middle).false / hours(heard)
        low, high = (low, middle) if rate > per_hour else (middle, high)
    return low


def tune(by_hop: Mapping[float, Sequence[Heard]], tags: Sequence[str]) -> Tuning:
    """Return thresholds, the shift of each hop, and what each sensitivity costs.

    Parameters
    ----------
    by_hop : what calibrated scores are over the same scenes and backgrounds, at each hop
    """
    hop_s = max(by_hop)
    usual = usual_of(by_hop[hop_s], tags)
    heard = {hop_s: with_usual(of_hop, usual) for hop_s, of_hop in by_hop.items()}
    shift = shift_for(heard[hop_s], tags, TARGET_PER_HOUR)
    shorter = {hop: round(shift_for(heard[hop], tags, TARGET_PER_HOUR) - shift, 2) for hop in heard if hop != hop_s}
    hops = {**shorter, hop_s: 0.0}
    costs = [
        {"hop_s": hop, **cost(heard[hop], tags, shift + hops[hop], value)}
        for hop, values in ((hop_s, SENSITIVITIES), (min(heard), SENSITIVITIES[1::2]))
        for value in values
    ]
    return Tuning(
        shift,
        usual + np.float32(shift),
        {"hops": [{"hop_s": hop, "logits": logits} for hop, logits in sorted(hops.items())], "costs": costs},
    )


def cost(heard: Sequence[Heard], tags: Sequence[str], shift: float | Float32, sensitivity: float) -> dict[str, float]:
    """Return false events per hour, on backgrounds alone, and recall at a sensitivity."""
    counts = counted(heard, tags, shift + SPAN * (sensitivity - USUAL))
    return {
        "sensitivity": sensitivity,
        "false_per_hour": round(counts.false / max(hours(heard), 1e-9), 2),
        "recall": round(counts.recall, 4),
    }

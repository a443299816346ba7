"""Thresholds, chosen over streams: false events an hour against the sounds that are raised, tag by tag.

Scores are scaled so that every tag is raised at 0.5. A tag whose false events buy little is raised less: its own shift
is the one at which the mean recall of the tags is greatest for all false events together. An hour of backgrounds is
little evidence of a single tag, so that half of that shift is taken; what is left over is shifted for all tags alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowstream.model.sensitivity import SPAN, USUAL

from ..dataset.data import Float32
from .streams import Heard, matched

# Logits that a tag may be shifted by.
SHIFTS = np.arange(-6.0, 3.01, 0.5)
# False events an hour, of all tags together.
TARGET_PER_HOUR = 3.0
# In scenes something sounds ten times as often as in a house: so much of their time and of their false events counts.
SCENES_SHARE = 0.1
# What would be false at one and two shifts above counts in part: what was not seen in these hours is seen in others.
NEARLY = (0.5, 0.25)
# How far a tag goes its own way. Tried on other backgrounds than those that were tuned on, with 58 tags: at 3 false
# events an hour asked for, whole shifts raised 13 an hour there, halves 7, and as many of the sounds.
OWN_SHARE = 0.5
HOPS_S = (1.0, 0.1)
SENSITIVITIES = tuple(round(0.1 * step, 1) for step in range(11))
STEPS = 9


@dataclass(frozen=True)
class Tuning:
    """What was chosen.

    shifts : float32 [shape=(C,)], in logits, at the longest hop
    sensitivity : for `bundle.json`
    """

    shifts: Float32
    sensitivity: dict[str, Any]


@dataclass(frozen=True)
class Counts:
    """What events at one setting are: false ones and raised sounds, (C,), of so many placed; false on recordings."""

    false: Float32
    raised: Float32
    placed: Float32
    false_alone: int

    @property
    def recall(self) -> float:
        """The share of placed sounds that were raised."""
        return float(self.raised.sum() / max(1.0, self.placed.sum()))


def counted(heard: Sequence[Heard], tags: Sequence[str], shift: float | Float32) -> Counts:
    """Return what events there are with logits shifted by so much."""
    place = {tag: index for index, tag in enumerate(tags)}
    false, raised, placed = np.zeros((3, len(tags)), np.float32)
    alone = 0
    for one in heard:
        wrong, found = matched(one.events(tags, shift, onsets=False), one.scene.placed)
        alone += len(wrong) if one.scene.alone else 0
        for event in wrong:
            false[place[event.tag]] += SCENES_SHARE if one.scene.placed else 1.0
        for tag, is_raised in found:
            if tag in place and tag not in one.scene.may:
                placed[place[tag]] += 1
                raised[place[tag]] += is_raised
    return Counts(false, raised, placed, alone)


def hours(heard: Sequence[Heard], alone: bool = False) -> float:
    """Return how long backgrounds are and, as far as it counts, scenes; or recorded backgrounds alone."""
    scenes = [one.scene for one in heard if one.scene.alone or not alone]
    return sum(scene.duration_s * (SCENES_SHARE if scene.placed else 1.0) for scene in scenes) / 3600.0


def best_shifts(heard: Sequence[Heard], tags: Sequence[str], per_hour: float = TARGET_PER_HOUR) -> Float32:
    """Return the shift of each tag, float32 (C,): the greatest mean recall with at most so many false events."""
    table = [counted(heard, tags, float(shift)) for shift in SHIFTS]
    false = np.stack([counts.false for counts in table])  # (shifts, C)
    for above, share in enumerate(NEARLY, start=1):
        false[:-above] += share * np.stack([counts.false for counts in table[above:]])
    recall = np.stack([counts.raised / np.maximum(counts.placed, 1.0) for counts in table])
    allowed = per_hour * hours(heard)

    def choice(price: float) -> np.ndarray:
        worth = recall - price * false
        return np.asarray(len(SHIFTS) - 1 - worth[::-1].argmax(axis=0))

    low, high = 1e-4, 1e2  # the price of a false event, in recall
    for _ in range(40):
        price = float(np.sqrt(low * high))
        spent = float(false[choice(price), np.arange(len(tags))].sum())
        low, high = (price, high) if spent > allowed else (low, price)
    return np.asarray(SHIFTS[choice(high)], np.float32)


def shift_for(heard: Sequence[Heard], tags: Sequence[str], shifts: Float32, per_hour: float) -> float:
    """Return the shift of all tags at which they raise so many false events an hour."""
    low, high = -8.0, 4.0
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        rate = float(counted(heard, tags, shifts + np.float32(middle)).false.sum()) / hours(heard)
        low, high = (low, middle) if rate > per_hour else (middle, high)
    return round(low, 2)


def thresholds(heard: Sequence[Heard], tags: Sequence[str], per_hour: float = TARGET_PER_HOUR) -> Float32:
    """Return the shift of each tag, float32 (C,), half its own and a common one: all raise so many false events."""
    own = np.float32(OWN_SHARE) * best_shifts(heard, tags, per_hour)
    return own + np.float32(shift_for(heard, tags, own, per_hour))


def tune(by_hop: Mapping[float, Sequence[Heard]], tags: Sequence[str]) -> Tuning:
    """Return thresholds, the shift of each hop, and what each sensitivity costs.

    Parameters
    ----------
    by_hop : what calibrated scores are over the same scenes and backgrounds, at each hop
    """
    longest = by_hop[max(by_hop)]
    shifts = thresholds(longest, tags)
    rate = float(counted(longest, tags, shifts).false.sum()) / hours(longest)
    hops = {hop: 0.0 if heard is longest else shift_for(heard, tags, shifts, rate) for hop, heard in by_hop.items()}
    costs = []
    for hop in (max(by_hop), min(by_hop)):
        heard = by_hop[hop]
        for value in SENSITIVITIES if heard is longest else SENSITIVITIES[1::2]:
            costs.append({"hop_s": hop, **cost(heard, tags, shifts + np.float32(hops[hop]), value)})
    return Tuning(
        shifts,
        {"hops": [{"hop_s": hop, "logits": shift} for hop, shift in sorted(hops.items())], "costs": costs},
    )


def cost(heard: Sequence[Heard], tags: Sequence[str], shifts: Float32, sensitivity: float) -> dict[str, float]:
    """Return false events an hour, on backgrounds alone, and recall at a sensitivity."""
    counts = counted(heard, tags, shifts + np.float32(SPAN * (sensitivity - USUAL)))
    return {
        "sensitivity": sensitivity,
        "false_per_hour": round(counts.false_alone / max(hours(heard, alone=True), 1e-9), 2),
        "recall": round(counts.recall, 4),
    }

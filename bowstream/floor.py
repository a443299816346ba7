"""The floor of scores: what tags score in a place all the time, which is no event there.

A fan scores a little as rain does, minute after minute. A tag that scores higher here than it usually does, while it
is not raised, needs so much more to be raised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from bowstream._types import Float32
from bowstream.model.tags import Tag
from bowstream.scores import logits_of

# The mean of so many seconds; at first of those that there were, and of as many as `LEAD_S` of the usual.
SPAN_S, LEAD_S = 60.0, 10.0
# A score in so many seconds is enough, but for rounding.
EVERY_S = 1.0 - 1e-6
# Logits above the usual that count for nothing.
SLACK = 1.0
SMALLEST = 1e-9


class Floor:
    """The running mean of each tag's logit while no event of it is open.

    Tags of which it is not known what they usually score have none.

    Parameters
    ----------
    tags : in the order of the scores
    hop_s : seconds between two scores
    """

    def __init__(self, tags: Sequence[Tag], hop_s: float) -> None:
        self._hop_s = hop_s
        self._tags = tags
        self.reset()

    def reset(self) -> None:
        """Begin in a new place."""
        self._passed_s = self._waited_s = 0.0
        self._usual = np.array([np.inf if tag.usual is None else tag.usual for tag in self._tags], np.float32)
        self._known = np.isfinite(self._usual)
        self._is_known = bool(self._known.any())
        self._logits = np.where(self._known, self._usual, np.float32(0.0))
        self._excess = np.zeros(len(self._tags), np.float32)

    def retag(self, tags: Sequence[Tag]) -> None:
        """Go on with other tags, known by their names; those that are new begin at their usual."""
        kept, passed_s = dict(zip((tag.name for tag in self._tags), self._logits.tolist())), self._passed_s
        self._tags = tags
        self.reset()
        self._passed_s = passed_s
        for place, tag in enumerate(tags):
            if self._known[place] and tag.name in kept:
                self._logits[place] = kept[tag.name]
        self._exceed()

    def push(self, scores: Float32, raised: Collection[int]) -> bool:
        """Take the next scores (C,) and return whether the floor moved, which it does not for what is raised."""
        self._waited_s += self._hop_s
        if self._waited_s < EVERY_S or not self._is_known:
            return False
        step = logits_of(scores)
        step -= self._logits
        if raised:
            step[list(raised)] = 0.0
        step *= np.float32(self._waited_s / min(SPAN_S, LEAD_S + self._passed_s))
        np.add(self._logits, step, out=self._logits, where=self._known)
        self._passed_s += self._waited_s
        self._waited_s = 0.0
        self._exceed()
        return True

    def above(self, thresholds: Float32) -> Float32:
        """Return thresholds (…, C), raised by what the place scores beyond the usual; above 1 is never, as before."""
        if not self._excess.any():
            return thresholds
        odds_against = (1.0 / np.maximum(thresholds, SMALLEST) - 1.0) * np.exp(-self._excess)
        return np.maximum(thresholds, 1.0 / (1.0 + odds_against)).astype(np.float32)

    def _exceed(self) -> None:
        self._excess = np.maximum(self._logits - self._usual - np.float32(SLACK), np.float32(0.0))

"""What a whole recording scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.events import Event, EventTracker
from bowstream.model.tags import Tag
from bowstream.scores import SHOWN, Scores, top


@dataclass(frozen=True, repr=False)
class Result:
    """The scores and events of a recording.

    Attributes
    ----------
    tags : names, in the order of the scores
    windows : the scores of each window, in order
    events : sounds that began and ended, in order of their end
    """

    tags: tuple[str, ...]
    windows: tuple[Scores, ...]
    events: tuple[Event, ...]

    @classmethod
    def of(cls, windows: Sequence[Scores], tags: Sequence[Tag], hop_s: float, end_s: float) -> Result:
        """Return the result of scores that come a hop apart, of a recording that ends at `end_s`."""
        tracker = EventTracker(tags, hop_s)
        changed = [event for scores in windows for event in tracker.push(scores)] + tracker.close(end_s)
        events = tuple(event for event in changed if event.offset_s is not None)
        return cls(tuple(tag.name for tag in tags), tuple(windows), events)

    @cached_property
    def scores(self) -> Float32:
        """Scores of all windows, float32 [shape=(windows, C)], 0 … 1."""
        return np.stack([scores.array for scores in self.windows])

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Where each window begins, in seconds, float64 [shape=(windows,)]."""
        return np.array([scores.start_s for scores in self.windows])

    def top(self, n: int = SHOWN) -> list[tuple[str, float]]:
        """Return the `n` tags with the highest mean score over the windows, as (tag, score), highest first."""
        return top(self.tags, self.scores.mean(axis=0), n)

    def __repr__(self) -> str:
        best = ", ".join(f"{tag}={score:.2f}" for tag, score in self.top())
        more = ", …" * (len(self.tags) > SHOWN)
        return f"Result({len(self.windows)} windows, {len(self.events)} events, {best}{more})"

"""How much faster or slower a source's clock runs than the system's."""

from __future__ import annotations

from collections import deque
from itertools import combinations
from statistics import median

# Of each half minute the most punctual arrival counts; half an hour is looked back on, and five minutes say something.
SPAN_S = 30.0
MOST_SPANS, FEWEST_SPANS = 60, 10
# What is known less well than to so many millionths is not told.
WITHIN_PPM = 20.0
# Median deviations that a slope may be off by.
DEVIATIONS = 3.0


class Drift:
    """Measures drift by when a live stream seems to have begun: ever earlier, if its clock is fast.

    The slope is the median over all pairs of half minutes (Theil and Sen), so a few that were held up do not count.

    Attributes
    ----------
    ppm : millionths by which the source's clock is faster; None until it is known, kept while it is measured again
    """

    def __init__(self) -> None:
        self.ppm: float | None = None
        self.reset()

    def reset(self) -> None:
        """Start to measure again: positions before and after a gap do not compare, since its length is an estimate."""
        self._earliest: deque[tuple[float, float]] = deque(maxlen=MOST_SPANS)  # (when, beginning) of each span
        self._span_ends_s = float("-inf")
        self._best: tuple[float, float] | None = None

    def arrived(self, start_s: float, at_s: float) -> None:
        """Note that by sound which came in at `at_s` the stream began at `start_s`, both by the steady clock."""
        if at_s >= self._span_ends_s:
            if self._best:
                self._earliest.append(self._best)
                self._measure()
            self._span_ends_s, self._best = at_s + SPAN_S, (at_s, start_s)
        elif self._best and start_s < self._best[1]:
            self._best = (at_s, start_s)

    def _measure(self) -> None:
        if len(self._earliest) < FEWEST_SPANS:
            return
        pairs = combinations(self._earliest, 2)
        slope = median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs)
        rests = [start_s - slope * at_s for at_s, start_s in self._earliest]
        middle = median(rests)
        deviation_s = median(abs(rest - middle) for rest in rests)
        span_s = self._earliest[-1][0] - self._earliest[0][0]
        if DEVIATIONS * deviation_s / span_s <= WITHIN_PPM * 1e-6:
            self.ppm = -slope * 1e6

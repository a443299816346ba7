"""Timing: calls that take turns in one process and one thread.

A ratio between two things that take turns holds where a time in milliseconds does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]


class Timed(NamedTuple):
    """A call, with the units that its cost is divided by (the seconds of sound that it works on, say).

    `prepare` is called before each call, and costs nothing.
    """

    call: Callable[[], object]
    units: float = 1.0
    prepare: Callable[[], object] = lambda: None


def in_rounds(timed: Mapping[str, Timed], rounds: int) -> dict[str, Costs]:
    """Return the CPU time of each call in each round, in microseconds per unit; the calls take turns.

    Each round has another order, so that no call always finds the processor's caches as the same other one left them.
    """
    costs: dict[str, list[float]] = {name: [] for name in timed}
    names, chance = list(timed), np.random.default_rng(0)
    for _ in range(rounds + 1):
        for name in (names[place] for place in chance.permutation(len(names))):
            call, units, prepare = timed[name]
            prepare()
            started_s = time.process_time()
            call()
            costs[name].append((time.process_time() - started_s) / units * 1e6)
    return {name: np.array(cost[1:]) for name, cost in costs.items()}  # the first round warms up


def spread(values: Costs) -> dict[str, float]:
    """Return the median and the 5th and 95th percentiles."""
    p5, p50, p95 = np.percentile(values, [5, 50, 95])
    return {"p5": round(float(p5), 3), "p50": round(float(p50), 3), "p95": round(float(p95), 3)}

"""What a microphone itself adds: a constant part (DC offset) and mains hum.

Ten columns, a second, are added up sample by sample first: what repeats in each of 100 ms stays, as DC and all of 50 or
60 Hz and their harmonics do; the rest averages out. So a column costs an addition.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from bowstream._types import Float32

COLUMNS_PER_S = 10
MEAN = np.float32(1 / COLUMNS_PER_S)
# Seconds that must agree; a passing sound may hum for some of them.
SECONDS = 10
# Places of harmonics in the spectrum of 100 ms, which are 10 Hz apart.
HUMS = {50: (5, 10, 15), 60: (6, 12, 18)}
# And of what is compared with them: no harmonic of either.
OTHERS = (3, 4, 7, 8, 9, 11, 13, 14, 16, 17, 19)
PLACES = np.array([place for group in (*HUMS.values(), OTHERS) for place in group])
# Where the places of each begin in these: those of 50 Hz, of 60 Hz, and the others.
FIRST = (0, *np.cumsum([len(places) for places in HUMS.values()]).tolist())
# Hum has so many times the power of one of the others.
STANDS_OUT = 20.0


class Condition:
    """Follows the constant part and the hum of a stream.

    Parameters
    ----------
    sample_rate : in Hz
    seconds : that must agree

    Attributes
    ----------
    dc_offset : mean of the one of the newest seconds in which it is the least, -1 … 1; 0 if they differ in sign
    hum_hz : 50 or 60; 0 unless all of the newest seconds hum
    hum_power : mean square of the weakest of them
    """

    def __init__(self, sample_rate: int, seconds: int = SECONDS) -> None:
        self._length = sample_rate // COLUMNS_PER_S
        self._columns = np.empty((COLUMNS_PER_S, self._length), np.float32)  # of the present second
        self._means: deque[float] = deque(maxlen=seconds)
        self._hums: deque[tuple[int, float]] = deque(maxlen=seconds)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._means.clear()
        self._hums.clear()
        self.dc_offset = self.hum_power = 0.0
        self.hum_hz = 0
        self.gap()

    def gap(self) -> None:
        """Step over lost sound: what repeats is elsewhere after it."""
        self._held = 0

    def push(self, samples: Float32) -> None:
        """Take whole columns; less than a column is passed over."""
        columns = samples[: len(samples) // self._length * self._length].reshape(-1, self._length)
        while len(columns):
            first = self._held
            self._held = min(first + len(columns), COLUMNS_PER_S)
            self._columns[first : self._held] = columns[: self._held - first]
            columns = columns[self._held - first :]
            if self._held == COLUMNS_PER_S:
                mean: Float32 = np.add.reduce(self._columns, axis=0)
                mean *= MEAN
                self._conclude(mean)
                self.gap()

    def _conclude(self, mean: Float32) -> None:
        """Take the mean column of a second."""
        self._means.append(float(np.add.reduce(mean)) / len(mean))
        self._hums.append(hum_of(mean))
        if len(self._means) < (self._means.maxlen or 0):
            return
        agreed = min(self._means) > 0.0 or max(self._means) < 0.0
        self.dc_offset = min(self._means, key=abs) if agreed else 0.0
        hz = {each for each, _ in self._hums}
        self.hum_hz = hz.pop() if len(hz) == 1 else 0
        self.hum_power = min(power for _, power in self._hums) if self.hum_hz else 0.0


def hum_of(mean: Float32) -> tuple[int, float]:
    """Return the frequency of the mains (0 for no hum) and the hum's mean square, of a second's mean column."""
    waves = np.fft.rfft(mean)[PLACES]
    powers = (2.0 / len(mean) ** 2) * (waves.real**2 + waves.imag**2)
    first, second, others = np.add.reduceat(powers, FIRST).tolist()
    power, hz = max(zip((first, second), HUMS))
    return (hz, power) if power > STANDS_OUT * others / len(OTHERS) else (0, 0.0)

"""Words that several rooms share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Format:
    """How sound is handed on: mono, at this rate in Hz, in whole columns of so many samples (100 ms).

    channels : that it is made of, from 1; all if empty
    mix : how, "mean" or "best"; see `Mixer`
    track : of several in a file or stream, its number from 1, language or title; None for the first
    """

    sample_rate: int = 16_000
    column_length: int = 1600
    channels: tuple[int, ...] = ()
    mix: str = "mean"
    track: str | None = None

    def takes(self, has: int) -> list[int]:
        """Return how many channels to open a device with, of those that it has, best first; empty if it has too few.

        One alone of several is not asked for where it matters which: a sound server would mix all.
        """
        least = max(self.channels, default=1)
        counts = sorted({least, max(least, min(2, has)), has}) if least <= has else []
        if self.channels:
            return [count for count in counts if count >= min(2, has)]
        return counts if self.mix == "mean" else counts[::-1]


# What the shipped bundle's front end takes, and every bundle that `train` makes.
FORMAT = Format()

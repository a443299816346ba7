"""Words that several rooms share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Format:
    """How sound is handed on: mono, at this rate in Hz, in whole columns of so many samples (100 ms)."""

    sample_rate: int = 16_000
    column_length: int = 1600


# What the shipped bundle's front end takes, and every bundle that `train` makes.
FORMAT = Format()

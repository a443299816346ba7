"""Level: log-mel relative to the loudest recent sound, so that a tag does not depend on the gain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.front_end import FrontEnd

ZERO, ONE = np.float32(0.0), np.float32(1.0)
# The settings by the names that they have in files, which are older than these.
STORED = {"range_db": "top_db", "quietest": "ref_floor"}


@dataclass(frozen=True)
class LevelSettings:
    """How far below the reference sound still counts, and the lowest reference there is.

    In bundles and artefacts `top_db` is called `range_db`, and `ref_floor` `quietest`.
    """

    top_db: float = 60.0
    # Natural log of mel power, about -84 dBFS of white noise: below it is silence, not a faint sound.
    ref_floor: float = -16.0

    def __post_init__(self) -> None:
        if not (0.0 < self.top_db < math.inf and math.isfinite(self.ref_floor)):
            raise BundleError(f"level must have a range above 0 dB and a finite lowest reference (got {self.stored()})")

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> LevelSettings:
        """Return settings that were stored; raise `KeyError` if there is one more."""
        return cls(**{STORED[name]: value for name, value in stored.items()})

    def stored(self) -> dict[str, float]:
        """Return the settings by the names that they have in files."""
        return {name: getattr(self, field) for name, field in STORED.items()}


class Level:
    """Scale log-mel to 0 … 1 below a causal reference.

    The reference of a column is the loudest log-mel value of the window that ends with it, so a
    column is scaled once, when it arrives, and never looks at later sound. State is one peak a
    column of that window, the newest excepted; the lowest reference at the start.
    """

    def __init__(self, settings: LevelSettings, front_end: FrontEnd) -> None:
        self.settings = settings
        self.front_end = front_end
        self._range = np.float32(settings.top_db * math.log(10.0) / 10.0)
        self.reset()

    def reset(self) -> None:
        """Forget the peaks."""
        self._peaks = [self.settings.ref_floor] * (self.front_end.columns_per_window - 1)

    def push(self, log_mel: Float32) -> Float32:
        """Return whole columns of log-mel, scaled.

        Parameters
        ----------
        log_mel : float32 [shape=(columns * frames_per_column, n_mels)]

        Returns
        -------
        scaled : float32 of the same shape; 1 is the reference, 0 is `top_db` or more below it
        """
        columns = log_mel.reshape(-1, self.front_end.frames_per_column * self.front_end.n_mels)
        peaks = self._peaks + np.maximum.reduce(columns, axis=1, initial=self.settings.ref_floor).tolist()
        self._peaks = peaks[len(columns) :]
        window = self.front_end.columns_per_window
        references = [max(peaks[first : first + window]) for first in range(len(columns))]
        scaled: Float32 = columns - np.array(references, np.float32)[:, np.newaxis]
        scaled /= self._range
        scaled += ONE
        np.maximum(scaled, ZERO, out=scaled)
        return scaled.reshape(log_mel.shape)

"""The four families of patches that a second of log-mel is cut into (paper, III-A.1–4).

Letters: `N` columns (or windows), `T` frames, `M` mel bands. Patches are adjacent and none
overlaps. `pat` and `env` lie inside one column; `fenv` and `o` look at the whole window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.model.front_end import FrontEnd

PATCH_BANDS = 8
O_FRAMES = 10


@dataclass(frozen=True)
class Family:
    """One kind of patch.

    Attributes
    ----------
    name : as in the paper
    banded : whether its patches are bands of 8 mels one above the other, else one reaches over all mels
    per : what a patch is cut from: a column of 100 ms, or a whole window
    meaning : what a patch shows, in a few words
    """

    name: str
    banded: bool
    per: Literal["column", "window"]
    meaning: str

    def bands(self, front_end: FrontEnd) -> int:
        """Return how many patches there are one above the other: 12 or 1."""
        return front_end.n_mels // PATCH_BANDS if self.banded else 1

    def patches(self, front_end: FrontEnd) -> int:
        """Return how many patches a window has: pat 120, fenv 12, env 10, o 1; 143 together."""
        return self.bands(front_end) * (front_end.columns_per_window if self.per == "column" else 1)

    def size(self, front_end: FrontEnd) -> int:
        """Return how many values a patch has: pat 80, fenv 800, env 960, o 80 (it is resized)."""
        if self.name == "o":
            return PATCH_BANDS * O_FRAMES
        frames = front_end.frames_per_column if self.per == "column" else front_end.frames_per_window
        return (PATCH_BANDS if self.banded else front_end.n_mels) * frames


# In the order of their codes in the counts.
FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("pat", banded=True, per="column", meaning="a patch, 0.1 s of 8 bands"),
        Family("fenv", banded=True, per="window", meaning="a band through the second"),
        Family("env", banded=False, per="column", meaning="the spectrum of 0.1 s"),
        Family("o", banded=False, per="window", meaning="the second as a whole"),
    )
}


def input_sizes(front_end: FrontEnd) -> dict[str, int]:
    """Return the values in a patch of each family."""
    return {name: family.size(front_end) for name, family in FAMILIES.items()}


def patches_per_window(front_end: FrontEnd) -> dict[str, int]:
    """Return the patches of each family in a window."""
    return {name: family.patches(front_end) for name, family in FAMILIES.items()}


def families_of_codes(front_end: FrontEnd, codes_per_patch: Mapping[str, int] | None = None) -> list[str]:
    """Return the family of each of a window's codes: those of each column in turn, then those of the window.

    They are 143 where each patch has one code, as it has by default.
    """
    cut_from: dict[str, list[str]] = {"column": [], "window": []}
    for name, family in FAMILIES.items():
        cut_from[family.per] += [name] * family.bands(front_end) * (codes_per_patch or {}).get(name, 1)
    return cut_from["column"] * front_end.columns_per_window + cut_from["window"]


def cut_pat(columns: NDArray[Any]) -> NDArray[Any]:
    """Spectral patches, 8 bands × 10 frames: (N, 10, M) -> (N, 12, 80)."""
    count, frames, n_mels = columns.shape
    grid = columns.reshape(count, frames, n_mels // PATCH_BANDS, PATCH_BANDS)
    return grid.transpose(0, 2, 1, 3).reshape(count, n_mels // PATCH_BANDS, frames * PATCH_BANDS)


def cut_env(columns: NDArray[Any]) -> NDArray[Any]:
    """Spectral envelopes, all bands × 10 frames: (N, 10, M) -> (N, 1, 960)."""
    return columns.reshape(len(columns), 1, -1)


def cut_fenv(windows: NDArray[Any]) -> NDArray[Any]:
    """Frequency-band envelopes, 8 bands × 100 frames: (N, 100, M) -> (N, 12, 800)."""
    return cut_pat(windows)


def join_fenv(pat: NDArray[Any]) -> NDArray[Any]:
    """Envelopes of one window from its spectral patches, which they are end to end: (10, 12, 80) -> (12, 800)."""
    return pat.transpose(1, 0, 2).reshape(pat.shape[1], -1)


def cut_o(windows: Float32) -> Float32:
    """Whole spectrograms, resized bicubically to 8 bands × 10 frames: (N, 100, M) -> (N, 1, 80)."""
    count, frames, n_mels = windows.shape
    narrow = narrow_o(windows.reshape(count * O_FRAMES, frames // O_FRAMES, n_mels))
    return shorten_o(narrow.reshape(count, frames, PATCH_BANDS))


def narrow_o(columns: Float32) -> Float32:
    """The first half of `cut_o`, in frequency, a column at a time: (N, 10, M) -> (N, 10, 8)."""
    narrow: Float32 = columns @ bicubic(columns.shape[-1], PATCH_BANDS).T
    return narrow


def shorten_o(narrow: Float32) -> Float32:
    """The second half of `cut_o`, in time: (N, 100, 8) -> (N, 1, 80)."""
    return (bicubic(narrow.shape[1], O_FRAMES) @ narrow).reshape(len(narrow), 1, -1)


@lru_cache
def bicubic(n_in: int, n_out: int) -> Float32:
    """Weights of an antialiased bicubic resize, float32 [shape=(n_out, n_in)], rows summing to 1.

    Source: R. Keys, "Cubic convolution interpolation", 1981 (a = -1/2), widened by the ratio of sizes
    as Pillow's and TensorFlow's antialiased resizes do.
    """
    ratio = n_in / n_out
    centres = (np.arange(n_out) + 0.5) * ratio - 0.5
    x = np.abs(np.arange(n_in) - centres[:, None]) / max(ratio, 1.0)
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    weights = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    normalised: Float32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised

"""From log-mel to the counts of codes in each window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError, UsageError
from bowstream.model.codebook import Codebook, Codes
from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import (
    FAMILIES,
    PATCH_BANDS,
    cut_env,
    cut_pat,
    families_of_codes,
    join_fenv,
    narrow_o,
    shorten_o,
)
from bowstream.model.sliding import Sliding
from bowstream.model.tflite import UNQUANTISED, Quantisation

Counts = NDArray[np.intp]


class Network(Protocol):
    """What an encoder needs of its network; `tflite.Model` is one."""

    n_inputs: int
    n_outputs: int
    quantisation: Quantisation

    def __call__(self, rows: NDArray[Any]) -> Float32:
        """Return (rows, n_outputs) for (rows, n_inputs), which may be quantised already."""


@dataclass(frozen=True)
class Encoder:
    """One family's network and codebook: patches in, codes out."""

    network: Network
    codebook: Codebook

    def codes(self, patches: NDArray[Any]) -> Codes:
        """Return the codes (N, P * parts) of patches (N, P, values), which may be quantised already."""
        count, per_item, _ = patches.shape
        latents = self.network(patches.reshape(count * per_item, -1))  # (N * P, Z)
        return self.codebook.predict(latents.reshape(count, per_item, -1))


class WindowEncoder:
    """Codes of a sliding window, and their counts.

    The codes of families that are cut from columns are computed once and kept for as long as the window holds the
    column; those that are cut from windows are computed once per hop. State is what a window needs of its columns;
    before the first full window there are no codes. `families` names the family of each code of a window, `offsets`
    where its codes begin in the counts. `columns_until_window` and `columns_since_window` say where the
    stream stands between two windows.

    Parameters
    ----------
    encoders : an `Encoder` for each of `patches.FAMILIES`
    hop_columns : columns between two windows, 1 … columns_per_window

    Raises
    ------
    BundleError
        If a family is missing or a codebook does not fit its network.
    UsageError
        If the hop is out of range.
    """

    def __init__(self, encoders: Mapping[str, Encoder], front_end: FrontEnd, hop_columns: int) -> None:
        if set(encoders) != set(FAMILIES):
            raise BundleError(f"encoders must be for {', '.join(FAMILIES)} (got {', '.join(encoders)})")
        if not 1 <= hop_columns <= front_end.columns_per_window:
            raise UsageError(f"hop_columns must be 1 … {front_end.columns_per_window} (got {hop_columns})")
        self.encoders = encoders
        self.front_end = front_end
        self._column_shape = front_end.frames_per_column, front_end.n_mels
        self.hop_columns = hop_columns
        sizes = [len(encoders[family].codebook) for family in FAMILIES]
        self.offsets = dict(zip(FAMILIES, accumulate(sizes, initial=0)))
        self.n_counts = sum(sizes)
        # Log-mel becomes integers once, not once a family, where the families' networks want the same ones.
        quantisations = {encoders[family].network.quantisation for family in ("pat", "env", "fenv")}
        self.quantise = (quantisations.pop() if len(quantisations) == 1 else UNQUANTISED).quantise
        parts = {family: encoder.codebook.n_parts for family, encoder in encoders.items()}
        self.families = np.array(families_of_codes(front_end, parts))  # (P,)
        self._offsets = np.array([self.offsets[family] for family in self.families])
        silence = np.zeros((front_end.columns_per_window, front_end.frames_per_column, front_end.n_mels), np.float32)
        pat = cut_pat(self.quantise(silence))
        codes = np.zeros((len(pat), pat.shape[1] * parts["pat"] + parts["env"]), np.intp)
        self._window: list[Sliding[Any]] = [Sliding(part) for part in (pat, narrow_o(silence), codes)]
        self.reset()

    def reset(self) -> None:
        """Forget the window: the next counts come after `columns_per_window` columns."""
        self.columns_until_window = self.front_end.columns_per_window
        self.columns_since_window = 0

    def push(self, log_mel: Float32) -> Codes:
        """Return the codes of the windows that these columns complete.

        Parameters
        ----------
        log_mel : float32 [shape=(columns * frames_per_column, n_mels)]

        Returns
        -------
        codes : int [shape=(windows, P)], each code offset by its family's place in the counts; P is 143 where each
            patch has one code
        """
        columns = log_mel.reshape(-1, *self._column_shape)  # (N, 10, 96)
        n = len(columns)
        if not n:
            return np.empty((0, len(self._offsets)), np.intp)
        # The columns of the last window stand before the new ones: (10 + N, 12, 80), (10 + N, 10, 8), (10 + N, codes).
        pat, narrow, inside = [kept.push(part) for kept, part in zip(self._window, self._columns(columns))]
        width = self.front_end.columns_per_window
        ends = range(self.columns_until_window, n + 1, self.hop_columns)
        self.columns_since_window = n - ends[-1] if ends else self.columns_since_window + n
        self.columns_until_window = (ends[-1] + self.hop_columns if ends else self.columns_until_window) - n
        codes = np.empty((len(ends), len(self._offsets)), np.intp)
        for end, row in zip(ends, codes):  # (P,)
            window = slice(end, end + width)
            fenv = self.encoders["fenv"].codes(join_fenv(pat[window])[np.newaxis])  # (1, 12 * parts)
            o = self.encoders["o"].codes(shorten_o(narrow[window].reshape(1, -1, PATCH_BANDS)))  # (1, parts)
            np.concatenate([inside[window].ravel(), fenv[0], o[0]], out=row)  # as `families_of_codes`
        codes += self._offsets
        return codes

    def counts(self, codes: Codes) -> Counts:
        """Return how often each code occurs in each window: (…, P) -> int [shape=(…, n_counts)]."""
        windows = codes.reshape(-1, len(self._offsets))
        of_window = np.arange(len(windows))[:, np.newaxis] * self.n_counts
        counts = np.bincount((windows + of_window).ravel(), minlength=len(windows) * self.n_counts)
        return counts.reshape(*codes.shape[:-1], self.n_counts)

    def _columns(self, columns: Float32) -> list[NDArray[Any]]:
        """Return all that windows need of columns: `pat` patches, log-mel narrowed for `o`, codes (N, 13)."""
        quantised = self.quantise(columns)  # (N, 10, 96), integers
        pat = cut_pat(quantised)  # (N, 12, 80)
        inside = [self.encoders["pat"].codes(pat), self.encoders["env"].codes(cut_env(quantised))]  # (N, 12), (N, 1)
        return [pat, narrow_o(columns), np.concatenate(inside, axis=1)]

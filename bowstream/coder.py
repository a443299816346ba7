"""From log-mel to the counts of codes in each window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .codebook import Codebook, Codes
from .errors import BundleError, UsageError
from .frontend import Float32, FrontEnd
from .patches import FAMILIES, PATCH_BANDS, cut_env, cut_fenv, cut_o, cut_pat
from .tflite import UNQUANTISED, Quantisation

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
        """Return the codes (N, P) of patches (N, P, values), which may be quantised already."""
        count, per_item, _ = patches.shape
        latents = self.network(patches.reshape(count * per_item, -1))
        return self.codebook.assign(latents.reshape(count, per_item, -1))


class Coder:
    """Counts of codes over a sliding window.

    `pat` and `env` codes are computed once, when their column arrives, and kept for as long as the
    window holds it; `fenv` and `o` codes are computed once a hop. State is the last window of log-mel,
    of what the networks see of it and of column codes; before the first full window there are no
    counts. `columns_until_window` and `columns_since_window` say where the stream stands between two windows.

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
            raise BundleError(f"wanted encoders for {', '.join(FAMILIES)}, got {', '.join(encoders)}")
        if not 1 <= hop_columns <= front_end.columns_per_window:
            raise UsageError(
                f"hop must be {front_end.column_s:.1f} … {front_end.columns_per_window * front_end.column_s:.1f} s "
                f"in steps of {front_end.column_s:.1f} s, got {hop_columns * front_end.column_s:.1f} s"
            )
        self.encoders = encoders
        self.front_end = front_end
        self.hop_columns = hop_columns
        sizes = [len(encoders[family].codebook) for family in FAMILIES]
        self.offsets = dict(zip(FAMILIES, accumulate(sizes, initial=0)))
        self.n_counts = sum(sizes)
        # Log-mel becomes integers once, not once a family, where the families' networks want the same ones.
        quantisations = {encoders[family].network.quantisation for family in ("pat", "env", "fenv")}
        self._quantise = (quantisations.pop() if len(quantisations) == 1 else UNQUANTISED).quantise
        self._log_mel = np.zeros((front_end.frames_per_window, front_end.n_mels), np.float32)
        self._quantised = self._quantise(self._log_mel)
        bands = front_end.n_mels // PATCH_BANDS
        in_column = np.repeat([self.offsets["pat"], self.offsets["env"]], [bands, 1])
        in_window = np.repeat([self.offsets["fenv"], self.offsets["o"]], [bands, 1])
        self._column_codes = np.zeros((front_end.columns_per_window, bands + 1), np.intp)
        self._offsets = np.concatenate([np.tile(in_column, front_end.columns_per_window), in_window])
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
        codes : int [shape=(windows, 143)], each code offset by its family's place in the counts
        """
        front_end, columns_per_window = self.front_end, self.front_end.columns_per_window
        if not len(log_mel):
            return np.empty((0, len(self._offsets)), np.intp)
        quantised = self._quantise(log_mel)
        columns = quantised.reshape(-1, front_end.frames_per_column, front_end.n_mels)
        log_mel = np.concatenate([self._log_mel, log_mel])
        quantised = np.concatenate([self._quantised, quantised])
        column_codes = np.concatenate([self._column_codes, self._codes_of_columns(columns)])
        self._log_mel = log_mel[-front_end.frames_per_window :]
        self._quantised = quantised[-front_end.frames_per_window :]
        self._column_codes = column_codes[-columns_per_window:]

        ends = range(self.columns_until_window, len(columns) + 1, self.hop_columns)
        self.columns_since_window = len(columns) - ends[-1] if ends else self.columns_since_window + len(columns)
        self.columns_until_window = (ends[-1] + self.hop_columns if ends else self.columns_until_window) - len(columns)
        codes = np.empty((len(ends), len(self._offsets)), np.intp)
        for row, end in zip(codes, ends):
            window = slice(end * front_end.frames_per_column, (end + columns_per_window) * front_end.frames_per_column)
            row[: self._column_codes.size] = column_codes[end : end + columns_per_window].ravel()
            row[self._column_codes.size : -1] = self.encoders["fenv"].codes(cut_fenv(quantised[np.newaxis, window]))
            row[-1:] = self.encoders["o"].codes(cut_o(log_mel[np.newaxis, window]))
        codes += self._offsets
        return codes

    def counts(self, codes: Codes) -> Counts:
        """Return how often each code occurs: (windows, 143) -> int [shape=(windows, n_counts)]."""
        of_window = np.arange(len(codes))[:, np.newaxis] * self.n_counts
        counts = np.bincount((codes + of_window).ravel(), minlength=len(codes) * self.n_counts)
        return counts.reshape(len(codes), self.n_counts)

    def _codes_of_columns(self, columns: NDArray[Any]) -> Codes:
        pat, env = self.encoders["pat"].codes(cut_pat(columns)), self.encoders["env"].codes(cut_env(columns))
        return np.concatenate([pat, env], axis=1)

"""From log-mel to the counts of codes in each window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .codebook import Codebook, Codes
from .errors import BundleError, UsageError
from .frontend import Float32, FrontEnd
from .patches import FAMILIES, cut_env, cut_fenv, cut_o, cut_pat, patches_per_window

Counts = NDArray[np.int64]


class Network(Protocol):
    """What an encoder needs of its network; `tflite.Model` is one."""

    n_inputs: int
    n_outputs: int

    def __call__(self, rows: Float32) -> Float32:
        """Return (rows, n_outputs) for (rows, n_inputs)."""


@dataclass(frozen=True)
class Encoder:
    """One family's network and codebook: patches in, codes out."""

    network: Network
    codebook: Codebook

    def codes(self, patches: Float32) -> Codes:
        """Return the codes (N, P) of patches (N, P, values)."""
        count, per_item, _ = patches.shape
        latents = self.network(patches.reshape(count * per_item, -1))
        return self.codebook.assign(latents.reshape(count, per_item, -1))


class Coder:
    """Counts of codes over a sliding window.

    `pat` and `env` codes are computed once, when their column arrives, and kept for as long as the
    window holds it; `fenv` and `o` codes are computed once a hop. State is the last window of log-mel
    and of column codes; before the first full window there are no counts. `columns_until_window` and
    `columns_since_window` say where the stream stands between two windows.

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
        self._log_mel = np.zeros((front_end.frames_per_window, front_end.n_mels), np.float32)
        patches = patches_per_window(front_end)
        self.codes_per_window = sum(patches.values())
        per_column = (patches["pat"] + patches["env"]) // front_end.columns_per_window
        self._column_codes = np.zeros((front_end.columns_per_window, per_column), np.intp)
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
        front_end = self.front_end
        if not len(log_mel):
            return np.empty((0, self.codes_per_window), np.intp)
        columns = log_mel.reshape(-1, front_end.frames_per_column, front_end.n_mels)
        history = np.concatenate([self._log_mel, log_mel])
        column_codes = np.concatenate([self._column_codes, self._codes_of_columns(columns)])
        self._log_mel = history[-front_end.frames_per_window :]
        self._column_codes = column_codes[-front_end.columns_per_window :]

        ends = range(self.columns_until_window, len(columns) + 1, self.hop_columns)
        self.columns_since_window = len(columns) - ends[-1] if ends else self.columns_since_window + len(columns)
        self.columns_until_window = (ends[-1] + self.hop_columns if ends else self.columns_until_window) - len(columns)
        codes = np.empty((len(ends), self.codes_per_window), np.intp)
        for row, end in zip(codes, ends):
            window = history[end * front_end.frames_per_column :][: front_end.frames_per_window]
            inside = column_codes[end:][: front_end.columns_per_window]
            row[: inside.size] = inside.ravel()
            row[inside.size :] = self._codes_of_window(window[np.newaxis]).ravel()
        return codes

    def counts(self, codes: Codes) -> Counts:
        """Return how often each code occurs: (windows, 143) -> int [shape=(windows, n_counts)]."""
        counts = np.zeros((len(codes), self.n_counts), np.int64)
        for row, window in zip(counts, codes):
            row += np.bincount(window, minlength=self.n_counts)
        return counts

    def _codes_of_columns(self, columns: Float32) -> Codes:
        return np.concatenate([self._codes("pat", cut_pat(columns)), self._codes("env", cut_env(columns))], axis=1)

    def _codes_of_window(self, windows: Float32) -> Codes:
        return np.concatenate([self._codes("fenv", cut_fenv(windows)), self._codes("o", cut_o(windows))], axis=1)

    def _codes(self, family: str, patches: Float32) -> Codes:
        return self.encoders[family].codes(patches) + self.offsets[family]

"""From samples to log-mel, a column of 100 ms at a time.

The same `LogMel` runs on the device and in training. It is causal and works on whole
columns: frame `t` covers the 480 samples that end at sample `160 * (t + 1)`, the first
frames reach back into zeros. Every array product has the shape of one column whatever is
pushed, so a file in one piece and a microphone in hundredths give the same bits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.model.front_end import FrontEnd
from bowstream.model.highpass import HighPass
from bowstream.model.memory import aligned

# On 32-bit Arm, where transforms are in float64 and cannot be written into an array.
NUMPY_1 = np.lib.NumpyVersion(np.__version__) < "2.0.0"
# Columns that are worked on at a time: enough to be worth NumPy's calls, few enough to stay in a Pi's cache.
COLUMNS_AT_ONCE = 5
# Log-mel is the natural logarithm of power.
DB_PER_NEPER = 10.0 / math.log(10.0)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: linear up to 1 kHz (15 mel), logarithmic above.

    Source: M. Slaney, Auditory Toolbox, 1998; librosa's default (`htk=False`).
    """
    linear = mel * 200.0 / 3.0
    return np.where(mel < 15.0, linear, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


def hz_to_mel(hz: float) -> float:
    """Inverse of `mel_to_hz`."""
    return hz * 3.0 / 200.0 if hz < 1000.0 else 15.0 + 27.0 * float(np.log(hz / 1000.0) / np.log(6.4))


def mel_filterbank(front_end: FrontEnd) -> NDArray[np.float64]:
    """Return triangular mel filters of equal area, float64 [shape=(n_fft / 2 + 1, n_mels)].

    Equal to `librosa.filters.mel(sr=…, n_fft=…, n_mels=…, fmin=…, fmax=…, htk=False, norm="slaney").T`.
    """
    fft_hz = np.arange(front_end.n_fft // 2 + 1) * front_end.sample_rate / front_end.n_fft
    mels = np.linspace(hz_to_mel(front_end.fmin_hz), hz_to_mel(front_end.fmax_hz), front_end.n_mels + 2)
    left, centre, right = (mel_to_hz(mels)[i : i + front_end.n_mels] for i in range(3))
    rising = (fft_hz[:, None] - left) / (centre - left)
    falling = (right - fft_hz[:, None]) / (right - centre)
    triangles: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return triangles * 2.0 / (right - left)


def fold_filterbank(filterbank: NDArray[np.float64], win_length: int) -> NDArray[np.float64]:
    """Fold weights on the power spectrum of an `n_fft` onto that of half the `n_fft`: the same numbers.

    The power spectrum is the transform of the frame's autocorrelation, which ends at lag
    `win_length - 1`; `n_fft / 2` points therefore hold all that `n_fft` points hold. Each weight
    column becomes weights on the autocorrelation, and these become weights on the shorter
    spectrum. Lags between `win_length` and its alias are free, so a half cosine there replaces a
    sharp edge: weights far from a band fall to nothing and float32 keeps faint bands beside loud
    ones right. In the upper 60 dB of a frame log-mel is off by at most 0.1 for the tests' sounds, 0.002 for
    noise, whatever the processor (tests/rounding.py derives it); 0.0004 and 0.00001 is what was seen.

    Parameters
    ----------
    filterbank : float64 [shape=(n_fft / 2 + 1, n_mels)]

    Returns
    -------
    folded : float64 [shape=(n_fft / 4 + 1, n_mels)]
    """
    n_fft = 2 * (len(filterbank) - 1)
    n_half = n_fft // 2
    lag = np.arange(n_half // 2 + 1)
    edge = (lag - (win_length - 1)) / (n_half - 2 * win_length + 1)
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip(edge, 0.0, 1.0))
    by_lag = np.fft.hfft(filterbank / times_there(n_fft), n_fft, axis=0)[: len(lag)] * taper[:, np.newaxis]
    folded: NDArray[np.float64] = np.fft.hfft(by_lag, n_half, axis=0)[: len(lag)] * times_there(n_half) / n_half
    return folded


def times_there(n_fft: int) -> NDArray[np.float64]:
    """How often each bin of half a spectrum is in the whole: float64 [shape=(n_fft / 2 + 1, 1)]."""
    times = np.full((n_fft // 2 + 1, 1), 2.0)
    times[[0, -1]] = 1.0
    return times


@lru_cache
def mel_weights(front_end: FrontEnd) -> Float32:
    """Return the folded filterbank, float32 [shape=(n_fft / 4 + 1, n_mels)]; worked out once, not once a recording.

    It is for the power spectrum of `LogMel`, which is an `n_fft / 2`-th of the plain one.
    """
    folded = fold_filterbank(mel_filterbank(front_end), front_end.win_length)
    weights = aligned((folded * (front_end.n_fft // 2)).astype(np.float32))
    weights.flags.writeable = False
    return weights


def transform(frames: Float32, out: NDArray[np.complex64]) -> None:
    """Transform frames, scaled by the root of their length: the plain norm would have NumPy work in float64."""
    if NUMPY_1:
        out[:] = np.fft.rfft(frames, norm="ortho")
    else:
        np.fft.rfft(frames, norm="ortho", out=out)  # type: ignore[arg-type]  # the stubs know float64 alone


class Buffers(NamedTuple):
    """Views of the buffers of `LogMel`, as long as its next columns: to make them takes longer than some of the steps.

    samples : (columns, column_length), the columns
    frames : (frames, win_length), of them and what came before
    windowed, padded : (frames, win_length) of (frames, n_fft / 2), whose rest is 0
    last : the samples that the next frames reach back into
    spectrum : (frames, n_fft / 4 + 1); as real numbers `squares`, of which `real` and `imaginary` are the halves
    power : (frames, n_fft / 4 + 1); by column `columns`
    """

    samples: Float32
    frames: Float32
    windowed: Float32
    last: Float32
    padded: Float32
    spectrum: NDArray[np.complex64]
    squares: Float32
    real: Float32
    imaginary: Float32
    power: Float32
    columns: Float32


class LogMel:
    """Log-mel of a stream, column by column.

    State is the last `win_length - hop_length` samples (320), zeros at the start, and the high-pass's.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self._weights = mel_weights(front_end)
        self._highpass = (
            HighPass(front_end.highpass_hz, front_end.sample_rate, front_end.column_length)
            if front_end.highpass_hz
            else None
        )
        # Periodic Hann, as for any spectral analysis.
        phase = 2.0 * np.pi * np.arange(front_end.win_length) / front_end.win_length
        self._hann = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self._floor = np.float32(front_end.power_floor)
        self._tail = front_end.win_length - front_end.hop_length
        self._samples = np.zeros(self._tail + COLUMNS_AT_ONCE * front_end.column_length, np.float32)
        self._before = self._samples[: self._tail]
        windows = np.lib.stride_tricks.sliding_window_view(self._samples, front_end.win_length)
        self._frames = windows[:: front_end.hop_length]  # (frames, win_length), a view of _samples
        self._padded = np.zeros((len(self._frames), front_end.n_fft // 2), np.float32)
        self._spectrum = np.empty((len(self._frames), len(self._weights)), np.complex64)
        self._power = np.empty(self._spectrum.shape, np.float32)
        self._parts = [self._first(columns) for columns in range(COLUMNS_AT_ONCE + 1)]

    def reset(self) -> None:
        """Begin a new stream: the next frames reach back into zeros again."""
        self._samples[:] = 0.0
        if self._highpass:
            self._highpass.reset()

    def push(self, samples: Float32) -> Float32:
        """Return the log-mel of the next whole columns.

        Parameters
        ----------
        samples : float32 [shape=(columns * column_length,)], in -1 … 1

        Returns
        -------
        log_mel : float32 [shape=(columns * frames_per_column, n_mels)], natural log of mel power, at
            least log(power_floor)

        Raises
        ------
        ValueError
            If the samples are not float32 or not a whole number of columns.
        """
        front_end = self.front_end
        if samples.dtype != np.float32 or samples.ndim != 1 or len(samples) % front_end.column_length:
            raise ValueError(
                f"samples must be float32 in columns of {front_end.column_length} (got {samples.dtype} {samples.shape})"
            )
        if self._highpass:
            samples = self._highpass.push(samples)
        columns = samples.reshape(-1, front_end.column_length)
        log_mel = np.empty((len(columns), front_end.frames_per_column, front_end.n_mels), np.float32)
        for first in range(0, len(columns), COLUMNS_AT_ONCE):
            self._mel(columns[first : first + COLUMNS_AT_ONCE], out=log_mel[first : first + COLUMNS_AT_ONCE])
        np.maximum(log_mel, self._floor, out=log_mel)
        np.log(log_mel, out=log_mel)
        return log_mel.reshape(-1, front_end.n_mels)

    def skip(self, samples: Float32) -> None:
        """Step over whole columns whose log-mel is not asked for: the high-pass alone hears them, as it never forgets.

        The first column after them has the log-mel of a stream that begins there, the next that of the whole stream.
        """
        if self._highpass:
            self._highpass.push(samples)

    def _first(self, columns: int) -> Buffers:
        """Return what a few columns take of the buffers."""
        front_end, frames = self.front_end, columns * self.front_end.frames_per_column
        end = self._tail + columns * front_end.column_length
        padded, spectrum, power = self._padded[:frames], self._spectrum[:frames], self._power[:frames]
        squares = spectrum.view(np.float32)
        return Buffers(
            samples=self._samples[self._tail : end].reshape(columns, front_end.column_length),
            frames=self._frames[:frames],
            windowed=padded[:, : front_end.win_length],
            last=self._samples[end - self._tail : end],
            padded=padded,
            spectrum=spectrum,
            squares=squares,
            real=squares[:, 0::2],
            imaginary=squares[:, 1::2],
            power=power,
            columns=power.reshape(columns, front_end.frames_per_column, len(self._weights)),
        )

    def _mel(self, samples: Float32, out: Float32) -> None:
        """Mel power of a few columns (n, column_length), into `out` (n, frames_per_column, n_mels)."""
        part = self._parts[len(samples)]
        part.samples[:] = samples
        np.multiply(part.frames, self._hann, out=part.windowed)
        self._before[:] = part.last
        transform(part.padded, part.spectrum)
        np.square(part.squares, out=part.squares)
        np.add(part.real, part.imaginary, out=part.power)
        np.matmul(part.columns, self._weights, out=out)  # a product a column, whatever is pushed

"""How far float32 may move log-mel, on any processor: derived, not observed.

Only this is taken for granted: operations round as IEEE float32 does, the transform is a fast one, and sums are
taken in some order. u is the unit roundoff, γ(n) = n u / (1 - n u) bounds the relative error of n operations
(N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002: sums 3.1, transform 24.1).
"""

import numpy as np
from signals import straight_log_mel, windowed_frames

from bowstream.model.log_mel import fold_filterbank, mel_filterbank

U = 2.0**-24
LOG_ERROR = 2e-5  # np.log is right to 4 units in the last place, and log(power_floor) is -23


def gamma(n):
    return n * U / (1 - n * U)


def log_mel_bounds(samples, front_end):
    """Return the least and the most that a right `LogMel` may give, each float64 (frames, n_mels)."""
    filterbank = mel_filterbank(front_end)
    mel = np.exp(straight_log_mel(samples, filterbank, front_end))
    weights = fold_filterbank(filterbank, front_end.win_length)
    n_half = 2 * (len(weights) - 1)
    spectrum = np.fft.rfft(windowed_frames(samples, front_end), n_half)
    power = np.abs(spectrum) ** 2

    # Window: it and the product round. Transform: its error, as a whole, is a part of the whole spectrum, whose
    # other half has as much again; butterflies have rounded twiddles. Scale: one more.
    stages = np.log2(n_half)
    butterfly = U + gamma(4) * (np.sqrt(2) + U)
    relative = stages * butterfly / (1 - stages * butterfly) + gamma(3)
    moved = relative * np.linalg.norm(spectrum, axis=1, keepdims=True)
    # A sum of weighted |X + d|² - |X|² is at most 2 |w X| |d| + max(w) |d|²: Cauchy and Schwarz.
    size = np.abs(weights)
    transform = 2 * np.sqrt(power @ size**2) * moved + size.max(axis=0) * moved**2
    # Squares, weights, products and their sum: each term as often as there are terms.
    summing = gamma(len(weights) + 4) * (power @ size + transform)
    error = transform + summing

    least = np.log(np.maximum(mel - error, front_end.power_floor)) - LOG_ERROR
    most = np.log(np.maximum(mel + error, front_end.power_floor)) + LOG_ERROR
    return least, most

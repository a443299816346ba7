"""High-pass: DC, mains hum and rumble leave a stream before its log-mel is taken.

A Chebyshev filter of the second kind: flat above, and at least `STOP_DB` down from 0 Hz to the edge, with
a zero at DC. `sections` is its textbook form, a recursion over samples. NumPy has no fast recursion, so
`HighPass` works out the same filter from matrix products, a block of samples at a time.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowstream._given import NUMBER, check
from bowstream._types import Float32
from bowstream.model.memory import aligned

Float64 = NDArray[np.float64]

ORDER = 9  # odd: it has a zero at DC
STOP_DB = 100.0
# Samples in a block, at most: few for a small product within a block, many for a small one between blocks.
BLOCK = 80
# A column whose last so many samples are 0 ends with digital silence; a microphone has none.
SILENT = 8
# What a stream is taken to have been before it began: DC and mains hum, rumble, noise; by power.
STEADY_HZ = (0.0, 50.0, 60.0)
STEADY = 1e3
RUMBLES = 25
NOISE = 1e-2


def sections(edge_hz: float, sample_rate: int, order: int = ORDER, stop_db: float = STOP_DB) -> Float64:
    """Return second-order sections, float64 [shape=(order // 2 + 1, 6)]: b0, b1, b2, 1, a1, a2, as SciPy has them.

    Equal to `scipy.signal.cheby2(order, stop_db, edge_hz, "high", fs=sample_rate, output="sos")` up to the
    order of the sections. The analogue low-pass (A. V. Oppenheim, R. W. Schafer, Discrete-Time Signal
    Processing, 3rd ed., B.3) becomes a high-pass by s -> 1 / s and digital by the bilinear transform; each
    section has gain 1 at half the sample rate.

    Parameters
    ----------
    edge_hz : up to here all is at least `stop_db` down
    order : odd
    """
    edge = np.tan(np.pi * edge_hz / sample_rate)
    angles = np.pi * (2 * np.arange(order // 2 + 1) + 1) / (2 * order)  # one of each pair, and π / 2
    spread = np.arcsinh(np.sqrt(10.0 ** (stop_db / 10.0) - 1.0)) / order
    zeros = bilinear(edge * 1j * np.cos(angles))
    poles = bilinear(edge * (-np.sinh(spread) * np.sin(angles) + 1j * np.cosh(spread) * np.cos(angles)))
    rows = []
    for zero, pole in zip(zeros, poles):
        b, a = np.array([1.0, -2.0 * zero.real, 1.0]), np.array([1.0, -2.0 * pole.real, abs(pole) ** 2])
        rows.append((b, a))
    rows[-1] = np.array([1.0, -1.0, 0.0]), np.array([1.0, -poles[-1].real, 0.0])
    alternating = np.array([1.0, -1.0, 1.0])  # z = -1
    return np.array([np.concatenate([b * (a @ alternating) / (b @ alternating), a]) for b, a in rows])


def bilinear(s: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Map the analogue plane onto the digital one."""
    return (1.0 + s) / (1.0 - s)


def recur(sos: Float64, samples: Float64, state: Float64) -> Float64:
    """Filter sample by sample, as the sections say (transposed direct form II); slow.

    Parameters
    ----------
    samples : float64 [shape=(n, channels)]
    state : float64 [shape=(sections, 2, channels)], changed in place

    Returns
    -------
    filtered : float64 [shape=(n, channels)]
    """
    filtered = np.empty_like(samples)
    for i, value in enumerate(samples):
        for (b0, b1, b2, _, a1, a2), memory in zip(sos, state):
            result = b0 * value + memory[0]
            memory[0] = b1 * value - a1 * result + memory[1]
            memory[1] = b2 * value - a2 * result
            value = result
        filtered[i] = value
    return filtered


class Matrices(NamedTuple):
    """A filter as products, for columns of `blocks` blocks of `length`; float32, multiplied from the right.

    inside : (length, length), a block's samples to what they make in it
    fed : (length, n), a block's samples to what they leave in the state
    carried : ((blocks + 1) n, (blocks + 1) n), the state before a column and what its blocks leave to the
        state before each block and after the last
    rings : (n, length), the state before a block to what it makes in it
    start : (column_length, n), a stream's first column to the state before it
    """

    inside: Float32
    fed: Float32
    carried: Float32
    rings: Float32
    start: Float32


@lru_cache
def matrices(edge_hz: float, sample_rate: int, column_length: int) -> Matrices:
    """Work out a filter's matrices from its recursion, by what each sample and each state makes of a block."""
    sos, length = sections(edge_hz, sample_rate), math.gcd(BLOCK, column_length)
    n = 2 * len(sos)
    inputs = np.concatenate([np.eye(length), np.zeros((length, n))], axis=1)
    state = np.concatenate([np.zeros((n, length)), np.eye(n)], axis=1).reshape(len(sos), 2, length + n)
    outputs = recur(sos, inputs, state).T
    inside, rings = np.split(outputs, [length])
    fed, decay = np.split(state.reshape(n, -1).T, [length])

    # States in whose coordinates what rings on has the state's own size, so that float32 cancels nothing.
    energy, power = rings @ rings.T, decay
    while np.abs(power).max() > 1e-12:
        energy, power = energy + power @ energy @ power.T, power @ power
    to = np.linalg.cholesky(energy)
    fed, decay, rings = fed @ to, np.linalg.solve(to, decay @ to), np.linalg.solve(to, rings)

    blocks = column_length // length
    powers = [np.linalg.matrix_power(decay, k) for k in range(blocks + 1)]
    carried = np.block(
        [[powers[j - i] if j >= i else 0.0 * decay for j in range(blocks + 1)] for i in range(blocks + 1)]
    )
    start = start_states(edge_hz, sample_rate, column_length, fed, decay)
    return Matrices(*(aligned(part.astype(np.float32)) for part in (inside, fed, carried, rings, start)))


def start_states(edge_hz: float, sample_rate: int, column_length: int, fed: Float64, decay: Float64) -> Float64:
    """Return what takes a first column to the state that its rumble has left, float64 [shape=(column_length, n)].

    What went before is taken from the DC, mains hum and rumble up to the edge that fit the column best
    (ridge regression: the first two as large as they may be, rumble and noise by their power).
    """
    length, n = fed.shape
    rumble_hz = np.linspace(0.0, edge_hz, RUMBLES)
    hz = np.concatenate([STEADY_HZ, rumble_hz])
    size = np.sqrt(np.concatenate([np.full(len(STEADY_HZ), STEADY), np.full(RUMBLES, 1.0 / RUMBLES)]))

    def waves(times: Float64) -> Float64:
        phases = 2.0 * np.pi / sample_rate * np.outer(times, hz)
        return np.concatenate([size * np.cos(phases), size * np.sin(phases)], axis=1)

    past = waves(np.arange(-(sample_rate // length * length), 0.0))
    state = np.zeros((past.shape[1], n))
    for block in past.reshape(-1, length, past.shape[1]):
        state = state @ decay + block.T @ fed
    now = waves(np.arange(column_length, dtype=np.float64))
    return now @ np.linalg.solve(now.T @ now + NOISE * np.eye(now.shape[1]), state)


class HighPass:
    """The filter of a stream, column by column; the same bits whatever is pushed.

    State is the filter's. A stream begins as if the DC and mains hum of its first column had always been
    there: else their sudden beginning would be a click. Their end would be one, too, where digital silence fills a
    recording's last column up: nothing rings on in it, and what follows begins a stream.
    """

    def __init__(self, edge_hz: float, sample_rate: int, column_length: int) -> None:
        check(NUMBER, highpass_hz=edge_hz)
        self._matrices = matrices(edge_hz, sample_rate, column_length)
        block_length, n = self._matrices.fed.shape
        self._blocks = column_length // block_length, block_length
        self._state = np.empty(n, np.float32)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._started = False

    def push(self, samples: Float32) -> Float32:
        """Return the next whole columns, filtered: float32 [shape=(columns * column_length,)]."""
        inside, fed, carried, rings, start = self._matrices
        columns = samples.reshape(-1, *self._blocks)
        filtered: Float32 = columns @ inside  # a product a column, as all here, whatever is pushed
        # The state before each block, one after the other: that after a column is that before the next.
        states = np.empty((len(samples) // self._blocks[1] + 1, self._state.size), np.float32)
        n = self._state.size
        before = states[:-1].reshape(len(columns), self._blocks[0], n)
        np.matmul(columns, fed, out=states[1:].reshape(before.shape))
        states[0] = self._state
        goes_on: list[bool] = np.logical_or.reduce(columns[:, -1, -SILENT:], axis=1).tolist()
        # Those of a column, with the first of the next: (columns, states).
        steps = (states.itemsize * self._blocks[0] * n, states.itemsize)
        for number, passed in enumerate(np.ndarray((len(columns), len(carried)), np.float32, states, 0, steps)):
            if not self._started:
                passed[:n] = columns[number].reshape(-1) @ start
            np.matmul(passed, carried, out=passed)
            self._started = goes_on[number]
        self._state[:] = states[-1]
        filtered += before @ rings
        if not all(goes_on):
            self._quieten(columns, filtered, goes_on)
        return filtered.reshape(-1)

    def _quieten(self, columns: Float32, filtered: Float32, goes_on: list[bool]) -> None:
        """Let nothing ring on in columns that end with digital silence, from its beginning on."""
        for number in [number for number, sounds in enumerate(goes_on) if not sounds]:
            sound = np.flatnonzero(columns[number])
            filtered[number].reshape(-1)[sound[-1] + 1 if len(sound) else 0 :] = 0.0

"""Several channels become one: their mean, or, where they cancel each other in it, the loudest of them; or the best.

The best is the one in which sound stands out most from what is always there: a microphone that hums, hisses or is dead
is not it, one that is closer is.

Out of phase, as from a cable with two wires exchanged, right is −left, and the mean of both is silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bowstream._types import Float32
from bowstream.errors import AudioError

SEGMENTS_PER_S = 20
# Sound of a third of a second ago counts a third.
DECAY = float(np.exp(-3 / SEGMENTS_PER_S))
# Power of the mean, times the number of channels, by that of a channel: 1 if they have nothing in common, and 0 if
# they cancel each other. Below the first the loudest channel is taken, above the second the mean again.
CANCELLED, MIXED = 0.05, 0.2
# Shorter than this it is chance, and not told.
CANCELLED_S = 1.0
# How fast the peak and the floor of a channel's power are forgotten, and by how much the best must be better.
FADES = float(np.exp(-1 / (3 * SEGMENTS_PER_S)))
BETTER = 2.0
# Power in a segment below which nothing stands out: -90 dBFS.
HUSH = 1e-9
CANCELLING = "its channels cancel each other (out of phase): the loudest is heard alone"


class Mixer:
    """Mixes the frames of a stream, however they are cut into blocks.

    What the channels have in common is looked at in segments of 50 ms, and counts from the next one on; the first
    is held until it is whole, and counts at once. State is the power of each channel and of the mean over the last
    half a second or so, and less than a segment of frames.

    Parameters
    ----------
    native_rate : in Hz
    channels : that are taken, from 1; all if empty
    mix : "mean", or "best" for the best channel at a time

    Attributes
    ----------
    cancelled_s : how much was taken of one channel, in seconds
    """

    def __init__(self, native_rate: int, channels: Sequence[int] = (), mix: str = "mean") -> None:
        self._taken = [channel - 1 for channel in channels]
        self._is_best = mix == "best"
        self._length = max(native_rate // SEGMENTS_PER_S, 1)
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self.cancelled_s = 0.0
        self.forget()

    def forget(self) -> None:
        """Forget what was heard, after a gap."""
        self._powers = np.zeros(0)  # of each channel, and of the mean
        self._peaks = self._floors = np.zeros(0)  # of each channel's power
        self._channel: int | None = None
        self._tail: Float32 | None = None
        self._is_first = True

    def push(self, frames: Float32) -> Float32:
        """Return the next samples, float32 [shape=(m,)], of frames (n, channels); m is n but in the first segment."""
        if self._taken:
            if max(self._taken) >= frames.shape[1]:
                last = frames.shape[1]
                raise AudioError(f"channels must be 1 … {last}, as it has (got {max(self._taken) + 1})")
            frames = frames[:, self._taken]
        if frames.shape[1] == 1:
            return frames[:, 0]
        begun = 0 if self._tail is None else len(self._tail)
        known = frames if self._tail is None else np.concatenate([self._tail, frames])
        whole = len(known) // self._length
        self._tail = known[whole * self._length :].copy()
        if self._is_first:
            if not whole:
                return np.empty(0, np.float32)
            frames, begun = known, 0
        mono = to_mono(frames)
        # Samples of `mono` that the decision so far holds for: up to the end of the segment that has been begun.
        start = 0
        for index, powers in enumerate(segment_powers(known[: whole * self._length], self._length)):
            end = (index + 1) * self._length - begun
            if self._is_first:
                self._decide(powers)
                self._is_first = False
                self._take(mono, frames, start, end)
            else:
                self._take(mono, frames, start, end)
                self._decide(powers)
            start = end
        self._take(mono, frames, start, len(frames))
        return mono

    def finish(self) -> Float32:
        """Return what is held of a stream that is shorter than a segment."""
        held = self._tail
        if not self._is_first or held is None or not len(held):
            return np.empty(0, np.float32)
        mono = to_mono(held)
        self._decide(next(iter(segment_powers(held, len(held)))))
        self._take(mono, held, 0, len(held))
        self._tail = None
        return mono

    def _take(self, mono: Float32, frames: Float32, start: int, end: int) -> None:
        """Put one channel in the place of the mean where they cancel each other."""
        if self._channel is not None:
            mono[start:end] = frames[start:end, self._channel]
            if self._is_best:
                return
            self.cancelled_s += (end - start) / (self._length * SEGMENTS_PER_S)

    def _decide(self, powers: np.ndarray) -> None:
        if self._is_best:
            self._choose(powers[:-1] / self._length)
            return
        if not len(self._powers):
            self._powers = np.zeros(len(powers))
        self._powers = self._powers * DECAY + powers
        *channels, mean = self._powers.tolist()
        common = mean * len(channels) ** 2 / (sum(channels) or np.inf)
        if self._channel is None and sum(channels) > 0.0 and common < CANCELLED:
            self._channel = channels.index(max(channels))
        elif self._channel is not None and common > MIXED:
            self._channel = None

    def _choose(self, powers: np.ndarray) -> None:
        """Take the channel whose sound stands out most, but leave one only for a better."""
        if not len(self._peaks):
            self._peaks = self._floors = powers
        self._peaks = np.maximum(self._peaks * FADES, powers)
        self._floors = np.minimum(self._floors / FADES, powers)
        stands_out = (self._peaks + HUSH) / (self._floors + HUSH)
        best = int(stands_out.argmax())
        if self._channel is None or stands_out[best] > BETTER * stands_out[self._channel]:
            self._channel = best


def segment_powers(frames: Float32, length: int) -> np.ndarray:
    """Return the power of each channel and of the mean, without what is constant: (n, C) -> (n/length, C + 1)."""
    segments = frames.reshape(-1, length, frames.shape[1])
    products = np.matmul(segments.transpose(0, 2, 1), segments).astype(np.float64)  # (s, C, C)
    sums = np.matmul(np.ones((1, length), np.float32), segments).astype(np.float64)  # (s, 1, C)
    products -= sums.transpose(0, 2, 1) * sums / length
    alone = np.diagonal(products, axis1=1, axis2=2)
    mixed = products.sum(axis=(1, 2)) / frames.shape[1] ** 2
    powers: np.ndarray = np.concatenate([alone, mixed[:, np.newaxis]], axis=1)
    return powers.clip(0.0)


def to_mono(frames: Float32) -> Float32:
    """Return the mean of the channels: (n, channels) -> (n,)."""
    if frames.shape[1] == 1:
        return frames[:, 0]
    mono: Float32 = frames.mean(axis=1, dtype=np.float32)
    return mono

"""Frames of any rate and number of channels become 16 kHz mono columns.

Files, pipes and microphones all come through here, so a file sounds the same as the same samples
recorded live.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32, Format
from bowstream.audio.mix import Mixer, to_mono
from bowstream.errors import AudioError

if TYPE_CHECKING:
    import soxr

# Full scale is 1. Beyond 32 bits' integers taken for floats lies what no converter delivers.
ABSURD = 2.0**32
# Full scale of 16 bits; a converter that clips delivers this value and no more.
CLIPPED = 32767.0 / 32768.0
# How closely it is found out what a resampler holds before it hands something on, in samples.
STEP = 16.0
# So many values in a row at full scale are a peak that was cut off.
CUT_OFF = 3


class Converter:
    """Mixes to mono (see `Mixer`), resamples (soxr, high quality) and cuts into whole columns.

    State is the resampler and less than a chunk of samples. Time is kept by counting native frames,
    so it does not drift, whatever is lost.

    Parameters
    ----------
    name : of the source, for messages
    native_rate : of the frames, in Hz
    format : what it makes of them
    chunk_columns : columns handed on at a time
    """

    def __init__(self, name: str, native_rate: int, format: Format, chunk_columns: int) -> None:
        self.name = name
        self.native_rate = native_rate
        self.sample_rate = format.sample_rate
        self.column_length = format.column_length
        self.chunk_length = chunk_columns * format.column_length
        self.clipped = 0
        self._full: NDArray[np.bool_] | None = None  # which of the last values are at full scale; None if none is
        self._lumps = Lumps()
        self._mixer = Mixer(native_rate, format.channels, format.mix)
        self._resampler = self._new_resampler()
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self.clipped = 0
        self._mixer.reset()
        self._native_frames = 0  # heard or lost
        self._emitted = 0  # samples handed on or lost
        self._forget()

    def close(self) -> None:
        """Let go of the resampler."""
        self._resampler = None

    def _forget(self) -> None:
        self._mixer.forget()
        self._full = None
        self._pending = np.empty(0, np.float32)
        self._lumps.held = 0.0
        if self._resampler:
            self._resampler.clear()

    def _new_resampler(self) -> soxr.ResampleStream | None:
        if self.native_rate == self.sample_rate:
            return None
        import soxr

        return soxr.ResampleStream(self.native_rate, self.sample_rate, 1, dtype="float32", quality="HQ")

    @property
    def missing(self) -> int:
        """Native frames that it takes, at the least, to complete the next chunk, as far as is known."""
        lacking = self._lumps.lacking(self.chunk_length - len(self._pending))
        return math.ceil(lacking * self.native_rate / self.sample_rate)

    @property
    def behind_s(self) -> float:
        """Seconds of the sound taken in that have not been handed on yet."""
        return self._native_frames / self.native_rate - self._emitted / self.sample_rate

    @property
    def cancelled_s(self) -> float:
        """Seconds in which the channels cancelled each other, so that one of them was taken alone."""
        return self._mixer.cancelled_s

    def push(self, frames: Float32) -> list[Float32]:
        """Return the chunks that these frames complete, each float32 [shape=(chunk_length,)].

        Parameters
        ----------
        frames : float32 [shape=(n, channels)], in -1 … 1

        Raises
        ------
        AudioError
            If a value is not finite, or absurd.
        """
        # What lies between the peaks need not be looked at; NaN is a peak, too.
        if not -CLIPPED < frames.min(initial=0.0) <= frames.max(initial=0.0) < CLIPPED:
            if (end := sound_until(frames)) < len(frames):
                raise AudioError(f"{self.name}: {no_sound(frames[end])}: the sound is damaged")
            self._count_clipped(np.abs(frames) >= CLIPPED)
        else:
            self._full = None
        self._native_frames += len(frames)
        return self._take(self._resample(self._mixer.push(frames)))

    def _count_clipped(self, full: NDArray[np.bool_]) -> None:
        """Count the values in rows of `CUT_OFF` or more at full scale, (n, channels); one alone is a peak that fits."""
        if self._full is None or self._full.shape[1] != full.shape[1]:
            self._full = np.zeros((CUT_OFF, full.shape[1]), bool)
        known = np.concatenate([self._full, full])
        rows = known[:-2] & known[1:-1] & known[2:]
        begun = rows[1:] & ~rows[:-1]
        self.clipped += int(np.count_nonzero(rows[1:])) + (CUT_OFF - 1) * int(np.count_nonzero(begun))
        self._full = known[-CUT_OFF:]

    def finish(self) -> list[Float32]:
        """Return the last chunks; the last of them is filled with silence up to a whole column."""
        chunks = self._take(self._resample(self._mixer.finish(), last=True))
        if self._native_frames and not self._emitted and not len(self._pending):
            self._pending = np.zeros(1, np.float32)  # a sound too short to be one sample at our rate is still a sound
        if len(self._pending):
            columns = -(-len(self._pending) // self.column_length)
            last = np.zeros(columns * self.column_length, np.float32)
            last[: len(self._pending)] = self._pending
            chunks.append(last)
            self._emitted += len(last)
        self._forget()
        return chunks

    def gap(self, lost_frames: int) -> int:
        """Step over lost native frames; return the gap's length in samples, what was pending before it included."""
        self._native_frames += lost_frames
        self._forget()
        position = round(self._native_frames * self.sample_rate / self.native_rate)
        lost = position - self._emitted
        self._emitted = position
        return lost

    def _resample(self, mono: Float32, last: bool = False) -> Float32:
        if self._resampler is None:
            return mono
        resampled: Float32 = self._resampler.resample_chunk(mono, last=last)
        self._lumps.note(len(resampled), self._resampler.delay(), last)
        return resampled

    def _take(self, samples: Float32) -> list[Float32]:
        """Append samples to what is pending and cut off whole chunks."""
        pending = np.concatenate([self._pending, samples])
        whole = len(pending) // self.chunk_length * self.chunk_length
        self._pending = pending[whole:]
        self._emitted += whole
        return list(pending[:whole].reshape(-1, self.chunk_length))


class Lumps:
    """How a resampler hands samples on, as it has shown so far: in lumps, and it holds some meanwhile.

    Attributes
    ----------
    held : samples that are in it now
    """

    def __init__(self) -> None:
        self.held = 0.0
        self._smallest, self._held_most = 0, 0.0  # lump, 0 for none yet; samples held without one

    def note(self, handed_on: int, held: float, last: bool) -> None:
        """Note how many samples it has just handed on, and holds; a last lump is as large as what was left."""
        self.held = held
        if not handed_on:
            self._held_most = max(self._held_most, held)
        elif not last:
            self._smallest = min(self._smallest or handed_on, handed_on)

    def lacking(self, wanted: int) -> float:
        """Return how many samples it takes, at the least, until it has handed on so many more."""
        if not self._smallest:
            return wanted
        lumps_before = math.ceil(wanted / self._smallest) - 1
        return max(lumps_before * self._smallest + self._held_most - self.held, 0.0) + STEP


def sound_until(frames: Float32, loudest: float = ABSURD) -> int:
    """Return how many frames (n, channels) come before the first that is NaN or beyond what sound can be."""
    if -loudest <= frames.min(initial=0.0) <= frames.max(initial=0.0) <= loudest:
        return len(frames)
    return int((np.abs(frames) <= loudest).all(axis=1).argmin())


def no_sound(frame: Float32) -> str:
    """Say what is wrong with a frame, float32 [shape=(channels,)], that is no sound."""
    if np.isfinite(frame).all():
        return f"samples must be in -1 … 1 or a little beyond (got {np.abs(frame).max():g})"
    return "samples must be finite (got NaN or infinity)"


def matched(blocks: Iterable[Float32], rate: int, wanted_rate: int, channels: int) -> Iterator[Float32]:
    """Yield blocks (n, any) as (n, channels) of another rate, all channels the same: a file may change in its midst."""
    import soxr

    resampler = soxr.ResampleStream(rate, wanted_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield np.repeat(resampler.resample_chunk(to_mono(block))[:, np.newaxis], channels, axis=1)
    yield np.repeat(resampler.resample_chunk(np.empty(0, np.float32), last=True)[:, np.newaxis], channels, axis=1)

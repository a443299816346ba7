"""Arrays as they come, of any length, type, rate and number of channels, made into columns."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from bowstream._given import NUMBER, check_if_any
from bowstream._types import Float32, Format
from bowstream.audio.convert import Converter
from bowstream.errors import UsageError

# Of the integers that sound is kept in, by kind and size.
FULL_SCALE = {("i", 2): 2.0**15, ("i", 4): 2.0**31}
# With more the array is the wrong way round.
MOST_CHANNELS = 64
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1000, 768_000
# A decoder may overshoot full scale; integers that were made floats are far above it.
LOUDEST = 4.0


class Feed:
    """Converts the blocks of a stream, as a file or a microphone is converted.

    Parameters
    ----------
    format : what it makes of them
    """

    def __init__(self, format: Format) -> None:
        self._format = format
        self._warned = False
        self.reset()

    def reset(self) -> None:
        """Begin a new stream, which may have another rate and number of channels."""
        self._converter: Converter | None = None
        self._channels: int | None = None

    def push(self, block: ArrayLike, sample_rate: int | None = None) -> Float32:
        """Return the columns that a block completes, float32 [shape=(columns * 1600,)].

        Parameters
        ----------
        block : see `to_frames`
        sample_rate : in Hz, the same for the whole stream; None for that of the block before, at first the format's

        Raises
        ------
        AudioError
            If a sample is not finite.
        UsageError
            If the block or its rate is no sound, or its rate or number of channels is not that of the stream.
        """
        frames = to_frames(block)
        converter = self._converter_for(sample_rate)
        channels = frames.shape[1] if len(frames) else self._channels
        if channels != self._channels is not None:
            raise UsageError(
                f"a stream must keep its number of channels, {self._channels} (got {channels}): "
                "finish() or reset() begins a new one"
            )
        peak = float(np.abs(frames).max(initial=0.0))
        if LOUDEST < peak < np.inf and not self._warned:
            self._warned = True
            text = f"float samples must be in -1 … 1 (got {peak:g}): give int16 as it is, or divide it by 32768"
            warnings.warn(text, stacklevel=3)  # at the line that calls the tagger
        columns = joined(converter.push(frames) if len(frames) else [])
        self._converter, self._channels = converter, channels  # of what was accepted
        return columns

    def finish(self) -> Float32:
        """Return the last columns, filled with silence to whole ones."""
        return joined(self._converter.finish() if self._converter else [])

    def _converter_for(self, sample_rate: int | None) -> Converter:
        check_if_any(NUMBER, sample_rate=sample_rate)
        if self._converter is None:
            rate = self._format.sample_rate if sample_rate is None else sample_rate
            if not (LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ and rate == int(rate)):
                raise UsageError(
                    f"sample_rate must be a whole number of {LOWEST_RATE_HZ} … {HIGHEST_RATE_HZ} Hz (got {rate})"
                )
            return Converter("block", int(rate), self._format, chunk_columns=1)
        if sample_rate not in (None, self._converter.native_rate):
            raise UsageError(
                f"sample_rate must stay {self._converter.native_rate} Hz in a stream (got {sample_rate}): "
                "finish() or reset() begins a new one"
            )
        return self._converter


def joined(columns: list[Float32]) -> Float32:
    """Return columns end to end."""
    return np.concatenate(columns) if columns else np.empty(0, np.float32)


def to_frames(sound: ArrayLike) -> Float32:
    """Return sound as float32 [shape=(n, channels)], in -1 … 1.

    Parameters
    ----------
    sound : int16, int32 or any float [shape=(n,) or (n, channels)]; lists of floats are taken, too

    Raises
    ------
    UsageError
        If it has another type or shape.
    """
    if isinstance(sound, (bytes, bytearray, memoryview)):
        raise UsageError("sound must be an array (got bytes): see np.frombuffer(sound, np.int16)")
    try:
        array = np.asarray(sound)
    except ValueError as error:
        raise UsageError("sound must have the shape (n,) or (n, channels) (got rows of different lengths)") from error
    full_scale = FULL_SCALE.get((array.dtype.kind, array.dtype.itemsize))
    if array.dtype.kind != "f" and not full_scale:
        got = type(sound).__name__ if array.dtype == object and not array.ndim else array.dtype
        raise UsageError(f"sound must be int16, int32 or float samples (got {got})")
    if array.ndim not in (1, 2) or array.shape[1:] == (0,):
        raise UsageError(f"sound must have the shape (n,) or (n, channels) (got {array.shape})")
    frames = array[:, np.newaxis] if array.ndim == 1 else array
    if frames.shape[1] > MOST_CHANNELS:
        raise UsageError(f"sound must have the shape (n, channels) (got {array.shape}): transpose it")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as that
        samples: Float32 = frames.astype(np.float32, copy=False)
    return samples * np.float32(1.0 / full_scale) if full_scale else samples

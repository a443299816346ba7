"""The bounded ring between PortAudio's thread and ours: it overwrites, and counts what it lost."""

from __future__ import annotations

import numpy as np

from .frontend import Float32


class RingBuffer:
    """Single-producer single-consumer ring of float32 frames, without locks.

    The writer never waits: when the reader falls behind, the oldest frames are overwritten. The
    reader learns from two ever-growing counters how much it missed, also while it was copying.

    Parameters
    ----------
    capacity : frames, >= 1
    channels : values in a frame, >= 1
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self._frames = np.zeros((capacity, channels), np.float32)
        self._announced = 0  # frames written, or being written now
        self._written = 0  # frames written
        self._read = 0  # frames read or lost

    @property
    def available(self) -> int:
        """Frames that `read` would return now."""
        return min(self._written - self._read, len(self._frames))

    def write(self, frames: Float32) -> None:
        """Copy frames, float32 [shape=(n, channels)], in; from the producer's thread only."""
        capacity = len(self._frames)
        self._announced = end = self._written + len(frames)
        kept = frames[-capacity:]
        start = (end - len(kept)) % capacity
        first = min(len(kept), capacity - start)
        self._frames[start : start + first] = kept[:first]
        self._frames[: len(kept) - first] = kept[first:]
        self._written = end

    def read(self) -> tuple[int, Float32]:
        """Return how many frames were lost since the last read, and a copy of all that came after them.

        From the consumer's thread only.

        Returns
        -------
        lost : frames overwritten before they could be read
        frames : float32 [shape=(n, channels)]
        """
        capacity = len(self._frames)
        end = self._written
        start = max(self._read, self._announced - capacity)
        places = np.arange(start, end) % capacity if end > start else np.empty(0, np.intp)
        frames = self._frames[places]
        # What the writer began to overwrite while we copied is not to be trusted.
        intact = max(start, self._announced - capacity)
        lost = min(intact, end) - self._read
        self._read = end
        return lost, frames[intact - start :]

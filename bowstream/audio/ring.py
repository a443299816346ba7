"""The bounded ring between PortAudio's thread and ours: it overwrites, and counts what it lost."""

from __future__ import annotations

from collections import deque

import numpy as np

from bowstream._types import Float32


class RingBuffer:
    """Single-producer single-consumer ring of float32 frames, without locks.

    The writer never waits: when the reader falls behind, the oldest frames are overwritten. The
    reader learns from ever-growing counters how much it missed, also while it was copying. Frames that the
    writer never got are marked by `skip`, and count as lost at the place where they are missing.

    Parameters
    ----------
    capacity : frames, >= 1
    channels : values in a frame, >= 1
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self._frames = np.zeros((capacity, channels), np.float32)
        self._announced = 0  # frames written, or being written now
        self._written = 0  # frames written
        self._read = 0  # frames read or overwritten
        self._skipped = 0  # frames that the writer never got
        self._skipped_read = 0  # of these, the ones that the reader knows of
        # Where frames are missing: (frames written before, skipped until there). A mark that falls out is made good
        # by the next one.
        self._skips: deque[tuple[int, int]] = deque(maxlen=64)

    @property
    def available(self) -> int:
        """Frames that are waiting to be read."""
        return min(self._written - self._read, len(self._frames))

    @property
    def room(self) -> int:
        """Frames that can be written before any is overwritten that was not read."""
        return len(self._frames) - self.available

    @property
    def written(self) -> int:
        """Frames written so far."""
        return self._written

    @property
    def read_until(self) -> int:
        """Frames written so far that have been read or lost."""
        return self._read

    @property
    def elapsed(self) -> int:
        """Frames that have passed so far, written or skipped."""
        return self._written + self._skipped

    @property
    def passed(self) -> int:
        """Frames that have been read or lost so far, skipped ones included."""
        return self._read + self._skipped_read

    def skip(self, frames: int) -> None:
        """Mark that so many frames are missing before the next that is written; from the producer's thread only."""
        if frames:
            self._skipped += frames
            self._skips.append((self._written, self._skipped))

    def write(self, frames: Float32) -> None:
        """Copy frames, float32 [shape=(n, channels)], in; from the producer's thread only."""
        capacity, count = len(self._frames), len(frames)
        start = self._written % capacity
        self._announced = end = self._written + count
        if start + count <= capacity:
            self._frames[start : start + count] = frames
        else:
            kept = frames[-capacity:]
            start = (end - len(kept)) % capacity
            self._frames[start:] = kept[: capacity - start]
            self._frames[: end % capacity] = kept[capacity - start :]
        self._written = end

    def read(self, limit: int | None = None, keep: int | None = None) -> tuple[int, Float32]:
        """Return how many frames were lost since the last read, and a copy of those that came after them.

        From the consumer's thread only.

        Parameters
        ----------
        limit : frames to return at most; None for all, up to the next that are missing
        keep : once frames are lost to the writer, all but so many of the newest are given up with them, so that the
            next loss is not at once upon a reader that is too slow; None for all that are left

        Returns
        -------
        lost : frames overwritten before they could be read, or skipped
        frames : float32 [shape=(n, channels)]
        """
        capacity = len(self._frames)
        end = self._written
        start = max(self._read, self._announced - capacity)
        if keep is not None and start > self._read:
            start = max(start, end - keep)
        skipped = self._skipped_before(start)
        if self._skips:
            end = min(end, self._skips[0][0])
        if limit is not None:
            end = min(end, start + limit)
        first = start % capacity
        last = first + max(end - start, 0)
        frames = np.concatenate([self._frames[first:last], self._frames[: max(last - capacity, 0)]])
        # What the writer began to overwrite while we copied is not to be trusted.
        intact = max(start, self._announced - capacity)
        lost = min(intact, end) - self._read + skipped
        self._read = end
        return lost, frames[intact - start :]

    def _skipped_before(self, start: int) -> int:
        """Return how many frames were skipped, since this was last asked, before the frame at `start`."""
        before = self._skipped_read
        while self._skips and self._skips[0][0] <= start:
            self._skipped_read = self._skips.popleft()[1]
        return self._skipped_read - before

"""The columns of a stream, whose log-mel is computed when it is asked for: all that waits at once.

Ten columns together cost little more than half of ten columns one by one.
"""

from __future__ import annotations

import numpy as np

from bowstream._types import FLOAT32, Float32
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.model.onset import BANDS, levels_of
from bowstream.model.sliding import joined


class Segment:
    """Whole columns of a stream: `samples` float32 [shape=(columns * column_length,)]."""

    __slots__ = ("_log_mel", "_stream", "samples")

    def __init__(self, samples: Float32, stream: Columns) -> None:
        self.samples = samples
        self._stream: Columns | None = stream
        self._log_mel: Float32 | None = None

    def log_mel(self) -> Float32:
        """Return their log-mel, as the encoders get it: float32 [shape=(columns * frames_per_column, n_mels)]."""
        if self._stream:
            self._stream.compute()
        assert self._log_mel is not None
        return self._log_mel

    def fill(self, log_mel: Float32) -> None:
        """Take the log-mel, which its stream has computed."""
        self._log_mel, self._stream = log_mel, None


class Columns:
    """Samples in, scaled log-mel out, when it is asked for.

    Parameters
    ----------
    level : None for log-mel as it is

    Attributes
    ----------
    waiting : columns since the last `take`
    levels : of the columns that were taken last
    """

    def __init__(self, front_end: FrontEnd, level: LevelSettings | None) -> None:
        self.front_end = front_end
        self.log_mel = LogMel(front_end)
        self.level = Level(level, front_end) if level else None
        self.waiting = 0
        self._length = front_end.column_length
        self._segments: list[Segment] = []
        self._computed: list[Float32] = []
        self._levels: list[Float32] = []
        self.levels = np.empty((0, BANDS), np.float32)

    def reset(self) -> None:
        """Begin a new stream; segments of the old one keep their log-mel."""
        self.compute()
        self._computed.clear()
        self._levels.clear()
        self.waiting = 0
        self.log_mel.reset()
        if self.level:
            self.level.reset()

    def push(self, samples: Float32) -> Segment:
        """Take the next whole columns.

        Raises
        ------
        ValueError
            If the samples are not float32 or not a whole number of columns.
        """
        columns, rest = divmod(len(samples), self._length)
        if rest or samples.ndim != 1 or samples.dtype != FLOAT32:
            wanted = f"float32 in columns of {self._length}"
            raise ValueError(f"samples must be {wanted} (got {samples.dtype} {samples.shape})")
        segment = Segment(samples.copy(), self)  # the caller may use the array again
        self._segments.append(segment)
        self.waiting += columns
        return segment

    def compute(self) -> None:
        """Compute the log-mel of all segments that have none yet."""
        if not self._segments:
            return
        samples = [segment.samples for segment in self._segments]
        log_mel = self.log_mel.push(joined(samples))
        self._levels.append(levels_of(log_mel, self.front_end))
        if self.level:
            log_mel = self.level.push(log_mel)
        end = 0
        for segment in self._segments:
            start, end = end, end + len(segment.samples) // self.front_end.hop_length
            segment.fill(log_mel[start:end])
        self._segments.clear()
        self._computed.append(log_mel)

    def take(self) -> Float32:
        """Return the log-mel of all columns since the last time; `levels` are then theirs, (columns, BANDS)."""
        self.compute()
        log_mel, self.levels = joined(self._computed), joined(self._levels)
        self._computed.clear()
        self._levels.clear()
        self.waiting = 0
        return log_mel

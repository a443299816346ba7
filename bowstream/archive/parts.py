"""A recording heard in parts, by several processes, and put together again: the same scores and events, bit for bit.

A part is decoded and resampled from the recording's start, which costs a quarter to a half of hearing it, since no
decoder or resampler gives the same bits from another start; nor does a high-pass, which never quite forgets. All else
begins a little before the part: what a score depends on ends there (`warm_up`). Events are then found in the scores of
all parts by the very tracker that finds those of a whole recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bowstream.audio.file import AudioFile
from bowstream.audio.source import Block
from bowstream.session import Session
from bowstream.tagger import Tagger

# Columns that a column's own numbers depend on, beside itself: the one before it, for the transform's tail, and with
# a level those of the window before.
LOG_MEL_COLUMNS = 1
# Parts begin at whole minutes: loudness is told by the minute.
PER_MINUTE = 600


@dataclass(frozen=True)
class Part:
    """From one column of a recording up to another; None is its end."""

    start: int = 0
    stop: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the recording."""
        return self.start == 0 and self.stop is None


WHOLE = Part()


def cut(length_s: float | None, part_s: float, columns_per_s: int = 10) -> list[Part]:
    """Return the parts of a recording of this length: one, unless it is half as long again as a part.

    A recording may be longer than it says, or shorter: the last part goes on to its end, wherever that is.
    """
    count = max(1, round((length_s or 0.0) / part_s))
    per_part = -(-round((length_s or 0.0) * columns_per_s / count) // PER_MINUTE) * PER_MINUTE
    borders = [number * per_part for number in range(count)]
    return [Part(start, stop) for start, stop in zip(borders, [*borders[1:], None])]


def warm_up(tagger: Tagger) -> int:
    """Return how many columns before its end a score depends on, but for what a high-pass remembers."""
    front_end = tagger.front_end
    hops_apart = -(-front_end.columns_per_window // tagger.encoder.hop_columns)
    context = (tagger.bundle.head.context - 1) * hops_apart * tagger.encoder.hop_columns
    return context + 2 * front_end.columns_per_window + LOG_MEL_COLUMNS


def first_column(part: Part, tagger: Tagger) -> int:
    """Return the column to score a part from, so that windows lie as they do in the whole."""
    hop_columns = tagger.encoder.hop_columns
    return max(0, part.start - warm_up(tagger)) // hop_columns * hop_columns


class PartOfFile:
    """A part of a recording as the source of a session, which skips what comes before it.

    Attributes
    ----------
    position : columns that were decoded so far
    """

    live = False
    overflows = 0

    def __init__(self, recording: AudioFile, part: Part, session: Session) -> None:
        self.name = recording.name
        self.duration_s = recording.duration_s
        self.position = 0
        self._recording, self._stop, self._skip = recording, part.stop, session.skip
        self._first, self._length = first_column(part, session.tagger), session.tagger.front_end.column_length

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._recording.clipped

    @property
    def is_over(self) -> bool:
        """Whether all of it was handed on; the recording may go on."""
        return self._stop is not None and self.position >= self._stop

    def __iter__(self) -> Iterator[Block | None]:
        """Yield the part's sound, and None while what comes before it is skipped."""
        for block in self._recording:
            begin = self.position
            self.position += len(block.samples) // self._length
            stop = self.position if self._stop is None else min(self.position, self._stop)
            before = min(max(self._first - begin, 0), stop - begin) * self._length
            self._skip(block.samples[:before])
            samples = block.samples[before : (stop - begin) * self._length]
            yield Block(samples) if len(samples) else None
            if self.is_over:
                return

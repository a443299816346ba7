"""What every source of sound is and yields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bowstream._types import FLOAT32, Float32, Format
from bowstream.errors import UsageError


@dataclass(frozen=True)
class Block:
    """Whole columns of sound.

    Attributes
    ----------
    samples : float32 [shape=(columns * 1600,)], in -1 … 1
    lost : samples that were lost just before them
    arrived_s : when the last of them came in, by `clock.steady_s`; None for a recording that is read
    delay_s : from when the source says that they were until they came in; None if it does not say
    """

    samples: Float32 = field(repr=False)
    lost: int = 0
    arrived_s: float | None = None
    delay_s: float | None = None


@dataclass(frozen=True)
class Notice:
    """Something that the user ought to know.

    Attributes
    ----------
    kind : `away` (the microphone has gone, or cannot be opened) and `back`; `dead` or `silent`, and `sound`;
        `clipping`; `hot`; `phase`; `moved`; `clock` (a stream has set its clock)
    text : one line
    at_s, time : when, in seconds from the start of the stream, and in UTC; the session fills them in
    source : name of what it is about, as the session fills it in; empty where only one is heard
    """

    kind: str
    text: str
    at_s: float = 0.0
    time: datetime | None = None
    source: str = ""


class Source(Protocol):
    """What a session takes its sound from.

    Attributes
    ----------
    name : of the file or device
    duration_s : length; None if it is not known
    live : whether the sound is captured as it happens

    A source that can hand sound on in several formats also says in which it does, as `format`.
    """

    name: str
    duration_s: float | None
    live: bool

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""

    @property
    def overflows(self) -> int:
        """Times that the sound system reported lost sound."""

    def __iter__(self) -> Iterator[Block | Notice | None]:
        """Yield the sound in order; a live source yields None when nothing came for a while."""


def check_format(source: Source, wanted: Format) -> None:
    """Raise `UsageError` if a source says that it hands sound on at another rate, or in other columns."""
    has = getattr(source, "format", wanted)
    if (has.sample_rate, has.column_length) != (wanted.sample_rate, wanted.column_length):
        raise UsageError(
            f"{source.name}: sound must be {wanted.sample_rate} Hz in columns of {wanted.column_length} samples, as "
            f"the bundle takes it (got {has.sample_rate} Hz in columns of {has.column_length})"
        )


def check_samples(source: Source, samples: Float32, wanted: Format) -> None:
    """Raise `UsageError` unless a block's samples are mono float32 in whole columns."""
    if samples.ndim != 1 or samples.dtype != FLOAT32 or len(samples) % wanted.column_length:
        raise UsageError(
            f"{source.name}: blocks must be mono float32 in columns of {wanted.column_length} samples "
            f"(got {samples.dtype} {samples.shape})"
        )

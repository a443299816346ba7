"""What every source of sound is and yields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bowstream._types import Float32


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

    samples: Float32
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

"""What every source of sound yields. It stands apart from `sources`, so that a microphone needs no decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bowstream._types import Float32


@dataclass(frozen=True)
class Heard:
    """Whole columns of sound, float32 [shape=(columns * 1600,)], and the number of samples lost just before them.

    `arrived_s` is when the last of them came in, by the monotonic clock; None where nobody waited for it.
    """

    samples: Float32
    lost: int = 0
    arrived_s: float | None = None


@dataclass(frozen=True)
class Notice:
    """Something that whoever runs this ought to know, in a line.

    kind : `away` (the microphone has gone, or cannot be opened) and `back`; `dead` or `silent`, and `sound`;
        `clipping`; `hot`; `phase`
    at_s, time : when, in seconds from the start of the stream, and in UTC; the session fills them in
    """

    kind: str
    text: str
    at_s: float = 0.0
    time: datetime | None = None


class Source(Protocol):
    """What a session listens to."""

    name: str
    duration_s: float | None
    live: bool

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""

    @property
    def overflows(self) -> int:
        """Times that the sound system said it dropped something before we saw it."""

    def __iter__(self) -> Iterator[Heard | Notice | None]:
        """Yield what is heard; a live source yields None when it has waited a while for nothing."""

"""What a session yields: records, and the description of the stream that they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from bowstream._types import Float32
from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.model.tags import Tag
from bowstream.scores import Scores


@dataclass(frozen=True)
class StreamInfo:
    """What outputs need to know about a stream; it stays the same but for its tags, which may be retagged.

    Attributes
    ----------
    source : name of the microphone or file, or what the configuration calls it
    live : whether the sound is heard as it happens
    duration_s : length of the stream; None if it is not known
    started_at : when a recording began, in UTC; None if it is not known, or for live sound
    bundle : name of the model
    tags : names and thresholds, in the order of the scores
    sample_rate : of `Sound.samples`, in Hz
    hop_s, window_s : seconds between two scores, and seconds that each score is about
    confirm_hops : scores in a row that open an event
    frames_per_s, n_mels, span_hz : shape of `Sound.log_mel`, and its lowest and highest frequency
    log_mel_range : values of `Sound.log_mel` that are black and white in a picture
    log_mel_db : decibels per unit of it
    is_named : whether it is one of several, by a name that its records have, too
    """

    source: str
    live: bool
    duration_s: float | None
    started_at: datetime | None
    bundle: str
    tags: tuple[Tag, ...]
    sample_rate: int
    hop_s: float
    window_s: float
    confirm_hops: int
    frames_per_s: int
    n_mels: int
    span_hz: tuple[float, float]
    log_mel_range: tuple[float, float]
    log_mel_db: float
    is_named: bool = False

    @property
    def key(self) -> str:
        """What the stream's records have as their `source`."""
        return self.source if self.is_named else ""


@dataclass(frozen=True)
class Sound:
    """Samples that arrived, and their log-mel as the encoders get it; `Scores` and `Event`s follow.

    `log_mel` is computed when it is first asked for: a session that nobody draws does so for a whole hop at once.

    Attributes
    ----------
    start_s, end_s : where they are, in seconds from the start of the stream
    samples : float32 [shape=(columns * 1600,)], in -1 … 1
    power : their mean square
    source : name of what it was heard by; empty where only one is heard
    """

    start_s: float
    end_s: float
    samples: Float32
    power: float
    compute_log_mel: Callable[[], Float32] = field(repr=False)
    source: str = ""

    @property
    def log_mel(self) -> Float32:
        """Log-mel of the samples, float32 [shape=(columns * 10, 96)]."""
        return self.compute_log_mel()


@dataclass(frozen=True)
class Gap:
    """Sound that was lost.

    Attributes
    ----------
    start_s, length_s : where, in seconds from the start of the stream, and how much
    time : UTC, of its start; None where the stream has no date
    source : name of what lost it; empty where only one is heard
    """

    start_s: float
    length_s: float
    time: datetime | None = None
    source: str = ""

    @property
    def end_s(self) -> float:
        """Where the sound goes on."""
        return self.start_s + self.length_s


@dataclass(frozen=True)
class Idle:
    """Nothing came for a while."""


def source_of(record: Record) -> str:
    """Return the name of the source that a record is about; empty where only one is heard, or for none."""
    if isinstance(record, StreamInfo):
        return record.key
    return "" if isinstance(record, Idle) else record.source


Record = StreamInfo | Sound | Scores | Event | Gap | Notice | Idle

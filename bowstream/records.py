"""What a session yields: records, and the description of the stream that they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from bowstream._given import TEXT, check, check_if_any, one_of
from bowstream._types import Float32
from bowstream.audio.source import Notice, Source, check_format
from bowstream.errors import UsageError
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.model.log_mel import DB_PER_NEPER
from bowstream.model.onset import COLUMN_S
from bowstream.model.tags import Tag
from bowstream.scores import Scores
from bowstream.tagger import Tagger

# What log-mel (natural log of power) spans where the bundle has no level to scale it by.
LOG_MEL_RANGE = (-16.0, 2.0)


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
    tags: tuple[Tag, ...] = field(repr=False)
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

    @cached_property
    def key(self) -> str:
        """What the stream's records have as their `source`."""
        return self.source if self.is_named else ""


def check_fit(source: Source, tagger: Tagger, health: Health | None) -> None:
    """Raise `UsageError` for what is no source, no tagger or no health, or if the first two differ in format."""
    if not hasattr(source, "live"):
        raise UsageError(f"source must be an opened AudioFile, Microphone or Stream (got {type(source).__name__})")
    if not isinstance(tagger, Tagger):
        raise UsageError(f"tagger must be a Tagger (got {type(tagger).__name__})")
    check_if_any(one_of(Health), health=health)
    check_format(source, tagger.front_end.format)


def describe(
    source: Source, tagger: Tagger, confirm_hops: int, started_at: datetime | None, name: str = ""
) -> StreamInfo:
    """Return what outputs need to know about a stream; raise `UsageError` if that is not what it must be."""
    check_if_any(one_of(datetime), started_at=started_at)
    check(TEXT, name=name)
    front_end, bundle = tagger.front_end, tagger.bundle
    return StreamInfo(
        source=name or source.name,
        live=source.live,
        duration_s=source.duration_s,
        started_at=started_at,
        bundle=bundle.name,
        tags=tagger.tracked,
        sample_rate=front_end.sample_rate,
        hop_s=round(tagger.encoder.hop_columns * front_end.column_s, 6),
        window_s=front_end.window_length / front_end.sample_rate,
        confirm_hops=confirm_hops,
        frames_per_s=round(front_end.frames_per_column / front_end.column_s),
        n_mels=front_end.n_mels,
        span_hz=(front_end.fmin_hz, front_end.fmax_hz),
        log_mel_range=(0.0, 1.0) if bundle.level else LOG_MEL_RANGE,
        log_mel_db=bundle.level.top_db if bundle.level else DB_PER_NEPER,
        is_named=bool(name),
    )


@dataclass(frozen=True)
class Sound:
    """Samples that arrived, and their log-mel as the encoders get it; `Scores` and `Event`s follow.

    Live, it is 100 ms of sound, or where nobody looks at it (`Session.is_watched`) all up to the next score.

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
    samples: Float32 = field(repr=False)
    power: float
    compute_log_mel: Callable[[], Float32] = field(repr=False)
    source: str = ""

    @property
    def log_mel(self) -> Float32:
        """Log-mel of the samples, float32 [shape=(columns * 10, 96)]."""
        return self.compute_log_mel()

    def columns(self) -> Iterator[tuple[float, float, Float32]]:
        """Yield each 100 ms of it: start and end, in seconds from the start of the stream, and samples."""
        count = max(round((self.end_s - self.start_s) / COLUMN_S), 1)
        times_s = [self.start_s + COLUMN_S * place for place in range(count)] + [self.end_s]
        yield from zip(times_s, times_s[1:], self.samples.reshape(count, -1))


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

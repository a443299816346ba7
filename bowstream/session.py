"""The one loop: source → tagger → events. Live listening and replay are this, with different sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from bowstream._types import Float32
from bowstream.audio.clock import FixedClock, StreamClock
from bowstream.audio.source import Block, Notice, Source
from bowstream.errors import AudioError, BowstreamError
from bowstream.events import HOLD_S, Event, EventTracker
from bowstream.health.counters import Health
from bowstream.health.warnings import SILENCE_S, HealthMonitor
from bowstream.model.tags import Tag
from bowstream.scores import Scores
from bowstream.tagger import Tagger

# What log-mel (natural log of power) spans where the bundle has no level to scale it by.
LOG_MEL_RANGE = (-16.0, 2.0)


@dataclass(frozen=True)
class StreamInfo:
    """What outputs need to know about a stream; it stays the same from the first record to the last.

    Attributes
    ----------
    source : name of the microphone or file
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


@dataclass(frozen=True)
class Sound:
    """Samples that arrived, and their log-mel as the encoders get it; `Scores` and `Event`s follow.

    `log_mel` is computed when it is first asked for: a session that nobody draws does so for a whole hop at once.

    Attributes
    ----------
    start_s, end_s : where they are, in seconds from the start of the stream
    samples : float32 [shape=(columns * 1600,)], in -1 … 1
    """

    start_s: float
    end_s: float
    samples: Float32
    compute_log_mel: Callable[[], Float32] = field(repr=False)

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
    """

    start_s: float
    length_s: float
    time: datetime | None = None

    @property
    def end_s(self) -> float:
        """Where the sound goes on."""
        return self.start_s + self.length_s


@dataclass(frozen=True)
class Idle:
    """Nothing came for a while."""


Record = Sound | Scores | Event | Gap | Notice | Idle
Dated = TypeVar("Dated", Scores, Event, Gap, Notice)


class Session:
    """One stream, from its first sample to its last.

    Iterating yields what happens, in order: `Sound`, then the `Scores` and `Event`s that it completes; `Gap` where
    samples were lost, after the events that it cut short; `Notice` where something is wrong, or right again; `Idle`
    while a live source is quiet. When the stream ends, the last window is filled with silence and the open events
    are closed.

    Parameters
    ----------
    source : opened
    tagger : new, or reset
    hold_s : how long an event outlasts its sound
    confirm_hops : scores in a row that open an event
    silence_s : silence after which a live session warns
    health : counts what is lost, late, clipped or silent; a new one by default
    started_at : when a recording began, if that is known; live sound is dated by the system's clock

    Attributes
    ----------
    info : what outputs need to know about the stream
    windows, events : how many there were so far
    stopping : whether the session was asked to end
    """

    def __init__(
        self,
        source: Source,
        tagger: Tagger,
        hold_s: float = HOLD_S,
        confirm_hops: int = 1,
        silence_s: float = SILENCE_S,
        health: Health | None = None,
        started_at: datetime | None = None,
    ) -> None:
        self.source = source
        self.tagger = tagger
        self.info = describe(source, tagger, confirm_hops, started_at)
        self.tracker = EventTracker(self.info.tags, self.info.hop_s, hold_s, confirm_hops)
        self.health = health or Health(self.info.sample_rate)
        self._monitor = HealthMonitor(silence_s)
        # A recording that is played at its own pace has a length, and no date unless one is given.
        is_heard_now = source.live and source.duration_s is None
        self._arrivals = StreamClock() if is_heard_now and not started_at else None
        self._clock = FixedClock(started_at) if started_at else self._arrivals
        self.windows = 0
        self.events = 0
        self.stopping = False

    @property
    def position_s(self) -> float:
        """Seconds of the stream so far."""
        return self.tagger.position / self.info.sample_rate

    def stop(self) -> None:
        """Ask the loop to end after the present record; safe in a signal handler."""
        self.stopping = True

    def __iter__(self) -> Iterator[Record]:
        try:
            for block in self.source:
                if self.stopping:
                    break
                self.health.clipped, self.health.overflows = self.source.clipped, self.source.overflows
                if block is None:
                    yield Idle()
                elif isinstance(block, Notice):
                    yield from self._notice(block)
                else:
                    yield from self._hear(block)
        except AudioError as error:  # what came before is scored all the same
            yield from self._end()
            raise error
        except BowstreamError:
            yield from self._close(self.position_s)  # no event is left open by what went wrong
            raise
        yield from self._end()

    def _end(self) -> Iterator[Record]:
        """Complete the window that has been begun, and close what is open."""
        end_s = self.position_s
        if not self.stopping:
            for tags in self.tagger.flush():
                yield from self._score(tags)
        yield from self._close(end_s)

    def _hear(self, block: Block) -> Iterator[Record]:
        self.health.heard(block.samples, block.lost)
        if block.lost:
            start_s = self.position_s
            yield from self._close(start_s)
            self.tagger.gap(block.lost)
            yield self._dated(Gap(start_s, block.lost / self.info.sample_rate), start_s)
        if not len(block.samples):
            return
        start_s, started_s = self.position_s, time.monotonic()
        scored = self.tagger.push(block.samples)
        ready_s = time.monotonic()
        if self._arrivals and block.arrived_s is not None:
            self._arrivals.arrived(self.position_s, block.arrived_s)
        if scored:
            self.health.scored(ready_s - (block.arrived_s or started_s))
        self.health.worked(ready_s - started_s)
        yield Sound(start_s, self.position_s, block.samples, self.tagger.newest.log_mel)
        for tags in scored:
            yield from self._score(tags)
            if self.source.live:
                for notice in self._monitor.check(self.health.refresh()):
                    yield from self._notice(notice)

    def _notice(self, notice: Notice) -> Iterator[Record]:
        """Pass on what the source says; no event goes on while it is away."""
        if notice.kind == "away":
            yield from self._close(self.position_s)
        self.health.reconnects += notice.kind == "back"
        yield self._dated(replace(notice, at_s=self.position_s), self.position_s)

    def _score(self, tags: Scores) -> Iterator[Record]:
        self.windows += 1
        yield self._dated(tags, tags.end_s)
        for event in self.tracker.push(tags):
            self.events += event.offset_s is None
            yield self._dated_event(event)

    def _close(self, end_s: float) -> Iterator[Record]:
        yield from map(self._dated_event, self.tracker.close(end_s))

    def _dated_event(self, event: Event) -> Event:
        return self._dated(event, event.onset_s if event.offset_s is None else event.offset_s)

    def _dated(self, record: Dated, position_s: float) -> Dated:
        """Return a record with the time of a moment, if the stream has a date."""
        return replace(record, time=self._clock.time(position_s)) if self._clock else record


def describe(source: Source, tagger: Tagger, confirm_hops: int, started_at: datetime | None) -> StreamInfo:
    """Return what outputs need to know about a stream."""
    front_end, bundle = tagger.front_end, tagger.bundle
    return StreamInfo(
        source=source.name,
        live=source.live,
        duration_s=source.duration_s,
        started_at=started_at,
        bundle=bundle.name,
        tags=bundle.tags,
        sample_rate=front_end.sample_rate,
        hop_s=round(tagger.encoder.hop_columns * front_end.column_s, 6),
        window_s=front_end.window_length / front_end.sample_rate,
        confirm_hops=confirm_hops,
        frames_per_s=round(front_end.frames_per_column / front_end.column_s),
        n_mels=front_end.n_mels,
        span_hz=(front_end.fmin_hz, front_end.fmax_hz),
        log_mel_range=(0.0, 1.0) if bundle.level else LOG_MEL_RANGE,
    )

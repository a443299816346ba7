"""The one loop: source → tagger → events. Live listening and replay differ in the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np

from bowstream._ids import event_id
from bowstream._types import Float32
from bowstream.audio.clock import FixedClock, StreamClock, steady_s
from bowstream.audio.source import Block, Notice, Source, check_samples
from bowstream.errors import AudioError, BowstreamError
from bowstream.events import HOLD_S, Event, EventTracker
from bowstream.health.counters import Health
from bowstream.health.warnings import SILENCE_S, HealthMonitor
from bowstream.model.bundle import Bundle
from bowstream.model.highpass import HighPass
from bowstream.model.sliding import joined
from bowstream.records import Gap, Idle, Record, Sound, check_fit, describe
from bowstream.scores import Scores
from bowstream.tagger import Tagger

Dated = TypeVar("Dated", Gap, Notice)


class Session:
    """One stream, from its first sample to its last.

    Iterating yields, in order: `Sound`, then the `Scores` and `Event`s that it completes; `Gap` for lost sound, after
    the events that it cut short; `Notice` of a problem or of its end; `Idle` while a live source is quiet; `StreamInfo`
    after `retag`. At the end, the last window is filled with silence and open events are closed.

    Parameters
    ----------
    source : opened
    tagger : begins a new stream; not to be fed otherwise meanwhile
    hold_s : how long an event outlasts its sound
    confirm_hops : scores in a row that open an event
    silence_s : silence after which a live session warns
    health : counts what is lost, late, clipped or silent; a new one by default
    started_at : when a recording began, if that is known; live sound is dated by the system's clock
    name : of the source where it is one of several, for its records; see `Ears`
    highpass_hz : up to here all is filtered out before anything else; None for nothing

    Raises
    ------
    UsageError
        If an argument is not what it must be, or source and tagger differ in format; while iterating, if a block does.

    Attributes
    ----------
    info : what outputs need to know about the stream
    windows, events : how many there were so far
    stopping : whether the session was asked to end
    is_watched : returns whether `Sound` is used as it comes; if not, blocks wait for the next score: that is cheaper
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
        name: str = "",
        highpass_hz: float | None = None,
    ) -> None:
        check_fit(source, tagger, health)
        self.source, self.tagger = source, tagger
        front_end = tagger.front_end
        self._format = front_end.format
        self._highpass = HighPass(highpass_hz, front_end.sample_rate, front_end.column_length) if highpass_hz else None
        self.info = describe(source, tagger, confirm_hops, started_at, name)
        self.tracker = EventTracker(self.info.tags, self.info.hop_s, hold_s, confirm_hops)
        self.health = health or Health(self.info.sample_rate)
        self._monitor = HealthMonitor(silence_s)
        # A recording that is played at its own pace has a length, and no date unless one is given.
        is_heard_now = source.live and source.duration_s is None
        self._arrivals = StreamClock() if is_heard_now and not started_at else None
        self._clock = FixedClock(started_at) if started_at else self._arrivals
        self._ids: dict[str, str] = {}  # of the open events, by tag
        self.windows, self.events, self.stopping = 0, 0, False
        tagger.reset()
        self._next_bundle: Bundle | None = None
        self._waiting: list[Float32] = []  # blocks that are not worked on yet
        self._n_waiting, self._n_due = 0, tagger.samples_missing  # their samples, and how many make a score due
        self.is_watched: Callable[[], bool] = lambda: True

    def __repr__(self) -> str:
        return f"Session({self.info.source!r}, {self.windows} windows, {self.events} events)"

    @property
    def sessions(self) -> tuple[Session]:
        """The session alone, as `Ears` has several."""
        return (self,)

    @property
    def position_s(self) -> float:
        """Seconds of the stream so far."""
        return self.tagger.position / self.info.sample_rate

    def stop(self) -> None:
        """Ask the loop to end after the present record; safe in a signal handler."""
        self.stopping = True

    def retag(self, bundle: Bundle) -> None:
        """Go on with other tags of the same bundle, or corrected ones, from the next sound on."""
        self._next_bundle = bundle

    def __iter__(self) -> Iterator[Record]:
        try:
            for block in self.source:
                if self.stopping:
                    break
                yield from self.hear(block)
        except BowstreamError as error:
            yield from self.end(error)
            raise
        yield from self.end()

    def hear(self, block: Block | Notice | None) -> Iterator[Record]:
        """Yield what comes of the next that the source yields."""
        if self._next_bundle:
            yield from self._retag(self._next_bundle)
        if isinstance(block, Block):
            if block.lost:
                yield from self._lose(block.lost)
            if self._is_due(block):
                yield from self._work(block)
            return
        yield from self._work()
        yield from self._notice(block) if block else [Idle()]

    def end(self, error: BowstreamError | None = None) -> Iterator[Record]:
        """Complete the window that has been begun, and close what is open; `error` is what the source ended with.

        Nothing is completed if the session was stopped, or the microphone has gone.
        """
        yield from self._work()
        end_s = self.position_s
        if not self.stopping and (error is None or isinstance(error, AudioError)):
            for tags in self.tagger.flush():
                yield from self._score(tags)
        yield from self._close(end_s)

    def _retag(self, bundle: Bundle) -> Iterator[Record]:
        """Put other tags in force and tell of them; no event of one that is gone goes on."""
        yield from self._work()
        self._next_bundle = None
        self.tagger.retag(bundle)
        yield from map(self._dated_event, self.tracker.retag(self.tagger.tracked, self.position_s))
        self.info = replace(self.info, tags=self.tagger.tracked)
        yield self.info

    def _is_due(self, block: Block) -> bool:
        """Let a block wait; return whether what waits is to be worked on."""
        samples = block.samples
        check_samples(self.source, samples, self._format)
        if not len(samples):
            return False
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        if self._arrivals and block.arrived_s is not None:
            self._arrivals.arrived((self.tagger.position + self._n_waiting) / self.info.sample_rate, block.arrived_s)
        return self._n_waiting >= self._n_due or self.is_watched()

    def _work(self, newest: Block | None = None) -> Iterator[Record]:
        """Work on what waits; `newest` is the block that made it due, if one did."""
        self.health.clipped, self.health.overflows = self.source.clipped, self.source.overflows
        if not self._waiting:
            return
        started_s, start_s = steady_s(), self.position_s
        samples, self._waiting, self._n_waiting = joined(self._waiting), [], 0
        if self._highpass:
            samples = self._highpass.push(samples)
        self.health.heard(samples, 0)
        scored = self.tagger.push(samples)
        ready_s, self._n_due = steady_s(), self.tagger.samples_missing
        arrived_s = newest.arrived_s if newest else None
        if newest and self._arrivals:
            self.health.timed(self._arrivals, newest.delay_s)
        if scored:
            self.health.scored(ready_s - (started_s if arrived_s is None else arrived_s))
        self.health.worked(ready_s - started_s)
        yield Sound(start_s, self.position_s, samples, self.health.power, self.tagger.newest.log_mel, self.info.key)
        for tags in scored:
            yield from self._score(tags)
            if self.source.live:
                for notice in self._monitor.check(self.health.refresh()):
                    yield from self._notice(notice)

    def _lose(self, lost: int) -> Iterator[Record]:
        """Step over lost samples, after what waits."""
        yield from self._work()
        if self._highpass:
            self._highpass.reset()
        self.health.heard(np.empty(0, np.float32), lost)
        start_s = self.position_s
        yield from self._close(start_s)
        self.tagger.gap(lost)
        self._n_due = self.tagger.samples_missing
        if self._arrivals:
            self._arrivals.gap()
        yield self._dated(Gap(start_s, lost / self.info.sample_rate), start_s)

    def skip(self, samples: Float32) -> None:
        """Step over whole columns at the beginning, without a record of them: high-passes alone hear them."""
        self.tagger.columns.log_mel.skip(self._highpass.push(samples) if self._highpass else samples)
        self.tagger.position += len(samples)

    def _notice(self, notice: Notice) -> Iterator[Record]:
        """Pass on what the source says; no event goes on while it is away."""
        if notice.kind == "away":
            yield from self._close(self.position_s)
        self.health.reconnects += notice.kind == "back"
        yield self._dated(replace(notice, at_s=self.position_s), self.position_s)

    def _score(self, tags: Scores) -> Iterator[Record]:
        self.windows += 1
        yield tags.dated(self._time(tags.end_s), self.info.key)
        for event in self.tracker.push(tags):
            self.events += event.offset_s is None
            yield self._dated_event(event)

    def _close(self, end_s: float) -> Iterator[Record]:
        yield from map(self._dated_event, self.tracker.close(end_s))

    def _dated_event(self, event: Event) -> Event:
        """Return an event with its source and time, and with the id that it keeps from its beginning on."""
        if not self._clock:
            return replace(event, source=self.info.key)
        onset, offset_s = self._clock.time(event.onset_s), event.offset_s
        if offset_s is None:
            self._ids[event.tag] = event_id(onset, self.info.source, event.tag)
            return replace(event, time=onset, id=self._ids[event.tag], source=self.info.key)
        return replace(event, time=self._clock.time(offset_s), id=self._ids.pop(event.tag), source=self.info.key)

    def _dated(self, record: Dated, position_s: float) -> Dated:
        """Return a record with its source, and with the time of a moment if the stream has a date."""
        return replace(record, time=self._time(position_s), source=self.info.key)

    def _time(self, position_s: float) -> datetime | None:
        """Return when a moment of the stream was, if that has a date."""
        return self._clock.time(position_s) if self._clock else None

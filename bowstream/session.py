"""The one loop: source → tagger → events. Live listening and replay are this, with different sources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bowstream._types import Float32
from bowstream.audio.source import Heard, Notice, Source
from bowstream.errors import BowstreamError
from bowstream.events import HOLD_S, Event, EventTracker
from bowstream.health.counters import Health
from bowstream.health.warnings import SILENCE_S, Watch
from bowstream.model.bundle import Bundle
from bowstream.tagger import Tagger, Tags


@dataclass(frozen=True)
class Sound:
    """Samples that arrived, and their log-mel as the encoders see it; `Tags` and `Event`s follow.

    samples : float32 [shape=(columns * 1600,)]
    log_mel : float32 [shape=(columns * 10, 96)], 0 … 1 below the level's reference
    """

    samples: Float32
    log_mel: Float32


@dataclass(frozen=True)
class Gap:
    """Samples that were lost, from `start` on."""

    start: int
    length: int


@dataclass(frozen=True)
class Idle:
    """Nothing came for a while."""


Record = Sound | Tags | Event | Gap | Notice | Idle


class Session:
    """One stream, from its first sample to its last.

    Iterating yields what happens, in order: `Sound`, then the `Tags` and `Event`s that it completes; `Gap`
    where samples were lost, after the events that it cut short; `Notice` where something is wrong, or right
    again; `Idle` while a live source is quiet. When the stream ends, the last window is filled with silence and
    the open events are closed.

    Parameters
    ----------
    source : opened
    bundle : the model
    hop_columns : columns between two scores
    hold_s : how long an event outlasts its sound
    confirm_hops : scores in a row that it takes to raise a tag
    silence_s : silence after which a live session warns

    `windows` and `events` count those so far, `stopping` says whether it was asked to end.
    """

    def __init__(
        self,
        source: Source,
        bundle: Bundle,
        hop_columns: int = 10,
        hold_s: float = HOLD_S,
        confirm_hops: int = 1,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.source = source
        self.bundle = bundle
        self.tagger = Tagger(bundle, hop_columns * bundle.front_end.column_s)
        self.tracker = EventTracker(bundle.tags, bundle.front_end, hop_columns, hold_s, confirm_hops)
        self.health = Health(bundle.front_end.sample_rate)
        self.watch = Watch(silence_s)
        self.windows = 0
        self.events = 0
        self.stopping = False

    def stop(self) -> None:
        """Ask the loop to end after what it is at; safe in a signal handler."""
        self.stopping = True

    def __iter__(self) -> Iterator[Record]:
        try:
            for heard in self.source:
                if self.stopping:
                    break
                self.health.clipped, self.health.overflows = self.source.clipped, self.source.overflows
                if heard is None:
                    yield Idle()
                elif isinstance(heard, Notice):
                    yield from self._notice(heard)
                else:
                    yield from self._hear(heard)
        except BowstreamError:
            yield from self.tracker.close(self.tagger.position)  # no event is left open by what went wrong
            raise
        end = self.tagger.position
        if not self.stopping:
            for tags in self.tagger.flush():
                yield from self._score(tags)
        yield from self.tracker.close(end)

    def _hear(self, heard: Heard) -> Iterator[Record]:
        self.health.heard(heard.samples, heard.lost)
        if heard.lost:
            yield from self.tracker.close(self.tagger.position)
            yield Gap(self.tagger.position, heard.lost)
            self.tagger.gap(heard.lost)
        if not len(heard.samples):
            return
        started_s = time.monotonic()
        scored = self.tagger.push(heard.samples)
        ready_s = time.monotonic()
        if scored:
            self.health.scored(ready_s - (heard.arrived_s or started_s))
        self.health.worked(ready_s - started_s)
        yield Sound(heard.samples, self.tagger.newest_log_mel)
        for tags in scored:
            yield from self._score(tags)
            if self.source.live:
                yield from self.watch.look(self.health.report())

    def _notice(self, notice: Notice) -> Iterator[Record]:
        """Pass on what the source says; nothing can be said to go on while it is away."""
        if notice.kind == "away":
            yield from self.tracker.close(self.tagger.position)
        self.health.reconnects += notice.kind == "back"
        yield notice

    def _score(self, tags: Tags) -> Iterator[Record]:
        self.windows += 1
        yield tags
        for event in self.tracker.push(tags):
            self.events += event.offset is None
            yield event

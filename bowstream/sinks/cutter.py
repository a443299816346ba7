"""Cuts clips of events from the newest sound of a source, which is kept in memory."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

from bowstream._types import Float32
from bowstream.audio.clock import rfc3339
from bowstream.config.sinks import ClipsSettings
from bowstream.events import Event
from bowstream.merge import HELD_S
from bowstream.model.onset import SEARCH_S
from bowstream.output.values import record_fields
from bowstream.records import Gap, Record, Sound, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks.names import plain


@dataclass(frozen=True)
class Clip:
    """A clip to be written: the name of its file, its sound, its event and start as JSON, and its event."""

    name: str
    samples: Float32
    comment: str
    event: Event | None = None


@dataclass
class _Open:
    """A clip that is not complete yet, from sample `start` up to `end`, as far as is known."""

    event: Event
    began: datetime
    start: int
    end: int


class Cutter:
    """Keeps the newest sound of a source, and cuts a clip from it once all of the clip has been scored."""

    def __init__(self, settings: ClipsSettings, info: StreamInfo) -> None:
        self._settings = settings
        self._rate = info.sample_rate
        self._window = self._samples(info.window_s)
        # An event is reported this long after its clip begins.
        reported_s = settings.before_s + info.confirm_hops * info.hop_s
        # Two seconds until it is scored, and more until it is raised, and told if others may have heard it, too.
        held_s = HELD_S if info.is_named else 0.0
        self._kept = self._samples(max(settings.longest_s, reported_s) + 2.0 + SEARCH_S + held_s)
        # The newest sound that is scored is also in later windows, which may still score a private tag.
        self._doubtful = self._window - self._samples(info.hop_s) if settings.never else 0
        self._never = self._private_tags(info)
        self._sounds: deque[tuple[int, Float32]] = deque()  # each with the position of its first sample
        self._private: deque[int] = deque()  # ends of windows that scored a private tag
        self._open: list[_Open] = []
        self._scored = 0

    def push(self, record: Record) -> Iterator[Clip]:
        """Return the clips that are complete."""
        if isinstance(record, Sound):
            self._keep(record)
        elif isinstance(record, Event):
            self._follow(record)
        elif isinstance(record, Scores):
            self._score(record)
            yield from self._complete(self._scored - self._doubtful)
        elif isinstance(record, StreamInfo):
            self._never = self._private_tags(record)
        elif isinstance(record, Gap):
            yield from self.flush()
            self._sounds.clear()

    def flush(self) -> Iterator[Clip]:
        """Return the clips that are not complete, as far as they have been scored: no sound follows them."""
        for clip in self._open:
            clip.end = min(clip.end, self._scored)
        yield from self._complete(self._scored)

    def _private_tags(self, info: StreamInfo) -> list[tuple[int, float]]:
        """Return the places of the tags of which no sound is kept, and the scores from which they may sound."""
        return [(place, tag.off) for place, tag in enumerate(info.tags) if tag.name in self._settings.never]

    def _samples(self, seconds: float) -> int:
        """Return a time as a number of samples."""
        return round(seconds * self._rate)

    def _keep(self, sound: Sound) -> None:
        """Keep the sound that a clip may still need."""
        self._sounds.append((self._samples(sound.start_s), sound.samples))
        oldest_needed = self._samples(sound.end_s) - self._kept
        while self._sounds[0][0] + len(self._sounds[0][1]) < oldest_needed:
            self._sounds.popleft()
        while self._private and self._private[0] <= self._sounds[0][0]:
            self._private.popleft()

    def _follow(self, event: Event) -> None:
        settings = self._settings
        if event.tag in settings.never or (settings.only and event.tag not in settings.only):
            return
        if event.offset_s is None:
            start = max(0, self._samples(event.onset_s - settings.before_s))
            began = event.time or datetime.now(timezone.utc)
            self._open.append(_Open(event, began, start, start + self._samples(settings.longest_s)))
            return
        for clip in self._open:
            if (clip.event.tag, clip.event.onset_s) == (event.tag, event.onset_s):
                clip.event = event
                clip.end = min(clip.end, self._samples(event.offset_s + settings.after_s))

    def _score(self, tags: Scores) -> None:
        self._scored = self._samples(tags.end_s)
        if any(tags.array[index] >= off for index, off in self._never):
            self._private.append(self._scored)

    def _complete(self, scored: int) -> Iterator[Clip]:
        """Return the clips that end here or earlier, without those that overlap a private window."""
        done = [clip for clip in self._open if clip.end <= scored]
        self._open = [clip for clip in self._open if clip.end > scored]
        for clip in done:
            private = any(clip.start < end and end - self._window < clip.end for end in self._private)
            if not private and (cut := self._cut(clip)):
                yield cut

    def _cut(self, clip: _Open) -> Clip | None:
        """Return a clip from the sound that was kept; None if none was."""
        pieces = [
            samples[max(0, clip.start - first) : max(0, clip.end - first)]
            for first, samples in self._sounds
            if first < clip.end and first + len(samples) > clip.start
        ]
        if not pieces:
            return None
        start = max(clip.start, self._sounds[0][0])
        start_s = start / self._rate
        started = clip.began - timedelta(seconds=clip.event.onset_s - start_s)
        times = {"start_s": start_s, "start_unix_s": round(started.timestamp(), 4)}
        comment = json.dumps({**record_fields(clip.event), **times})
        name = file_name(started, clip.event.tag, clip.event.source)
        return Clip(name, np.concatenate(pieces), comment, clip.event)


def file_name(started: datetime, tag: str, source: str = "") -> str:
    """Return the name of a clip's file: sorts by time, names the source if there are several, is safe on any system."""
    stamp = rfc3339(started).replace("-", "").replace(":", "")
    return "_".join([stamp, *(plain(name, "-") for name in (source, tag) if name)]) + ".flac"

"""A session without sound: makes the records that a test asks for, for sinks that deliver for real."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
from signals import scored

from bowstream._ids import event_id
from bowstream.audio.source import Notice
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.model.tags import Tag
from bowstream.records import Gap, Sound, StreamInfo

RATE = 16_000
COLUMN = 1600
STARTED = datetime(2027, 1, 15, 8, tzinfo=timezone.utc)


def stream_info(*names, hop_s=1.0, confirm_hops=1, groups={}, **fields):  # noqa: B006, which nobody changes
    """What a session of a microphone would say of its stream, with these tags."""
    info = StreamInfo(
        source="stage",
        live=True,
        duration_s=None,
        started_at=None,
        bundle="stage",
        tags=tuple(Tag(name, 0.6, 0.4, groups.get(name, "")) for name in names),
        sample_rate=RATE,
        hop_s=hop_s,
        window_s=1.0,
        confirm_hops=confirm_hops,
        frames_per_s=100,
        n_mels=96,
        span_hz=(0.0, 8000.0),
        log_mel_range=(0.0, 1.0),
        log_mel_db=60.0,
    )
    return replace(info, **fields)


def at(position_s):
    """When a moment of the stage was: it began at 2027-01-15T08:00:00Z."""
    return STARTED + timedelta(seconds=position_s)


class Stage:
    """What sinks get of a session: its description, its health, and records."""

    def __init__(self, *names, hop_s=1.0, confirm_hops=1, source="", groups={}):  # noqa: B006
        named = {"source": source, "is_named": True} if source else {}
        tags = names or ("dog", "laughing", "rain")
        self.info = stream_info(*tags, hop_s=hop_s, confirm_hops=confirm_hops, groups=groups, **named)
        self.source = source
        self.health = Health(RATE)
        self.position_s = 0.0

    @property
    def stream(self):
        """What each sink is made with, beside its settings."""
        return self.info, self.health

    def sound(self, seconds):
        """Records of a second each: ten columns of sound whose samples count up, then their scores."""
        for _ in range(round(seconds)):
            yield from (self.piece() for _ in range(10))
            yield self.scores()

    def piece(self, columns=1):
        """Sound of so many columns, whose samples count up."""
        start_s, first = self.position_s, round(self.position_s * RATE)
        last = first + columns * COLUMN
        self.position_s = last / RATE
        samples = (np.arange(first, last) % 30_000 / 32768).astype(np.float32)
        power = float(np.mean(np.square(samples)))
        return Sound(
            start_s, self.position_s, samples, power, lambda: np.zeros((10 * columns, 96), np.float32), self.source
        )

    def scores(self, **named):
        names = tuple(tag.name for tag in self.info.tags)
        window = scored(self.position_s, [named.get(name, 0.0) for name in names], names)
        return window.dated(at(self.position_s), self.source)

    def level_dbfs(self, start_s, end_s):
        """Level of the sound of a part of the stage."""
        samples = np.arange(round(start_s * RATE), round(end_s * RATE)) % 30_000 / 32768
        return 10.0 * np.log10(np.mean(samples**2))

    def begin(self, tag, onset_s):
        return Event(tag, onset_s, None, 0.8, 0.8, at(onset_s), self.id(tag, onset_s), self.source)

    def end(self, tag, onset_s, offset_s):
        return Event(tag, onset_s, offset_s, 0.9, 0.7, at(offset_s), self.id(tag, onset_s), self.source)

    def id(self, tag, onset_s):
        return event_id(at(onset_s), self.info.source, tag)

    def notice(self, kind, text):
        return Notice(kind, text, self.position_s, at(self.position_s), self.source)

    def gap(self, seconds):
        gap = Gap(self.position_s, seconds, at(self.position_s), self.source)
        self.position_s = gap.end_s
        yield gap

    def play(self, sink, *parts):
        """Write records, and what `sound` and `gap` make, to a sink."""
        for part in parts:
            for record in part if isinstance(part, Iterator) else [part]:
                sink.write(record)


def until(condition, wait_s=60.0, every_s=0.005):
    """Wait until a condition holds, which is looked at so often; fail when it does not for so long."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every_s)


def quick(sink):
    """Make a sink try again at once."""
    sink.first_wait_s = sink.longest_wait_s = 0.01
    return sink

"""A session without sound: speaks the records that a test asks for, to sinks that deliver for real."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from signals import scored

from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.model.log_mel import FrontEnd
from bowstream.model.tags import Tag
from bowstream.session import Gap, Sound
from bowstream.sinks.dated import Dated

RATE = 16_000
COLUMN = 1600
START_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z


class Stage:
    """The part of a session that sinks look at; `now` is the wall clock, and sound is heard the moment it is made."""

    def __init__(self, *names, hop_columns=10, confirm_hops=1):
        self.bundle = SimpleNamespace(
            front_end=FrontEnd(), tags=tuple(Tag(name, 0.6, 0.4) for name in names or ("dog", "laughing", "rain"))
        )
        self.health = Health(RATE)
        self.source = SimpleNamespace(live=True)
        self.tracker = SimpleNamespace(confirm_hops=confirm_hops)
        self.tagger = SimpleNamespace(position=0, coder=SimpleNamespace(hop_columns=hop_columns))
        self.dated = Dated(self, lambda: START_S + self.tagger.position / RATE)

    def sound(self, seconds):
        """Records of a second each: ten columns of sound whose samples count up, then their scores."""
        for _ in range(round(seconds)):
            yield from (self.piece() for _ in range(10))
            yield self.scores()

    def piece(self, columns=1):
        """Sound of so many columns, whose samples count up."""
        first = self.tagger.position
        self.tagger.position += columns * COLUMN
        ramp = np.arange(first, self.tagger.position) % 30_000
        return Sound((ramp / 32768).astype(np.float32), np.zeros((10 * columns, 96), np.float32))

    def scores(self, **named):
        names = tuple(tag.name for tag in self.bundle.tags)
        return scored(self.tagger.position / RATE, [named.get(name, 0.0) for name in names], names)

    def begin(self, tag, onset_s):
        return Event(tag, round(onset_s * RATE), None, 0.8, 0.8)

    def end(self, tag, onset_s, offset_s):
        return Event(tag, round(onset_s * RATE), round(offset_s * RATE), 0.9, 0.7)

    def gap(self, seconds):
        start, self.tagger.position = self.tagger.position, self.tagger.position + round(seconds * RATE)
        yield Gap(start, round(seconds * RATE))

    def play(self, sink, *parts):
        """Write records, and what `sound` and `gap` make, to a sink, as `Sinks` does."""
        for part in parts:
            for record in part if isinstance(part, Iterator) else [part]:
                self.dated.hear(record)
                sink.write(record)


def until(condition, wait_s=10.0):
    """Wait until a condition holds; fail when it does not for so long."""
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def quick(sink):
    """Make a sink try again at once."""
    sink.first_wait_s = sink.longest_wait_s = 0.01
    return sink

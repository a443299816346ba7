"""Teaching on the dashboard: the last seconds, and a name that is typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bowstream._types import Float32
from bowstream.errors import AudioError
from bowstream.learn.newest import Newest
from bowstream.learn.sound import Cut, cut

# Seconds that are looked at for an example.
LOOKED_AT_S = 5.0
COLUMN_S = 0.1
ENTER, ERASE, ESCAPE = "\r\n", "\b\x7f", "\x1b"
LONGEST_NAME = 60


@dataclass(frozen=True)
class Pupil:
    """What learns beside a session.

    newest : the newest sound of each source, by its name
    teach : takes a name and an example of its sound
    judge : takes an event's id and a verdict on it
    """

    newest: Mapping[str, Newest]
    teach: Callable[[str, Cut], None]
    judge: Callable[[str, str | None], None]


@dataclass(frozen=True)
class Lesson:
    """An example that was taken from the last seconds, and its name so far.

    Attributes
    ----------
    example : the sound
    picture : float32 [shape=(columns, M)], log-mel of what was looked at, 100 ms per column, 0 … 1
    first, last : the columns that the example has of it
    name : as it is typed
    """

    example: Cut
    picture: Float32
    first: int
    last: int
    name: str = ""

    @classmethod
    def begin(cls, newest: Newest, picture: Float32) -> Lesson:
        """Take an example from the last seconds; `picture` is of the newest sound.

        Raises
        ------
        AudioError
            If there is nothing in them that could be learned from.
        """
        sound = newest.last(LOOKED_AT_S)
        if not len(sound):
            raise AudioError("nothing has been heard yet")
        example = cut(f"the last {LOOKED_AT_S:g} s", sound, newest.sample_rate)
        columns = round(len(sound) / newest.sample_rate / COLUMN_S)
        first = round(example.start_s / COLUMN_S)
        last = first + round((example.last_s - example.first_s) / COLUMN_S)
        return cls(example, picture[-columns:], first, last)

    def typed(self, key: str) -> Lesson:
        """Return it with a key that was typed."""
        if key in ERASE:
            return replace(self, name=self.name[:-1])
        return replace(self, name=(self.name + key)[:LONGEST_NAME]) if key.isprintable() else self

    @property
    def shown(self) -> Float32:
        """The picture, with what is not taken in the shade."""
        inside = np.arange(len(self.picture))
        shade = np.where((inside >= self.first) & (inside < self.last), 1.0, 0.3)
        return (self.picture * shade[:, np.newaxis]).astype(np.float32)

    def marked(self, width: int) -> str:
        """Return a line over what is taken, as wide as the picture is drawn: its newest column is the last."""
        before = max(0, width - len(self.picture) + self.first)
        after = min(width, len(self.picture) - self.last)
        return " " * before + "━" * max(0, width - before - after) + " " * after

    @property
    def prompt(self) -> str:
        """The line that asks for the name."""
        return f"teach this as: {self.name}▁   (enter: teach it, esc: leave it)"

    @property
    def heading(self) -> str:
        """What the picture shows."""
        return f"taken: {(self.last - self.first) * COLUMN_S:.1f} s of the last {len(self.picture) * COLUMN_S:.1f} s"

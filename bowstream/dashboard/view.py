"""What the dashboard shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bowstream._types import Float32
from bowstream.health.counters import HealthReport


@dataclass(frozen=True)
class TagRow:
    """A tag: its thresholds, its present score, and a score a second, oldest first.

    raised_s : how long its event has lasted; None while there is none
    held : hops in a row that have reached `on`, and how many it takes; None unless it is held back
    """

    name: str
    on: float
    off: float
    score: float
    history: Sequence[float]
    raised_s: float | None = None
    held: tuple[int, int] | None = None


@dataclass(frozen=True)
class Happening:
    """An event, a mark, a gap or a warning on the timeline.

    kind : "event", "mark", "gap" or "notice"
    clock : wall-clock time at which it began, as it is to be shown
    end_s : None while an event is open
    """

    kind: str
    name: str
    clock: str
    start_s: float
    end_s: float | None
    peak: float = 0.0


@dataclass(frozen=True)
class View:
    """All that the dashboard shows.

    position_s, duration_s : where in the sound we are, and how long it is, if that is known
    level_dbfs, peak_dbfs : RMS level of the newest sound; highest sample of the last seconds
    clipping : whether samples were at full scale in the last seconds
    picture : float32 [shape=(columns, M)], log-mel of 100 ms a column, 0 … 1
    span_hz : lowest and highest frequency of the picture
    tags : the tags to show, in their order
    leader, families : the leading tag, and how much each family's codes add to its score
    happenings : newest first
    away : whether the microphone is; frozen : whether the picture stands still; keys : whether to name the keys
    notice : a line to be shown for now
    """

    source: str
    clock: str
    position_s: float
    duration_s: float | None
    hop_s: float
    level_dbfs: float
    peak_dbfs: float
    clipping: bool
    picture: Float32
    span_hz: tuple[float, float]
    tags: Sequence[TagRow]
    leader: str
    families: Mapping[str, float]
    happenings: Sequence[Happening]
    health: HealthReport
    away: bool = False
    frozen: bool = False
    keys: bool = False
    notice: str = ""

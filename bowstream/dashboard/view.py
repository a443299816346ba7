"""What the dashboard shows, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bowstream._types import Float32
from bowstream.dashboard.lesson import Lesson
from bowstream.health.report import HealthReport


@dataclass(frozen=True)
class TagRow:
    """A tag: its thresholds, its present score, and one score per second, oldest first.

    Attributes
    ----------
    raised_s : how long its event has lasted; None while there is no event
    held : hops in a row that have reached `on`, and how many it takes; None unless it waits for confirmation
    """

    name: str
    on: float
    off: float
    score: float
    history: Sequence[float]
    raised_s: float | None = None
    held: tuple[int, int] | None = None


@dataclass(frozen=True)
class TimelineEntry:
    """An event, a mark, a gap or a warning on the timeline.

    Attributes
    ----------
    kind : "event", "mark", "gap" or "notice"
    clock : time of day at which it began
    end_s : None while an event is open
    wrong : whether the user marked the event as wrong
    """

    kind: str
    name: str
    clock: str
    start_s: float
    end_s: float | None
    peak: float = 0.0
    wrong: bool = False


@dataclass(frozen=True)
class View:
    """All that the dashboard shows.

    Attributes
    ----------
    position_s, duration_s : place in the sound, and its length; None if that is not known
    level_dbfs, peak_dbfs : RMS level of the newest sound; highest sample of the last seconds
    clipping : whether samples were at full scale in the last seconds
    picture : float32 [shape=(columns, M)], log-mel, 100 ms per column, 0 … 1
    span_hz : lowest and highest frequency of the picture
    tags : the tags to show, in their order
    leader, families : the leading tag, and how much each family's codes add to its score
    timeline : newest first
    away : whether the microphone is away; frozen : whether the picture stands still; keys : whether to name the keys
    notice : a line to be shown for now
    lesson : what is being taught
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
    timeline: Sequence[TimelineEntry]
    health: HealthReport
    away: bool = False
    frozen: bool = False
    keys: bool = False
    notice: str = ""
    lesson: Lesson | None = None

"""All sources at a glance: a line for each, and what happened at any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from rich.segment import Segment
from rich.style import Style

from bowstream.dashboard.glyphs import BAD, BOLD, DIM, GOOD, PLAIN, WARN, Line, bar, fit
from bowstream.dashboard.layout import Dashboard
from bowstream.dashboard.panes import METER_DBFS, timeline, title
from bowstream.dashboard.view import TimelineEntry, View

KEYS = "1 … 9 a source, 0 all · tab next · space freeze · m mark · ? keys · q quit"
LEVEL_CELLS = 16


def render_all(views: Sequence[View]) -> Dashboard:
    """Return the dashboard of several sources; the first view says whether it is frozen, and what is to be noted."""
    return Dashboard(together(views), partial(lay_out_all, views))


def together(views: Sequence[View]) -> View:
    """Return one view with the timelines of all, each entry by its source, newest first; now is its time 0."""
    entries = [moved(entry, view) for view in views for entry in view.timeline]
    return replace(
        views[0],
        source=f"{len(views)} sources",
        position_s=0.0,
        timeline=tuple(sorted(entries, key=lambda entry: -entry.start_s)),
        away=False,
    )


def moved(entry: TimelineEntry, view: View) -> TimelineEntry:
    """Return an entry with its source's name, and times that count from now."""
    end_s = None if entry.end_s is None else entry.end_s - view.position_s
    name = f"{view.source}: {entry.name}"
    return replace(entry, name=name, start_s=entry.start_s - view.position_s, end_s=end_s)


def lay_out_all(views: Sequence[View], view: View, width: int, height: int, colours: bool) -> list[Line]:
    """Return a line for each source and, below, the timeline of all."""
    rows = [source_row(number, each, width) for number, each in enumerate(views, 1)][: max(0, height - 4)]
    lines: list[Line] = [title(replace(view, position_s=max(each.position_s for each in views)), width), [], *rows, []]
    foot: list[Line] = []
    if view.notice or view.keys:
        foot = [[Segment(fit(view.notice, width), WARN) if view.notice else Segment(fit(KEYS, width), DIM)]]
    room = height - len(lines) - len(foot)
    events = timeline(view, width, room)[: max(0, room)]
    return [*lines, *events, *([[]] * (room - len(events))), *foot][:height]


def source_row(number: int, view: View, width: int) -> Line:
    """Return a source: `1 kitchen  ━━━╾──  −43.1 dBFS  ● dog 0.91`; why it is not well, if it is not."""
    name = min(24, max(8, int(width * 0.2)))
    level = f" {view.level_dbfs:6.1f} dBFS  ".replace("-", "−")
    share = 1.0 - max(view.level_dbfs, METER_DBFS) / METER_DBFS
    line = [
        Segment(f"{number} ", DIM),
        Segment(fit(view.source, name) + " ", BOLD),
        *bar(share, LEVEL_CELLS, BAD if view.clipping else PLAIN),
        Segment(level, DIM),
    ]
    if view.away:
        return [*line, Segment(" AWAY ", BAD + Style(reverse=True))]
    raised = [tag for tag in view.tags if tag.raised_s is not None]
    best = raised or list(view.tags[:1])
    text = ", ".join(f"{tag.name} {tag.score:.2f}" for tag in best)
    line.append(Segment(f"{'●' if raised else ' '} {text}", GOOD if raised else DIM))
    if view.health.lost_s:
        line.append(Segment(f"  lost {view.health.lost_s:.1f} s", WARN))
    return line

"""Answers as pictures for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bowstream._text import printable
from bowstream.history.intervals import Interval
from bowstream.history.past import DayTotal, HeatMap, Loss, PastEvent, TagTotal
from bowstream.history.spans import Span, local

# From few to many events: legible in colour and without. What is not asked about, or still to come, is blank.
SHADES = ("░░", "▒▒", "▓▓", "██")
COLOURS = ("#5b7bd5", "#2a9d8f", "#e9c46a", "#e76f51")
NOTHING, NOBODY, OUTSIDE = " ·", " –", "  "
VERDICTS = {"right": "✓", "wrong": "✗", None: ""}
BAR = 16  # fits 80 columns, with what is beside it
# Absences that are shown: so long, and so many.
LONG_MS, ABSENCES = 60_000, 3


def events_table(events: Sequence[PastEvent], with_day: bool) -> RenderableType:
    """Return events as a table, each with its id, by which it can be judged, and its source if there are several."""
    table, with_source = plain_table(), len({event.source for event in events}) > 1
    if with_source:
        table.add_column("source")
    for heading, justify in (("began", "left"), ("lasted", "right"), ("tag", "left"), ("peak", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("level", justify="right")
    table.add_column("clip")
    table.add_column("")
    table.add_column("id", no_wrap=True)
    for event in events:
        began = event.onset.strftime("%Y-%m-%d %H:%M:%S" if with_day else "%H:%M:%S")
        lasted = duration(event.duration_s) + (" …" if event.is_open else "")
        level = "" if event.level_dbfs is None else f"{event.level_dbfs:.0f} dBFS"
        clip = printable(event.clip.name) if event.clip else ""
        style = "dim" if event.verdict == "wrong" else ""
        row = (began, lasted, printable(event.tag), f"{event.peak:.2f}", level, clip, VERDICTS[event.verdict], event.id)
        table.add_row(*([printable(event.source)] if with_source else []), *row, style=style)
    return table


def hours_map(map_: HeatMap) -> RenderableType:
    """Return a week, or any number of days, as a map of hours: the more events, the brighter."""
    highest = int(map_.counts.max(initial=0))
    lines = [Text("            " + "".join(f"{hour:<4}" for hour in range(0, 24, 2)), style="dim")]
    rows = zip(map_.counts.tolist(), map_.listened_s.tolist(), map_.within.tolist())
    for day, (counts, listened_s, within) in zip(map_.days, rows):
        line = Text(f"{day:%a %m-%d}  ", style="")
        for count, ears_s, is_within in zip(counts, listened_s, within):
            line.append_text(square(count, ears_s, highest) if is_within or count else Text(OUTSIDE))
        lines.append(line.append(f"  {sum(counts)}", style="bold"))
    legend = Text("            ")
    for index, (low, high) in enumerate(steps(highest)):
        legend.append(SHADES[index], COLOURS[index]).append(f" {low}" + (f"–{high}" if high > low else "") + "  ")
    legend.append(f"{NOTHING.strip()} nothing  {NOBODY.strip()} not listening", "dim")
    return Group(*lines, Text(""), legend)


def square(count: int, listened_s: float, highest: int) -> Text:
    """Return an hour of the map."""
    if not count:
        return Text(NOTHING if listened_s else NOBODY, style="dim")
    level = next(index for index, (_, high) in enumerate(steps(highest)) if count <= high)
    return Text(SHADES[level], style=COLOURS[level])


def steps(highest: int) -> list[tuple[int, int]]:
    """Return the numbers of events that each shade stands for: from 1 up, each step larger than the last."""
    edges = np.unique(np.ceil(highest * np.array([0.0, 0.07, 0.25, 0.55, 1.0]))).astype(int).tolist()
    return [(low + 1, high) for low, high in pairwise(edges)]


def days_table(totals: Sequence[DayTotal]) -> RenderableType:
    """Return days as bars."""
    table = plain_table()
    for heading in ("day", "events", "", "they lasted", "listened"):
        table.add_column(heading, justify="right" if heading in ("events", "they lasted", "listened") else "left")
    highest = max((total.events for total in totals), default=0)
    for total in totals:
        bar = Text("█" * round(BAR * total.events / max(highest, 1)), style=COLOURS[1])
        lengths = duration(total.total_s), duration(total.listened_s)
        table.add_row(f"{total.day:%a %Y-%m-%d}", str(total.events), bar, *lengths)
    return table


def tags_table(totals: Sequence[TagTotal]) -> RenderableType:
    """Return what was heard most often."""
    table = plain_table()
    for heading in ("tag", "events", "", "they lasted", "peak", "last"):
        table.add_column(heading, justify="right" if heading in ("events", "they lasted", "peak") else "left")
    highest = max((total.events for total in totals), default=0)
    for total in totals:
        bar = Text("█" * max(1, round(BAR * total.events / max(highest, 1))), style=COLOURS[1])
        last = local(total.last_ms).strftime("%Y-%m-%d %H:%M")
        table.add_row(printable(total.tag), str(total.events), bar, duration(total.total_s), f"{total.peak:.2f}", last)
    return table


def headline(span: Span, listened_s: float, n_events: int) -> Text:
    """Return what the answer is about, and for how much of that the listener ran."""
    share = f"{100.0 * listened_s / max(span.length_s, 1e-9):.0f} %"
    text = Text(f"{span.start:%Y-%m-%d %H:%M} – {span.end:%Y-%m-%d %H:%M}", style="bold")
    return text.append(
        f"   {n_events} event{'s' * (n_events != 1)}, listened for {duration(listened_s)} ({share})", style="not bold"
    )


def silence_line(silences: Sequence[Interval]) -> Text:
    """Return the longest silences, in one line."""
    text = ", ".join(f"{duration(one.length_ms / 1000.0)} ({times(one)})" for one in silences)
    return Text("longest silences: ", style="bold").append(text or "none", style="not bold")


def absences(deaf: Sequence[Interval], gaps: Sequence[Loss]) -> Iterator[Text]:
    """Yield when it did not listen for long, and how much was lost in short gaps."""
    long = sorted((one for one in deaf if one.length_ms >= LONG_MS), key=lambda one: -one.length_ms)
    if long:
        shown = list(map(times, long[:ABSENCES]))
        more = f" and {len(long) - ABSENCES} more" if len(long) > ABSENCES else ""
        total = duration(sum(one.length_ms for one in long) / 1000.0)
        yield Text("not listening: ", style="bold").append(f"{total} ({', '.join(shown)}{more})", "not bold")
    if gaps:
        lost = f"{duration(sum(gap.duration_ms for gap in gaps) / 1000.0)} in {len(gaps)} gap{'s' * (len(gaps) > 1)}"
        yield Text("sound lost: ", style="bold").append(lost, "not bold")


def times(one: Interval) -> str:
    """Return when something was, with the day."""
    start, end = local(one.start_ms), local(one.end_ms)
    return f"{start:%a %H:%M} – {end:%H:%M}" if start.date() == end.date() else f"{start:%a %H:%M} – {end:%a %H:%M}"


def duration(seconds: float) -> str:
    """Return a time as people say it, to two units: `4.2 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, next_size, next_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return f"{whole} s"


def plain_table() -> Table:
    """Return a table without lines."""
    return Table(box=None, pad_edge=False, header_style="bold")

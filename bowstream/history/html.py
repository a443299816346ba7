"""A report as one HTML file that needs nothing else: no script, no outside address; pictures and sound are inside."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream import __version__
from bowstream._text import printable
from bowstream.errors import AudioError
from bowstream.history.past import HeatMap, PastEvent
from bowstream.history.picture import spectrogram_png
from bowstream.history.report import Report
from bowstream.history.spans import local, midnight
from bowstream.history.svg import escape, heat_map, loudness
from bowstream.history.view import LONG_MS, duration, times

POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
# Tags are compared with the week before when there are at least so many events of them, here or there.
FEW = 3
# Rows of a map of days; beyond, its rows are months.
MOST_DAYS = 62
# Lines of a list.
LONGEST_LIST = 12


def page(report: Report, largest_bytes: float, each_tag: bool = False) -> str:
    """Return a report as HTML, with the sound of its events as far as that takes no more than `largest_bytes`.

    `each_tag` is whether each of the most frequent tags gets a map of days and hours.
    """
    style = (Path(__file__).parent / "report.css").read_text("utf-8")
    title = escape(f"What was heard, {title_of(report)}")
    maps = tag_maps(report) if each_tag else ()
    sections = head(report), hours(report), maps, tags(report), sounds(report, largest_bytes), losses(report)
    body = "\n".join(chain.from_iterable(sections))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def title_of(report: Report) -> str:
    """Return the day, or the first and last one, and the source if it is about one."""
    days, end, by = report.span.days, report.span.end, f", by {printable(report.source)}" if report.source else ""
    named = f"{days[-1]:%A, %d %B %Y}" if len(days) == 1 else f"{days[0]:%d %B} – {days[-1]:%d %B %Y}"
    return named + ("" if end == midnight(end.date()) else f", up to {end:%H:%M}") + by


def summary(report: Report) -> str:
    """Return a report in a few lines of text."""
    lines = [f"{total.events:6d}  {printable(total.tag)}" for total in report.totals[:LONGEST_LIST]]
    listened = f"{report.n_events} events; listened for {duration(report.listened_s)}."
    return "\n".join([listened, "", *lines, "", "More, with its sound, is in the attachment."]) + "\n"


def head(report: Report) -> Iterator[str]:
    """Yield the numbers at the top."""
    silence = duration(report.silences[0].length_ms / 1000.0) if report.silences else "–"
    numbers = {
        "events": str(report.n_events),
        "different sounds": str(len(report.totals)),
        "listened": duration(report.listened_s),
        "longest silence": silence,
    }
    yield '<div class="numbers">'
    yield from (f'<div><b>{escape(value)}</b><span class="soft">{name}</span></div>' for name, value in numbers.items())
    yield "</div>"


def hours(report: Report) -> Iterator[str]:
    """Yield the maps of hours, and the loudness."""
    yield "<h2>When</h2>"
    if report.totals:
        names = [total.tag for total in report.totals[: len(report.hours)]]
        ears, within = (on_any_day(each, len(names)) for each in (report.map.listened_s, report.map.within))
        yield heat_map(names, report.hours, ears, within, "Events by tag and hour")
    if len(report.map.days) > 1:
        yield "<h2>Day by day</h2>"
        yield map_of_days(report.map, "Events by day and hour")
    yield (
        '<p class="key"><span class="k1">few</span><span class="k5">many events</span><span class="k0">nothing</span>'
        '<span class="kd">not listening</span></p>'
    )
    yield "<h2>How loud</h2>"
    yield loudness(report.span, report.loudness, report.deaf)


def on_any_day(hours: NDArray[Any], rows: int) -> NDArray[np.bool_]:
    """Return which hours are not 0 on some day of (days, 24), for each of so many rows."""
    return np.broadcast_to(np.any(hours, axis=0), (rows, 24))


def tag_maps(report: Report) -> Iterator[str]:
    """Yield a map of days and hours for each of the most frequent tags."""
    for total, map_ in zip(report.totals, report.maps):
        yield f"<h2>{escape(total.tag)}</h2>"
        yield map_of_days(map_, f"{total.tag}: events by day and hour")


def map_of_days(map_: HeatMap, title: str) -> str:
    """Return a map with a row per day, or per month where there are very many days."""
    form = "%a %d %b" if len(map_.days) <= MOST_DAYS else "%Y-%m"
    rows: dict[str, list[int]] = {}
    for place, day in enumerate(map_.days):
        rows.setdefault(f"{day:{form}}", []).append(place)
    counts = np.array([map_.counts[places].sum(axis=0) for places in rows.values()], np.int64)
    ears, within = (
        np.array([each[places].any(axis=0) for places in rows.values()], np.bool_)
        for each in (map_.listened_s, map_.within)
    )
    return heat_map(list(rows), counts, ears, within, title)


def tags(report: Report) -> Iterator[str]:
    """Yield the table of tags."""
    yield "<h2>What</h2>"
    if not report.totals:
        yield '<p class="soft">Nothing was heard.</p>'
        return
    right = "".join(f'<th class="right">{heading}' for heading in ("events", "in all", "peak"))
    compare = "compared with the week before" if report.usual else ""
    yield f'<div class="scroll"><table><thead><tr><th>sound{right}<th>{compare}</tr></thead>'
    for total in report.totals:
        change = compared(total.events, report.usual.get(total.tag, 0.0) * report.days_listened) if report.usual else ""
        numbers = (str(total.events), duration(total.total_s), f"{total.peak:.2f}")
        cells = "".join(f'<td class="right">{number}' for number in numbers)
        yield f"<tr><td>{escape(total.tag)}{cells}<td>{change}</tr>"
    yield "</table></div>"


def compared(events: int, usual: float) -> str:
    """Return how a number of events differs from what the week before lets expect."""
    if max(events, usual) < FEW:
        return '<span class="less">too few to tell</span>'
    if usual < 0.5:
        return '<span class="more">new</span>'
    if 0.75 <= events / usual <= 1.33:
        return f'<span class="less">as usual ({usual:.0f})</span>'
    if events > usual:
        return f'<span class="more">▲ {events / usual:.1f} times as many ({usual:.0f})</span>'
    return f'<span class="less">▼ {100.0 * events / usual:.0f} % of the usual {usual:.0f}</span>'


def sounds(report: Report, largest_bytes: float) -> Iterator[str]:
    """Yield the surest events, with picture and player where there is a clip and room for it."""
    if not report.best:
        return
    yield '<h2>Listen</h2>\n<div class="events">'
    room = largest_bytes
    for event in report.best:
        clip = content(event)
        fits = clip is not None and len(clip) * 4 / 3 <= room
        room -= len(clip) * 4 / 3 if clip is not None and fits else 0.0
        yield figure(event, clip if fits else None, "" if clip is None or fits else "too large for this report")
    yield "</div>"


def figure(event: PastEvent, clip: bytes | None, why: str) -> str:
    """Return an event with its picture and player."""
    level = "" if event.level_dbfs is None else f", {event.level_dbfs:.0f} dBFS"
    facts = f"{event.onset:%a %H:%M:%S}, {duration(event.duration_s)}, peak {event.peak:.2f}{level}"
    caption = f"<figcaption><b>{escape(event.tag)}</b><br>{facts}</figcaption>"
    if clip is None or event.clip is None:
        return f'<figure><div class="blank soft">{why or "no clip"}</div>{caption}</figure>'
    try:
        picture = data_uri("image/png", spectrogram_png(event.clip))
    except AudioError:
        return f'<figure><div class="blank soft">its clip is damaged</div>{caption}</figure>'
    alt = escape(f"Spectrogram of {event.tag}")
    player = f'<audio controls preload="metadata" src="{data_uri("audio/flac", clip)}"></audio>'
    return f'<figure><img alt="{alt}" src="{picture}">{caption}{player}</figure>'


def content(event: PastEvent) -> bytes | None:
    """Return an event's clip; None if none was kept, or it has been deleted since, or is not ours to read."""
    try:
        return event.clip.read_bytes() if event.clip else None
    except (FileNotFoundError, PermissionError):
        return None


def losses(report: Report) -> Iterator[str]:
    """Yield when it did not listen, and what went wrong."""
    yield "<h2>Not heard</h2>"
    lines = [
        f"not listening {times(one)} ({duration(one.length_ms / 1000.0)})"
        for one in report.deaf
        if one.length_ms >= LONG_MS
    ]
    if report.gaps:
        lost = duration(sum(gap.duration_ms for gap in report.gaps) / 1000.0)
        lines.append(f"{lost} of sound lost in {len(report.gaps)} gap{'s' * (len(report.gaps) > 1)}")
    lines += [f"{local(run.started_ms):%a %H:%M} the listener started on {run.source}" for run in report.runs]
    lines += [f"{local(notice.time_ms):%a %H:%M} {notice.text}" for notice in report.notices]
    if len(lines) > LONGEST_LIST:
        lines = [*lines[:LONGEST_LIST], f"and {len(lines) - LONGEST_LIST} more"]
    yield (
        "<ul>" + "".join(f"<li>{escape(line)}" for line in lines) + "</ul>" if lines else "<p>Nothing was missed.</p>"
    )
    yield f'<p class="soft">bowstream {__version__}</p>'


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

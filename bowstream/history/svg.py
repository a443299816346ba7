"""Plots as SVG that stands in a page: no script, no outside address, colours from the page's style sheet."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bowstream._text import printable
from bowstream.history.intervals import Interval
from bowstream.history.listening import hours_ms
from bowstream.history.past import Loudness
from bowstream.history.spans import Span, local

CELL, ROW, LEFT, TOP = 26, 22, 150, 20
SHADES = 5
WIDTH, HEIGHT = LEFT + 24 * CELL + 50, 130
# Between two times that are named below a plot.
STEPS_H = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672)
LOUDEST_DBFS, QUIETEST_DBFS = 0.0, -90.0


def heat_map(
    labels: Sequence[str],
    counts: NDArray[np.int64],
    listened: NDArray[np.bool_],
    within: NDArray[np.bool_],
    title: str,
) -> str:
    """Return a map of hours.

    Parameters
    ----------
    labels : of the rows
    counts : int [shape=(rows, 24)]
    listened : bool [shape=(rows, 24)], whether the listener ran
    within : bool [shape=(rows, 24)], whether it is asked about; what is still to come is left out
    title : what is read out in its place
    """
    height = TOP + ROW * len(labels) + 4
    return svg(height, title, cells(labels, counts, listened, within))


def cells(
    labels: Sequence[str], counts: NDArray[np.int64], listened: NDArray[np.bool_], within: NDArray[np.bool_]
) -> Iterator[str]:
    """Yield the parts of a heat map: hours on top, then a row with its label, its cells and its sum."""
    for hour in range(0, 24, 3):
        yield text(LEFT + hour * CELL, TOP - 7, f"{hour}:00", "axis")
    highest = max(int(counts.max(initial=0)), 1)
    for row, label in enumerate(labels):
        top = TOP + row * ROW
        short = label if len(label) <= 22 else f"{label[:21]}…"
        yield text(LEFT - 8, top + 15, short, "label")
        for hour in range(24):
            count = int(counts[row, hour])
            if not count and not within[row, hour]:
                continue
            shade = f"s{shade_of(count, highest)}" if count else "none" if listened[row, hour] else "deaf"
            place = f'x="{LEFT + hour * CELL}" y="{top}" width="{CELL - 2}" height="{ROW - 2}" rx="3"'
            said = f"{label}, {hour}:00: {count}" if count or listened[row, hour] else f"{hour}:00: not listening"
            yield f'<rect class="{shade}" {place}><title>{escape(said)}</title></rect>'
            if count:
                yield text(LEFT + hour * CELL + CELL / 2 - 1, top + 14, str(count), f"n{shade_of(count, highest)}")
        yield text(LEFT + 24 * CELL + 40, top + 15, str(int(counts[row].sum())), "label")


def shade_of(count: int, highest: int) -> int:
    """Return the shade of a number of events, 1 … 5: small numbers differ more than large ones."""
    return max(1, int(np.ceil(SHADES * np.sqrt(count / highest))))


def loudness(span: Span, loud: Loudness, deaf: Sequence[Interval]) -> str:
    """Return the level over a span, minute by minute, with the times without listening shaded."""
    return svg(HEIGHT, "Loudness, minute by minute", loudness_parts(span, loud, deaf))


def loudness_parts(span: Span, loud: Loudness, deaf: Sequence[Interval]) -> Iterator[str]:
    """Yield the parts of a plot of loudness."""
    floor, height, wide = HEIGHT - 18, HEIGHT - 18 - TOP, 24 * CELL - 2
    per_ms = wide / max(span.end_ms - span.start_ms, 1)
    for one in deaf:
        left, width = LEFT + (one.start_ms - span.start_ms) * per_ms, max(one.length_ms * per_ms, 0.5)
        yield f'<rect class="deaf" x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{height}"/>'
    for level in (-80, -60, -40, -20):
        y = floor - height * (level - QUIETEST_DBFS) / (LOUDEST_DBFS - QUIETEST_DBFS)
        yield f'<line class="grid" x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield text(LEFT - 8, y + 4, f"−{-level} dBFS", "label")
    places = LEFT + (loud.start_ms - span.start_ms) * per_ms
    # At most a bar per half pixel: the loudest of the minutes in it.
    for style, levels in (("peak", loud.peak_dbfs), ("level", loud.level_dbfs)):
        share = np.clip((levels - QUIETEST_DBFS) / (LOUDEST_DBFS - QUIETEST_DBFS), 0.0, 1.0)
        bars: dict[int, float] = {}
        for place, part in zip((places * 2).astype(int).tolist(), share.tolist()):
            bars[place] = max(bars.get(place, 0.0), part)
        path = "".join(f"M{place / 2:g} {floor}v{-height * part:.1f}" for place, part in bars.items())
        yield f'<path class="{style}" d="{path}"/>'
    for moment_ms, name in ticks(span):
        yield text(LEFT + (moment_ms - span.start_ms) * per_ms, HEIGHT - 4, name, "axis")


def ticks(span: Span) -> list[tuple[int, str]]:
    """Return whole hours of a span, or midnights if it is of days, each with its name; at most nine."""
    hours = [at_ms for day in span.days for at_ms in hours_ms(day)[:24]]
    step = next((step for step in STEPS_H if len(hours) <= 9 * step), len(hours))
    form = "%H:%M" if step < 24 else "%a %d %b"
    return [(at_ms, f"{local(at_ms):{form}}") for at_ms in hours[::step] if span.start_ms <= at_ms < span.end_ms]


def svg(height: float, title: str, parts: Iterator[str]) -> str:
    """Return a plot of this height with a title that is read out."""
    inside = "\n".join(parts)
    return (
        f'<div class="scroll"><svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n{inside}\n</svg></div>"
    )


def text(x: float, y: float, words: str, style: str) -> str:
    """Return words at a place."""
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def escape(text: str) -> str:
    """Return text as HTML shows it; what a terminal would obey is written out."""
    return html.escape(printable(text))

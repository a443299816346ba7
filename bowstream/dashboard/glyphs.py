"""Pictures made of characters: bars, sparklines, lanes and heat maps, each a list of rich segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from bowstream._types import Float32

Line = list[Segment]

PLAIN = Style.null()
DIM = Style(dim=True)
BOLD = Style(bold=True)
GOOD = Style(color="green", bold=True)
WARN = Style(color="yellow")
BAD = Style(color="red", bold=True)

STEPS = "▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"
# Colours of the 256-colour cube after "inferno" of matplotlib, each lighter than the one before (CIE L* 0 … 98).
RAMP = (16, 233, 17, 53, 89, 125, 161, 197, 202, 208, 214, 220, 228)
HALF_BLOCKS = [[Style(color=f"color({top})", bgcolor=f"color({low})") for low in RAMP] for top in RAMP]
# What a terminal without Unicode shows instead.
ASCII = str.maketrans("▁▂▃▄▅▆▇█░▒▓━─╾┿┼●○◆·…–−×✗", "_.-:=+*#.:%=--++*o+..--xx")


def fit(text: str, width: int) -> str:
    """Return text cut (with an ellipsis) or filled to a width in cells."""
    if cell_len(text) > width > 0:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, max(width, 0))


def runs(cells: Iterable[tuple[str, Style]]) -> Line:
    """Join neighbouring cells of one style into segments."""
    return [Segment("".join(text for text, _ in group), style) for style, group in groupby(cells, lambda cell: cell[1])]


def width_of(line: Line) -> int:
    """Cells that a line takes."""
    return sum(segment.cell_length for segment in line)


def bar(value: float, width: int, style: Style, tick: float | None = None) -> Line:
    """Return a bar of 0 … 1 on a rail, with a tick across it at a threshold: `━━━━┿━╾───`."""
    half_cells = round(2 * width * min(max(value, 0.0), 1.0))
    full, half = divmod(half_cells, 2)
    cells = [("━", style)] * full + [("╾", style)] * half + [("─", DIM)] * (width - full - half)
    if tick is not None and width:
        at = min(int(tick * width), width - 1)
        cells[at] = ("┿" if at < full else "┼", style)
    return runs(cells)


def sparkline(values: Sequence[float], width: int, on: float, style: Style) -> Line:
    """Return the newest `width` values of 0 … 1 as blocks, the newest at the right; those at `on` or above in style."""
    shown = list(values)[-width:] if width else []
    steps = [(STEPS[min(int(value * len(STEPS)), len(STEPS) - 1)], value) for value in shown]
    return [Segment(" " * (width - len(shown))), *runs((text, style if value >= on else DIM) for text, value in steps)]


def lane(start_s: float, end_s: float, now_s: float, width: int, glyph: str, style: Style) -> Line:
    """Return a rail of the last `width` seconds, one a cell, with a span on it."""
    oldest = now_s - width
    first = int(min(max(start_s - oldest, 0.0), width))
    last = int(min(max(end_s - oldest + 1.0, 0.0), width))
    if end_s < oldest:
        first = last = 0
    return runs([("─", DIM)] * first + [(glyph, style)] * (last - first) + [("─", DIM)] * (width - last))


def heat_map(picture: Float32, width: int, height: int, colours: bool) -> list[Line]:
    """Return the newest `width` columns of a picture, the newest at the right, the first row of values at the bottom.

    Parameters
    ----------
    picture : float32 [shape=(columns, bands)], 0 … 1
    width, height : cells; with colours each holds two values, one above the other
    colours : 256 of them, or shades of grey made of characters
    """
    picture = picture[-width:] if width else picture[:0]
    blank = [Segment(" " * (width - len(picture)))]
    rows = height * 2 if colours else height
    shades = len(RAMP) if colours else len(SHADES)
    values = bands(picture.T[::-1], rows)  # (rows, columns), the highest band first
    levels = np.clip((values * shades).astype(np.intp), 0, shades - 1).tolist()
    if not colours:
        return [[*blank, Segment("".join(SHADES[level] for level in row))] for row in levels]
    return [
        blank + runs(("▀", HALF_BLOCKS[top][low]) for top, low in zip(above, below))
        for above, below in zip(levels[::2], levels[1::2])
    ]


def bands(values: Float32, rows: int) -> Float32:
    """Return the means of `rows` groups of neighbouring rows: (bands, columns) -> (rows, columns)."""
    edges = np.linspace(0, len(values), rows + 1)
    first, last = edges[:-1].astype(int), np.ceil(edges[1:]).astype(int)
    totals = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    means: Float32 = ((totals[last] - totals[first]) / (last - first)[:, np.newaxis]).astype(np.float32)
    return means

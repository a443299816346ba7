"""Pictures made of characters: bars, sparklines, lanes and heat maps, each a list of rich segments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray
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
LEVELS = STEPS + STEPS[-1]  # with the highest value of all
SHADES = " ░▒▓█"
# Colours of the 256-colour cube after "inferno" of matplotlib, each lighter than the one before (CIE L* 0 … 98).
RAMP = (16, 233, 17, 53, 89, 125, 161, 197, 202, 208, 214, 220, 228)
HALF_BLOCKS = [Style(color=f"color({top})", bgcolor=f"color({low})") for top in RAMP for low in RAMP]
# What a terminal without Unicode shows instead.
ASCII = str.maketrans("▁▂▃▄▅▆▇█░▒▓━─╾┿┼●○◆·…–−×✗", "_.-:=+*#.:%=--++*o+..--xx")
# Text whose letters each take one cell; of others Rich looks each letter up.
NARROW = re.compile(r"[ -~\u2500-\u25ff·…–−×°✗]*").fullmatch


@lru_cache(maxsize=1024)
def fit(text: str, width: int) -> str:
    """Return text cut (with an ellipsis) or filled to a width in cells."""
    if NARROW(text):
        return text.ljust(width) if len(text) <= width else text[: width - 1] + "…" if width > 0 else ""
    if cell_len(text) > width > 0:
        return set_cell_size(text, width - 1) + "…"
    return set_cell_size(text, max(width, 0))


def parts(*styled: tuple[str, Style]) -> Line:
    """Return texts in their styles, without the empty ones."""
    return [Segment(text, style) for text, style in styled if text]


def width_of(line: Line) -> int:
    """Cells that a line takes."""
    return cells_of(text_of(line))


@lru_cache(maxsize=1024)
def cells_of(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if NARROW(text) else cell_len(text)


def text_of(line: Line) -> str:
    """Return a line without its styles."""
    return "".join([segment.text for segment in line])


def bar(value: float, width: int, style: Style, tick: float | None = None) -> Sequence[Segment]:
    """Return a bar of 0 … 1 on a rail, with a tick across it at a threshold: `━━━━┿━╾───`."""
    half_cells = round(2 * width * min(max(value, 0.0), 1.0))
    at = None if tick is None or not width else min(int(tick * width), width - 1)
    return bar_of(half_cells, width, style, at)


@lru_cache(maxsize=1024)
def bar_of(half_cells: int, width: int, style: Style, at: int | None) -> Sequence[Segment]:
    """Return a bar of half cells with a tick at a cell; most of what is drawn again is the same."""
    full, half = divmod(half_cells, 2)
    filled, rail = "━" * full + "╾" * half, "─" * (width - full - half)
    if at is None:
        return parts((filled, style), (rail, DIM))
    if at < len(filled):
        return parts((filled[:at] + ("┿" if at < full else "┼") + filled[at + 1 :], style), (rail, DIM))
    before = at - len(filled)
    return parts((filled, style), (rail[:before], DIM), ("┼", style), (rail[before + 1 :], DIM))


def sparkline(values: Sequence[float], width: int, on: float, style: Style) -> Line:
    """Return the newest `width` values of 0 … 1 as blocks, the newest at the right; those at `on` or above in style."""
    shown = values[-width:] if width else []
    steps = "".join([LEVELS[int(value * len(STEPS))] for value in shown])
    line, end = [Segment(" " * (width - len(shown)))], 0
    if max(shown, default=on) < on:
        return [*line, Segment(steps, DIM)]
    for is_on, group in groupby(shown, on.__le__):
        first, end = end, end + len(list(group))
        line.append(Segment(steps[first:end], style if is_on else DIM))
    return line


def lane(start_s: float, end_s: float, now_s: float, width: int, glyph: str, style: Style) -> Line:
    """Return a rail of the last `width` seconds, one a cell, with a span on it."""
    oldest = now_s - width
    first = int(min(max(start_s - oldest, 0.0), width))
    last = int(min(max(end_s - oldest + 1.0, 0.0), width))
    if end_s < oldest:
        first = last = 0
    return parts(("─" * first, DIM), (glyph * (last - first), style), ("─" * (width - last), DIM))


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
    values = band_weights(picture.shape[1], rows) @ picture.T  # (rows, columns), the highest band first
    levels = np.minimum(np.maximum((values * shades).astype(np.intp), 0), shades - 1)
    if not colours:
        return [[*blank, Segment("".join([SHADES[level] for level in row]))] for row in levels.tolist()]
    return [blank + row for row in half_blocks(levels[::2] * shades + levels[1::2])]


def half_blocks(pairs: NDArray[np.intp]) -> list[Line]:
    """Return rows of cells of two colours each, by their place in `HALF_BLOCKS`; alike neighbours are in one piece."""
    is_first = np.ones(pairs.shape, bool)
    np.not_equal(pairs[:, 1:], pairs[:, :-1], out=is_first[:, 1:])
    firsts = is_first.ravel().nonzero()[0]
    runs = np.diff(firsts, append=pairs.size) * len(HALF_BLOCKS) + pairs.ravel()[firsts]
    blocks = list(map(run_of_blocks, runs.tolist()))
    ends = is_first.sum(axis=1).cumsum().tolist()
    return [blocks[first:end] for first, end in pairwise([0, *ends])]


@lru_cache(maxsize=4096)
def run_of_blocks(run: int) -> Segment:
    """Return neighbouring cells of the same colours: how many times `HALF_BLOCKS`, and the place there."""
    length, place = divmod(run, len(HALF_BLOCKS))
    return Segment("▀" * length, HALF_BLOCKS[place])


@lru_cache(maxsize=16)
def band_weights(bands: int, rows: int) -> Float32:
    """Return the weights that make means of `rows` groups of neighbouring bands, (rows, bands), the highest first."""
    edges = np.linspace(bands, 0, rows + 1)
    lasts, firsts = np.ceil(edges[:-1, np.newaxis]), np.floor(edges[1:, np.newaxis])
    inside = (firsts <= np.arange(bands)) & (np.arange(bands) < lasts)
    weights: Float32 = (inside / (lasts - firsts)).astype(np.float32)
    return weights

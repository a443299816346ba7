"""The dashboard: `render(view)` turns one frozen `View` into what rich can print. No clock, no audio, no thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import zip_longest

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from bowstream._text import printable
from bowstream.dashboard.glyphs import ASCII, BOLD, DIM, WARN, Line, cells_of, fit, text_of, width_of
from bowstream.dashboard.panes import KEYS, families, health, meter, spectrogram, tags, timeline, title
from bowstream.dashboard.view import View

# From this width on there are two columns.
SIDE_BY_SIDE = 110
USUAL_TAGS = 20
# The left one has this share of the width.
LEFT_SHARE = 0.54

Layout = Callable[[View, int, int, bool], list[Line]]


def render(view: View) -> Dashboard:
    """Return the dashboard of a view; it takes the size and colours of the console it is printed on."""
    return Dashboard(view, lay_out)


def render_timeline(view: View, height: int) -> Dashboard:
    """Return the timeline alone."""
    return Dashboard(view, lambda view, width, _, colours: timeline(view, width, height))


@dataclass(frozen=True)
class Dashboard:
    """A view, ready to be printed, and how it is laid out."""

    view: View
    lay_out: Layout

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, each with a line break."""
        for line in self.lines(console, options.max_width, options.height or options.max_height):
            yield from line
            yield Segment.line()

    def lines(self, console: Console, width: int, height: int) -> list[Line]:
        """Return lines of a width, at most as many as a height; the colours and letters are those of a console."""
        colours = console.color_system in ("256", "truecolor") and not console.no_color
        ascii_only = not console.encoding.startswith("utf")
        lines = self.lay_out(self.view, width, height, colours)
        return [finished(line, width, ascii_only) for line in lines]


def finished(line: Line, width: int, ascii_only: bool) -> Line:
    """Return a line of a width, as a terminal can show it."""
    text = text_of(line)
    if ascii_only or not text.isprintable():
        line = safe(line, ascii_only)
        text = text_of(line)
    return filled(line, width, cells_of(text))


def safe(line: Line, ascii_only: bool) -> Line:
    """Return a line without anything that a terminal would obey, or could not show."""
    texts = [segment.text if segment.text.isprintable() else printable(segment.text) for segment in line]
    texts = [text.translate(ASCII) for text in texts] if ascii_only else texts
    return [Segment(text, segment.style) for text, segment in zip(texts, line)]


def filled(line: Line, width: int, cells: int) -> Line:
    """Return a line of so many cells, cut or filled up to a width."""
    missing = width - cells
    if missing < 0:
        return Segment.adjust_line_length(line, width)
    return [*line, Segment(" " * missing)] if missing else line


def usual_tags(width: int, height: int) -> int:
    """Return how many tags suit a terminal."""
    rows = Rows.of(height, 2, 2)
    wanted = rows.body - rows.why - rows.gap - 1 if width >= SIDE_BY_SIDE else rows.body * 2 // 5
    return min(max(wanted, 3), USUAL_TAGS)


@dataclass(frozen=True)
class Rows:
    """How a height is used: the body's rows, blank ones between its panes and around it, and those of the reasons."""

    body: int
    gap: int
    margin: int
    why: int

    @classmethod
    def of(cls, height: int, head: int, foot: int) -> Rows:
        """Return the rows that are left between a head and a foot."""
        rows = height - head - foot
        margin = int(rows >= 20)
        body = rows - 2 * margin
        return cls(body, int(rows >= 14), margin, 5 if body >= 26 else 1)


def lay_out(view: View, width: int, height: int, colours: bool) -> list[Line]:
    """Return the lines of the whole dashboard; what does not fit is left out, the least needed first."""
    head = [title(view, width), meter(view, width)][: max(0, height - 3)]
    foot = [health(view, width)][: max(0, height - 1)]
    if view.lesson:
        foot.append([Segment(fit(view.lesson.prompt, width), BOLD)])
    elif (view.notice or view.keys) and height > 8:
        foot.append([Segment(fit(view.notice, width), WARN) if view.notice else Segment(fit(KEYS, width), DIM)])
    rows = Rows.of(height, len(head), len(foot))
    scores = Pane(tags, 1 + len(view.tags), 1 + len(view.tags), 6)
    reasons = Pane(families, rows.why, rows.why, 1)
    least, share = (7, 7) if view.lesson else (3, 4)  # what is taught has to be seen
    sound = Pane(partial(spectrogram, colours=colours), least, 49, share)
    events = Pane(timeline, 3, height, 3)
    if width >= SIDE_BY_SIDE:
        left = int((width - 3) * LEFT_SHARE)
        body = beside(
            stack([scores, reasons], view, left, rows.body, rows.gap),
            stack([sound, events], view, width - 3 - left, rows.body, rows.gap),
            left,
        )
    else:
        body = stack([scores, reasons, sound, events], view, width, rows.body, rows.gap)
    blank: list[Line] = [[]] * rows.margin
    return [*head, *blank, *body, *([[]] * (rows.body - len(body))), *blank, *foot]


@dataclass(frozen=True)
class Pane:
    """A part of the dashboard: what draws it, the rows it needs and can use, and its share of those to spare."""

    draw: Callable[[View, int, int], list[Line]]
    least: int
    most: int
    share: int

    def gap(self, gap: int) -> int:
        """Blank rows above it; a single line belongs to what is above."""
        return gap if self.least > 1 else 0


def stack(panes: Sequence[Pane], view: View, width: int, rows: int, gap: int) -> list[Line]:
    """Return panes one below the other; when rows are few, gaps go first, then the panes with the smallest shares."""
    shown = list(panes)
    if sum(pane.least + pane.gap(gap) for pane in shown) - gap > rows:
        gap = 0
    while len(shown) > 1 and sum(pane.least for pane in shown) > rows:
        shown.remove(min(shown, key=lambda pane: pane.share))
    needs = tuple((pane.least, pane.most, pane.share) for pane in shown)
    lines: list[Line] = []
    for pane, height in zip(shown, shared(rows, rows + gap - sum(pane.gap(gap) for pane in shown), needs)):
        lines += [[]] * (pane.gap(gap) if lines else 0)
        drawn = pane.draw(view, width, height)[:height]
        lines += drawn + [[]] * (height - len(drawn))
    return lines


@lru_cache(maxsize=64)
def shared(most: int, rows: int, needs: Sequence[tuple[int, int, int]]) -> Sequence[int]:
    """Return how rows are shared out among panes by their needs: the least, the most and the share of each."""
    heights = [min(least, most) for least, _, _ in needs]
    for _ in range(rows - sum(heights)):
        hungry = [index for index, (_, most, _) in enumerate(needs) if heights[index] < most]
        if hungry:
            heights[min(hungry, key=lambda index: heights[index] / needs[index][2])] += 1
    return heights


def beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    """Return two stacks side by side, the left one of the given width."""
    nothing: Line = []
    pairs = zip_longest(left, right, fillvalue=nothing)
    return [[*filled(first, width, width_of(first)), Segment("   "), *second] for first, second in pairs]

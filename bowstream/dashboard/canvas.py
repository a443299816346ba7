"""The terminal's screen while the dashboard has it: what is drawn again costs only the rows that have changed."""

from __future__ import annotations

from itertools import zip_longest

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from bowstream.dashboard.glyphs import Line
from bowstream.dashboard.layout import Dashboard

# xterm's sequences: the other screen, without a cursor, and back; see console_codes(4).
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
CLEAR, PLAIN = "\x1b[0m\x1b[2J", "\x1b[0m"
COLOUR_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}
# Rows are drawn again though they have not changed, in case that something else has written there.
WHOLE_EVERY = 40


class Canvas:
    """Draws dashboards over each other, with the console's size and colours.

    While it is entered the terminal shows its other screen.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._colours = COLOUR_SYSTEMS.get(console.color_system or "")
        self._codes: dict[int, tuple[Style, str]] = {}  # by identity, which holds while we hold the style
        self._size: tuple[int, int] | None = None
        self._rows: list[Line] = []
        self._drawn = 0

    def __enter__(self) -> Canvas:
        self._write(ENTER)
        return self

    def __exit__(self, *exc: object) -> None:
        self._write(LEAVE)

    def draw(self, dashboard: Dashboard) -> None:
        """Draw what is not there yet."""
        size = self.console.size
        wipe = "" if size == self._size else CLEAR
        if wipe or self._drawn % WHOLE_EVERY == 0:
            self._rows = []
        rows = dashboard.lines(self.console, *size)
        rows += [[Segment(" " * size.width)]] * (size.height - len(rows))
        places = enumerate(zip_longest(rows, self._rows), 1)
        self._write(wipe + "".join(f"\x1b[{place};1H{self._coded(row)}" for place, (row, old) in places if row != old))
        self._size, self._rows = size, rows
        self._drawn += 1

    def _coded(self, line: Line) -> str:
        """Return a line with its styles as the terminal takes them, each once for all that has it."""
        pieces, last, codes = [], None, self._codes
        for text, style, _ in line:
            if style is not last:
                known = codes.get(id(style))
                pieces.append(known[1] if known else self._code(style))
                last = style
            pieces.append(text)
        return "".join(pieces) + PLAIN

    def _code(self, style: Style | None) -> str:
        """Return what puts a style in force, and keep it."""
        if style is None:
            return PLAIN
        shown = style.without_color if self.console.no_color else style
        code = PLAIN + shown.render("x", color_system=self._colours, legacy_windows=False).partition("x")[0]
        self._codes[id(style)] = (style, code)
        return code

    def _write(self, text: str) -> None:
        self.console.file.write(text)
        self.console.file.flush()

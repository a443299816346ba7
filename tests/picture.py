"""Makes the README's picture of the dashboard from a real session: the demo scene, heard at its own pace.

python tests/picture.py .github/dashboard.svg [SECONDS]
"""

import io
import sys
from dataclasses import replace

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from bowstream import load_bundle
from bowstream.dashboard import render, usual_tags
from bowstream.demo import Scene
from bowstream.history import History
from bowstream.live import Player
from bowstream.session import Session

COLUMNS, LINES = 120, 32
# A moment with something raised, something nearly so, and some past.
SECONDS, HOP_COLUMNS = 26.6, 5
# A dark terminal's colours: background, foreground, and black, red, green, yellow, blue, magenta, cyan, white.
THEME = TerminalTheme(
    (13, 17, 23),
    (214, 221, 229),
    [
        (72, 79, 88),
        (255, 107, 104),
        (74, 210, 112),
        (232, 179, 57),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


def view_of_demo(seconds):
    """Listen to the scene for so long; return the view."""
    bundle = load_bundle()
    with Player(Scene(), bundle.front_end) as source:
        session = Session(source, bundle, HOP_COLUMNS)
        history = History(session)
        for record in session:
            history.write(record)
            if session.tagger.position >= seconds * bundle.front_end.sample_rate:
                break
        return replace(history.view(usual_tags(COLUMNS, LINES)), keys=True)


def main(path, seconds=SECONDS):
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, height=LINES, force_terminal=True, color_system="256"
    )
    console.print(render(view_of_demo(float(seconds))))
    console.save_svg(path, title="bowstream listen --demo --hop 0.5", theme=THEME)


if __name__ == "__main__":
    main(*sys.argv[1:])

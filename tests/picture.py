"""Makes the README's picture of the dashboard from a real session: the demo scene, heard at its own pace.

python tests/picture.py .github/dashboard.svg [SECONDS]

It shows the first moment that shows what there is to see, or, with SECONDS, that one.
"""

import io
import sys
from dataclasses import replace

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from bowstream import load_bundle
from bowstream.audio.demo import Scene
from bowstream.audio.stream import Player
from bowstream.dashboard.history import History
from bowstream.dashboard.layout import render, usual_tags
from bowstream.dashboard.panes import NEAR
from bowstream.records import Sound
from bowstream.session import Session
from bowstream.tagger import Tagger

COLUMNS, LINES = 120, 32
HOP_S = 0.5
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


def shows_all(view):
    """Whether something is raised, something nearly so, and something past."""
    return (
        any(tag.raised_s is not None for tag in view.tags)
        and any(tag.raised_s is None and tag.score >= NEAR * tag.on for tag in view.tags)
        and any(entry.kind == "event" and entry.end_s is not None for entry in view.timeline)
    )


def view_of_demo(seconds):
    """Listen to the scene for so long, or until all is to be seen; return the view."""
    bundle = load_bundle()
    with Player(Scene(), bundle.front_end.format) as source:
        session = Session(source, Tagger(bundle, HOP_S))
        history = History(session.info, session.health, session.tracker, session.tagger.explain)
        for record in session:
            history.write(record)
            if not isinstance(record, Sound):
                continue
            view = history.view(usual_tags(COLUMNS, LINES))
            if shows_all(view) if seconds is None else view.position_s >= seconds:
                return replace(view, keys=True)
    raise SystemExit("this bundle has no such moment in the scene: say which SECONDS are to be shown")


def main(path, seconds=None):
    view = view_of_demo(seconds and float(seconds))
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, height=LINES, force_terminal=True, color_system="256"
    )
    console.print(render(view))
    console.save_svg(path, title="bowstream listen --demo --hop 0.5", theme=THEME)


if __name__ == "__main__":
    main(*sys.argv[1:])

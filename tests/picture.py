"""Makes the README's picture of the dashboard from a real session: the demo scene, heard at its own pace.

python tests/picture.py .github/dashboard.svg [SECONDS]
"""

import io
import sys
from dataclasses import replace

from rich.console import Console

from bowstream import load_bundle
from bowstream.dashboard import render, usual_tags
from bowstream.demo import Scene
from bowstream.history import History
from bowstream.live import Player
from bowstream.session import Session

COLUMNS, LINES = 120, 32
SECONDS = 17.0


def view_of_demo(seconds):
    """Listen to the scene for so long; return the view."""
    bundle = load_bundle()
    with Player(Scene(), bundle.front_end) as source:
        session = Session(source, bundle)
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
    console.save_svg(path, title="bowstream listen --demo")


if __name__ == "__main__":
    main(*sys.argv[1:])

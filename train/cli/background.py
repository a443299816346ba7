"""`python -m train background`: give a bundle the everyday sound that new tags are told from on a device."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands, add_data, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "background", help="add everyday sound to a bundle, which sounds taught on a device are told apart from"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's folder, which is changed")
    add_data(parser)
    parser.add_argument("--negatives", type=Path, metavar="FOLDER", help="recordings of everyday sound, too")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..dataset.own import is_recording, visible_files
    from ..model.background import add_background

    folder = arguments.negatives
    negatives = [path for path in visible_files(folder) if is_recording(path)] if folder else []
    windows = add_background(arguments.bundle, data_set(arguments), negatives)
    print(f"{arguments.bundle}: {windows} windows of everyday sound")

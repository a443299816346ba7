"""`python -m train data`: look at a data set and list what is wrong with it."""

from __future__ import annotations

from argparse import Namespace

from .options import Commands, add_data, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("data", help="look at a data set and list what is wrong with it")
    add_data(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..dataset.problems import check

    data = data_set(arguments)
    check(data, whole=True)
    print(
        f"{data.name}: {len(data.clips)} clips, {len(data.tags)} tags, folds {', '.join(data.folds)}: nothing is wrong"
    )

"""`python -m train numbers`: the README's tables, from the committed metrics of their runs."""

from __future__ import annotations

from argparse import Namespace

from .options import Commands


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("numbers", help="the README's tables, from the committed metrics of their runs")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..report.numbers import COLUMNS, SWEEPS, numbers, steps

    print("\n".join([numbers(COLUMNS), *map(steps, SWEEPS)]), end="")

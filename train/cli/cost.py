"""`python -m train cost`: what it costs, as tables and plots."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cost", help="what it costs: tables and plots against hop, sizes, length, files and jobs"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables (CSV) and plots")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..cost import Plan, cost

    cost(arguments.out, Plan())

"""`python -m train scale`: what memory a training takes as its set grows."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.config import from_flags
from ..common.crew import ALL_CORES
from .options import Commands, add_crew, add_training, crew, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "scale",
        help="memory of each stage, measured on sets of some hours made from yours, and for ten times as many",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables (CSV) and the plot")
    parser.add_argument(
        "--hours",
        type=float,
        nargs="+",
        default=[5.0, 50.0, 100.0],
        help="at least three sizes; the two largest must fill the memory that they may take (default: 5 50 100)",
    )
    add_training(parser)
    add_crew(parser, ALL_CORES.jobs, "the making of shards: log-mel and counts")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..scale import scale

    settings, made_by = from_flags(vars(arguments)), crew(arguments, ALL_CORES.jobs)
    scale(arguments.runs, data_set(arguments), arguments.out, arguments.hours, settings, made_by)

"""`python -m train paper`: all that the paper tried, and a table of it beside the paper's own numbers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.config import given
from .options import Commands, add_training, add_trials, crew, trials_of


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("paper", help="all of the paper's experiments, and a table beside its own numbers")
    parser.add_argument("--out", type=Path, required=True, help="folder of paper.md, and of one folder per experiment")
    add_trials(parser)
    add_training(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..paper import experiments, reproduce

    made_by = crew(arguments)
    wanted = experiments(given(vars(arguments)))
    common, splits = trials_of(arguments, [config for one in wanted for config in one.configs])
    print(reproduce(common, arguments.out, wanted, splits, made_by))

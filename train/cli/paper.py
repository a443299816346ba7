"""`python -m train paper`: all that the paper tried, and a table of it beside the paper's own numbers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.config import given, refuse_idle_negatives
from ..common.store import make_folder
from .options import Commands, add_training, add_trials, crew, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("paper", help="all of the paper's experiments, and a table beside its own numbers")
    parser.add_argument("--out", type=Path, required=True, help="folder of paper.md, and of a folder an experiment")
    add_trials(parser)
    add_training(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..paper import experiments, reproduce
    from ..sweep import Common, first_splits

    made_by = crew(arguments)
    wanted = experiments(given(vars(arguments)))
    data = data_set(arguments)
    splits = first_splits(data, arguments.folds)
    refuse_idle_negatives(arguments.negatives, {config.method for one in wanted for config in one.configs})
    make_folder(arguments.out)  # before hours of work
    common = Common.of(arguments.runs, data, arguments.negatives)
    print(reproduce(common, arguments.out, wanted, splits, made_by))

"""`python -m train sweep`: the paper's experiments, or any combination of settings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.config import given
from ..experiments import EXPERIMENTS, combinations, parse_axes
from .options import Commands, add_training, add_trials, crew, trials_of


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep", help="the paper's experiments, or any combination of settings: a CSV and a plot"
    )
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--experiment", choices=EXPERIMENTS, help="one of the paper's, or the ablation")
    wanted.add_argument(
        "--axis", action="append", metavar="SETTING=VALUE,VALUE…", help="a setting and its values; repeat it"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of sweep.csv and sweep.png")
    add_trials(parser)
    add_training(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..sweep import configs_of, sweep

    made_by = crew(arguments)
    variants = EXPERIMENTS.get(arguments.experiment) or combinations(parse_axes(arguments.axis))
    configs = configs_of(variants, given(vars(arguments)))
    common, splits = trials_of(arguments, configs)
    print(sweep(common, arguments.out, variants, configs, splits, made_by))

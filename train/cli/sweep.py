"""`python -m train sweep`: the paper's experiments, or any combination of settings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bowstream.errors import UsageError

from ..common.config import given
from ..experiments import EXPERIMENTS, combinations, parse_axes
from .options import Commands, add_training, data_set


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
    parser.add_argument("--folds", type=int, help="try each setting on the first so many splits (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the trials (default: 1)")
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler of a cluster that does, as in tcp://host:8786")
    parser.add_argument("--out", type=Path, required=True, help="folder of sweep.csv and sweep.png")
    add_training(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..sweep import Crew, configs_of, sweep

    if not 1 <= arguments.jobs <= 256:
        raise UsageError(f"--jobs must be 1 … 256 (got {arguments.jobs})")
    if arguments.dask and arguments.jobs > 1:
        raise UsageError("--dask has a cluster's workers do it: leave --jobs out")
    variants = EXPERIMENTS.get(arguments.experiment) or combinations(parse_axes(arguments.axis))
    configs = configs_of(variants, given(vars(arguments)))
    data = data_set(arguments)
    crew = Crew(arguments.jobs, arguments.dask)
    print(sweep(arguments.runs, data, arguments.out, variants, configs, arguments.folds, arguments.negatives, crew))

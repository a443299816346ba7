"""`python -m train augmentations`: what each augmentation brings to heads on trained encoders."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bowstream.config.flags import add_flags, given

from ..common.learned_config import HeadTrials
from ..experiments import LEFT_OUT
from .options import Commands, add_data, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "augmentations", help="what each augmentation brings, by heads that are trained with and without it"
    )
    parser.add_argument("task", type=Path, metavar="FOLDER", help="a folder below RUNS/elsewhere that `joint` has done")
    parser.add_argument("bundle", type=Path, metavar="FOLD", help="made of it: what it did not learn from is tried")
    add_data(parser)
    parser.add_argument(
        "--without",
        action="append",
        choices=LEFT_OUT,
        metavar="NAME",
        help=f"leave this out only, {', '.join(LEFT_OUT)}; repeat it (default: each in turn)",
    )
    add_flags(parser, HeadTrials)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")
    parser.add_argument("--out", type=Path, required=True, help="the file of the measures, JSON")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    heads = HeadTrials(**given(arguments, HeadTrials))
    from ..common.quiet import start_tensorflow

    start_tensorflow()
    from ..report.augmentations import compare_augmentations
    from ..report.gains import told

    changes = {name: LEFT_OUT[name] for name in arguments.without or LEFT_OUT}
    data = data_set(arguments, fewest=0)
    metrics = compare_augmentations(
        arguments.runs, arguments.task, arguments.bundle, data, changes, arguments.out, heads
    )
    print(told(metrics), end="")

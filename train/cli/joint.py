"""`python -m train joint`: carry out a joint training that `run --elsewhere` has prepared."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "joint", help="carry out what `run --elsewhere` wrote, for example on a machine with a GPU"
    )
    parser.add_argument("task", type=Path, metavar="FOLDER", help="a folder below RUNS/elsewhere")
    parser.add_argument(
        "--warm-start",
        type=Path,
        metavar="FILE",
        help="start from the joint.npz of an earlier training, perhaps of fewer tags; choose a lower --rate then",
    )
    parser.add_argument(
        "--devices",
        type=int,
        metavar="N",
        help="how many of this machine share each batch: 1, 2, 4 or 8 (default: all GPUs; TF_CONFIG names a cluster)",
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..common.quiet import start_tensorflow

    start_tensorflow()
    from ..learned.elsewhere import carry_out

    carry_out(arguments.task, arguments.warm_start, arguments.devices)

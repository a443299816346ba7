"""`python -m train corrections`: what it does to false events and recall that a user marks some as wrong."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from .options import Commands, add_scenes, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "corrections", help="mark each tag's first false events of a day as wrong: false events and recall afterwards"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    add_scenes(parser)
    parser.add_argument(
        "--sensitivity", type=float, default=0.5, help="more gives more events to mark (default: %(default)s)"
    )
    parser.add_argument(
        "--apart",
        choices=("time", "recordings"),
        default="time",
        help="mark the first half of each recording, or every other one (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the file of the measures, JSON")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from bowstream.errors import UsageError

    from ..dataset.negatives import find_negatives
    from ..measure.corrections import corrections

    if not 0.0 <= arguments.sensitivity <= 1.0:
        raise UsageError(f"--sensitivity must be 0 … 1 (got {arguments.sensitivity:g})")
    data = data_set(arguments, fewest=0)
    negatives = find_negatives(arguments.runs, arguments.negatives, data, {})
    measured = corrections(arguments.bundle, data, negatives, arguments.sensitivity, arguments.apart)
    arguments.out.write_text(json.dumps(asdict(measured), indent=1) + "\n", "utf-8")
    print(measured, end="")

"""`python -m train evaluate`: try bundles on clips of sources that they did not learn from."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands, add_data, add_other, data_set, other_tagger


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate", help="try bundles on clips of sources that they did not learn from, beside another tagger"
    )
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="a clip is heard by the first that may")
    add_data(parser)
    parser.add_argument("--sources", action="append", default=[], metavar="PATTERN", help="look at these only: place*")
    parser.add_argument(
        "--apart-from",
        action="append",
        type=Path,
        default=[],
        metavar="BUNDLE",
        help="leave out sources that this one learned from: then both can be compared on the same clips",
    )
    add_other(parser)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")
    parser.add_argument("--out", type=Path, required=True, help="the file of the measures, JSON")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..report.places import evaluate, told

    other, data = other_tagger(arguments), data_set(arguments, fewest=0)
    metrics = evaluate(
        arguments.runs, data, arguments.bundles, arguments.out, other, arguments.sources, arguments.apart_from
    )
    print(told(metrics), end="")

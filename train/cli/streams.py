"""`python -m train streams`: try bundles on scenes, clips placed into other recordings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands, add_other, add_scenes, data_set, other_tagger

HOPS_S = (1.0, 0.1)


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "streams", help="try bundles on clips placed into other recordings: F1, PSDS, false events per hour"
    )
    parser.add_argument(
        "bundles",
        nargs="+",
        type=Path,
        metavar="BUNDLE",
        help="each clip is tried on the first bundle that did not learn from it",
    )
    add_scenes(parser)
    parser.add_argument(
        "--hop-s", type=float, action="append", metavar="SECONDS", help="a hop; can be repeated (default: 1 and 0.1)"
    )
    add_other(parser)
    parser.add_argument("--out", type=Path, required=True, help="the file of the measures, JSON")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..dataset.negatives import find_negatives
    from ..report.streams import streams, told

    other, data = other_tagger(arguments), data_set(arguments, fewest=0)
    negatives = find_negatives(arguments.runs, arguments.negatives, data, {})
    hops_s = arguments.hop_s or HOPS_S
    print(told(streams(arguments.runs, data, negatives, arguments.bundles, hops_s, arguments.out, other)), end="")

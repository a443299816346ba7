"""`python -m train tune`: a bundle's calibration, thresholds and sensitivity, from held-out sound."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from .options import Commands, add_scenes, data_set


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune",
        help="set calibration, thresholds and sensitivity of a bundle, from the held-out scores of bundles made alike",
    )
    parser.add_argument("bundle", type=Path, help="the bundle that is changed")
    parser.add_argument(
        "folds", nargs="+", type=Path, metavar="FOLD", help="bundle made alike, without some of the sources"
    )
    add_scenes(parser)
    parser.add_argument(
        "--by-group",
        type=Path,
        metavar="JSON",
        help="metrics.json of a run on ESC-50, for tags that few other sources have",
    )
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..dataset.negatives import find_negatives
    from ..report.tune import tune_bundle

    data = data_set(arguments, fewest=0)
    negatives = find_negatives(arguments.runs, arguments.negatives, data, {})
    by_group = json.loads(arguments.by_group.read_text("utf-8"))["clip_ap_by_tag"] if arguments.by_group else {}
    left_out = tune_bundle(arguments.runs, data, negatives, arguments.folds, arguments.bundle, by_group)
    print(f"{arguments.bundle}: tuned; {len(left_out)} tags do not work: {', '.join(left_out) or 'none'}")

"""`bowstream bench`: measure what listening costs on this machine."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import Verbs, add_bundle, add_verb, whole_number


@dataclass(frozen=True)
class BenchOptions:
    """What to measure.

    bundle : folder; None for the one that is shipped
    against : a waveform tagger in TFLite to compare with, such as YAMNet
    rounds : of each whole path
    json : write one JSON object
    """

    bundle: Path | None
    against: Path | None
    rounds: int
    json: bool


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "bench", "measure what the method costs on this machine")
    add_bundle(parser, "--bundle")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="a waveform tagger in TFLite, such as YAMNet, to compare with"
    )
    parser.add_argument(
        "--rounds",
        type=whole_number(1, 1000),
        default=40,
        metavar="N",
        help="fewer for a slow machine, 1 … 1000 (default: 40)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Measure and print; return the exit status."""
    asked = BenchOptions(arguments.bundle, arguments.against, arguments.rounds, arguments.json)
    from bowstream.bench.report import measure, print_report
    from bowstream.tagger import load_bundle

    report = measure(load_bundle(asked.bundle), asked.rounds, asked.against)
    if asked.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0

"""`python -m train fewshot`: how well a bundle can be taught what it does not know."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .options import Commands, add_data, add_other, data_set, other_tagger


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "fewshot", help="teach a bundle tags and sounds that it does not know, from 1 … 20 clips"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    add_data(parser)
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        help="a tag to teach; can be repeated (default: all tags, and each group of sources, that it lacks)",
    )
    parser.add_argument("--trials", type=int, default=2, help="other background and examples each (default: 2)")
    parser.add_argument(
        "--verifier", action="store_true", help="also learn by logistic regression, as openWakeWord does"
    )
    parser.add_argument(
        "--of-source",
        type=int,
        metavar="N",
        help="score N clips of each source, beside those of the taught sounds (default: all)",
    )
    add_other(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of fewshot.json and fewshot.png")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from bowstream.errors import UsageError

    from ..measure.fewshot import few_shot
    from ..report.fewshot import told, write

    if arguments.trials < 1:
        raise UsageError(f"--trials must be at least 1 (got {arguments.trials})")
    if arguments.of_source is not None and arguments.of_source < 1:
        raise UsageError(f"--of-source must be at least 1 (got {arguments.of_source})")
    other, data = other_tagger(arguments), data_set(arguments, fewest=0)
    asked = (arguments.bundle, arguments.tag, arguments.trials)
    measured = few_shot(data, *asked, other, arguments.verifier, arguments.of_source)
    write(arguments.out, measured)
    print(told(measured), end="")

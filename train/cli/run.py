"""`python -m train run`: train, try on held-out recordings, write a bundle and a report."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.config import from_flags
from ..common.crew import ALL_CORES
from .options import Commands, add_crew, add_training, crew, data_set, refuse_off_device


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("run", help="train, try on held-out recordings, write a bundle and a report")
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle, such as models/NAME")
    add_training(parser)
    parser.add_argument("--report", type=Path, help="folder of the report (default: RUNS/report_NAME)")
    parser.add_argument(
        "--elsewhere", action="store_true", help="only write what `joint` trains, below RUNS/elsewhere, and stop"
    )
    add_crew(parser, ALL_CORES.jobs, "the making of shards: log-mel and counts")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    settings, made_by = from_flags(vars(arguments)), crew(arguments, ALL_CORES.jobs)
    data = data_set(arguments)
    from ..run import prepare, run

    if arguments.elsewhere:
        return prepare(arguments.runs, data, settings, arguments.negatives, made_by)
    refuse_off_device(settings)
    page = arguments.report or arguments.runs / f"report_{arguments.out.name}"
    run(arguments.runs, data, arguments.out, page, settings, arguments.negatives, made_by)

"""The command line: parses, calls, turns errors into exit codes."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from bowstream.errors import BowstreamError, UsageError

from . import config
from .data import DataSet
from .layouts import LAYOUTS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = parser().parse_args(argv)
    warnings.filterwarnings("ignore", module=r"keras|tensorflow")
    try:
        return int(arguments.command(arguments) or 0)
    except ModuleNotFoundError as error:
        print(f"train: {error.name} is missing: pip install 'bowstream[train]'", file=sys.stderr)
        return 1
    except BowstreamError as error:
        lines = str(error).splitlines()
        if len(lines) > 1:
            print(f"train: {len(error.problems)} problems, nothing was trained:", file=sys.stderr)
        for line in lines:
            print(f"train: {line}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("train: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser("python -m train", description="From recordings to a bundle.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="train, try on held-out recordings, write a bundle and a report")
    add_data(run)
    run.add_argument("--out", type=Path, required=True, help="folder of the bundle, models/NAME say")
    config.add_flags(run)
    run.set_defaults(command=run_command)

    data = commands.add_parser("data", help="look at a data set and list what is wrong with it")
    add_data(data)
    data.set_defaults(command=data_command)
    return top


def add_data(command: argparse.ArgumentParser) -> None:
    """Add what names a data set and where artefacts go."""
    command.add_argument("--data", choices=LAYOUTS, required=True, help="how the data set lies on disk")
    command.add_argument("--root", type=Path, required=True, help="its folder (its CSV for --data csv)")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")


def data_set(arguments: argparse.Namespace) -> DataSet:
    """Return the data set that is asked for."""
    return LAYOUTS[arguments.data](arguments.root)


def run_command(arguments: argparse.Namespace) -> None:
    """`run`."""
    settings = config.from_flags(vars(arguments))
    data = data_set(arguments)
    from .run import run

    run(arguments.runs, data, arguments.out, settings)


def data_command(arguments: argparse.Namespace) -> None:
    """`data`."""
    from .problems import check

    data = data_set(arguments)
    check(data)
    folds = sorted({clip.fold for clip in data.clips})
    print(f"{data.name}: {len(data.clips)} clips, {len(data.tags)} tags, folds {', '.join(folds)}: nothing is wrong")

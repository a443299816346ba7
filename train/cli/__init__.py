"""The command line: parses, calls, turns errors into exit statuses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bowstream._text import printable
from bowstream.config.fields import SettingError, flag
from bowstream.errors import BowstreamError, UsageError

from ..dataset.errors import DataError
from . import (
    augmentations,
    background,
    check,
    corrections,
    cost,
    data,
    evaluate,
    fewshot,
    joint,
    numbers,
    paper,
    run,
    scale,
    streams,
    sweep,
    teacher,
    tune,
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each names the function that carries it out."""
    top = argparse.ArgumentParser("python -m train", description="From recordings to a bundle.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        run,
        joint,
        sweep,
        paper,
        check,
        cost,
        scale,
        numbers,
        evaluate,
        streams,
        tune,
        teacher,
        data,
        background,
        fewshot,
        corrections,
        augmentations,
    ):
        command.add_parser(commands)
    return top


def say(line: str) -> None:
    """Say what went wrong on standard error."""
    print(f"train: {printable(line)}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except ModuleNotFoundError as error:
        say(f"{error.name} is missing: pip install 'bowstream[train]'")
        return 1
    except DataError as error:
        if len(error.problems) > 1:
            say(f"{len(error.problems)} problems, nothing was trained:")
        for line in str(error).splitlines():
            say(line)
        return 1
    except SettingError as error:
        say(f"{flag(error.field)} {error.problem}")
        return 2
    except BowstreamError as error:
        for line in error.lines:
            say(line)
        return 2 if isinstance(error, UsageError) else 1
    except OSError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command continues from here")
        return 130

"""The command line: parses, calls, and maps errors to exit statuses. Imports nothing heavy until a verb runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from bowstream.cli import (
    bench,
    check,
    config,
    devices,
    doctor,
    export,
    history,
    learn,
    listen,
    password,
    replay,
    report,
    service,
    verdict,
)
from bowstream.cli.completion import HOW, complete
from bowstream.cli.parser import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, Parser
from bowstream.cli.say import say
from bowstream.config.fields import SettingError, flag
from bowstream.errors import BowstreamError, UsageError

# The verbs, in the order of the help, and the module that has the options of each.
VERBS: dict[str, Any] = {
    "listen": listen,
    "replay": replay,
    "learn": learn,
    "learned": learn,
    "forget": learn,
    "history": history,
    "wrong": verdict,
    "right": verdict,
    "report": report,
    "export": export,
    "install-service": service,
    "doctor": doctor,
    "config": config,
    "password": password,
    "devices": devices,
    "check": check,
    "bench": bench,
}


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; each verb names the function that carries it out.

    Parameters
    ----------
    verb : which to know, with those that are of its kind: a fifth of the time that all take; all by default
    """
    parser = Parser(
        prog="bowstream",
        description="Listens to a microphone and names the sounds, live.",
        epilog=HOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and the runtime, and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for module in [VERBS[verb]] if verb in VERBS else dict.fromkeys(VERBS.values()):
        module.add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 done; 1 something could not be heard, opened or trusted; 2 a wrong argument; 130 interrupted twice.
    """
    # A file's name need not be text, and a terminal need not know a tag's letters: show what cannot be said.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if "_ARGCOMPLETE" in os.environ:
            complete(build_parser())
        words = sys.argv[1:] if argv is None else argv
        parser = build_parser(*words[:1])
        arguments = parser.parse_args(words)
        if arguments.version:
            return print_version()
        if arguments.verb is None:
            parser.print_help()
            return EXIT_USAGE
        # One thread: a second gains nothing on products this small. Read when NumPy is first imported.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        status: int = arguments.run(arguments)
        return status
    except SettingError as error:  # of a flag: errors in a file come with their line
        say(f"{flag(error.field)} {error.problem}")
        return EXIT_USAGE
    except BowstreamError as error:
        for line in error.lines:
            say(line)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE
    except OSError as error:  # the system's: no room, no rights, no such thing
        say(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def print_version() -> int:
    """Print the versions of bowstream, Python and the TFLite runtime."""
    import platform
    from importlib.metadata import version

    from bowstream import __version__
    from bowstream.model.tflite import load_runtime

    runtime, _ = load_runtime()
    runtime = runtime.replace("_", "-")
    print(f"bowstream {__version__}, {runtime} {version(runtime)}, Python {platform.python_version()}")
    return 0

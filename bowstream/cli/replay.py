"""`bowstream replay`: name the sounds in recordings."""

from __future__ import annotations

from argparse import Namespace

from bowstream.cli.options import ReplayOptions
from bowstream.cli.parser import ConfigOptions, Once, Verbs, add_configuration, add_verb, whole_number


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "replay", "name the sounds in recordings")
    add_configuration(parser, "bundle", "hop_s", "sensitivity", "hold_s")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, or - for standard input")
    parser.add_argument(
        "--raw", metavar="RATE[:CHANNELS[:ENCODING]]", help="the input is headerless, as in 16000:1:PCM_16"
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        action=Once,
        help="when the recording began, as in 2026-11-28T06:00 (default: as it says)",
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        action=Once,
        help="of recorders' clocks that do not say it: UTC, +10:00, Europe/Berlin (default: this machine's)",
    )
    parser.add_argument("--realtime", action="store_true", help="play at the recordings' pace, with the dashboard")
    parser.add_argument(
        "--jobs",
        type=whole_number(1, 256),
        default=1,
        metavar="N",
        help="processes to share the recordings, 1 … 256 (default: 1)",
    )
    results = parser.add_mutually_exclusive_group()
    results.add_argument("--json", action="store_true", help="write one JSON object per hop, event and file")
    results.add_argument("--csv", action="store_true", help="write one row per event")
    parser.add_argument(
        "--labels",
        choices=("audacity", "raven"),
        action=Once,
        help="write the events beside each recording, as NAME.bowstream.txt or NAME.bowstream.selections.txt",
    )
    parser.set_defaults(run=run)


def options(arguments: Namespace) -> ReplayOptions:
    """Return what parsed arguments ask for."""
    return ReplayOptions(
        ConfigOptions.of(arguments),
        tuple(arguments.paths),
        arguments.raw,
        arguments.realtime,
        arguments.jobs,
        arguments.json,
        arguments.csv,
        arguments.labels,
        arguments.start,
        arguments.timezone,
    )


def run(arguments: Namespace) -> int:
    """Replay each recording; return the exit status."""
    asked = options(arguments)
    from bowstream.cli.recordings import replay

    return replay(asked)

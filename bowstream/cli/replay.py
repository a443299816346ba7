"""`bowstream replay`: name the sounds in recordings."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from bowstream.cli.options import ArchiveOptions, ReplayOptions
from bowstream.cli.parser import HOW, ConfigOptions, Once, Parser, Verbs, add_configuration, add_verb, whole_number
from bowstream.errors import UsageError


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "replay", "name the sounds in recordings")
    add_configuration(parser, "bundle", "hop_s", "sensitivity", "hold_s", *HOW)
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file, folder, @FILE for a file that lists them, or - for standard input",
    )
    parser.add_argument(
        "--raw", metavar="RATE[:CHANNELS[:ENCODING]]", help="format of headerless input, such as 16000:1:PCM_16"
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        action=Once,
        help="when the recording began, such as 2026-11-28T06:00 (default: its own date)",
    )
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        action=Once,
        help="time zone of recordings that state none: UTC, +10:00, Europe/Berlin (default: this machine's)",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="play the recordings at their own speed, with the dashboard"
    )
    parser.add_argument(
        "--jobs",
        type=whole_number(1, 256),
        default=1,
        metavar="N",
        help="processes that share the recordings (1 … 256, default: 1)",
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
    add_archive(parser)
    parser.set_defaults(run=run)


def add_archive(parser: Parser) -> None:
    """Add what makes an archive's tables."""
    group = parser.add_argument_group(
        "an archive",
        "a job that can be stopped at any moment: the same command continues it (extras: archive, cluster)",
    )
    group.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        action=Once,
        help="write tables (Parquet) by date and site, a history and a page; PATH may be an address (s3://, sftp://, zip://)",
    )
    group.add_argument("--scores", action="store_true", help="also write a table of all scores")
    group.add_argument("--loudness", action="store_true", help="also write a table of the loudness of each minute")
    group.add_argument(
        "--retry", action="store_true", help="try again what failed before, because a disk was missing, for example"
    )
    group.add_argument(
        "--dask", metavar="ADDRESS", action=Once, help="scheduler of a Dask cluster, such as tcp://host:8786"
    )


def options(arguments: Namespace) -> ReplayOptions:
    """Return what parsed arguments ask for."""
    archive = None
    if arguments.out:
        archive = ArchiveOptions(arguments.out, arguments.scores, arguments.loudness, arguments.dask, arguments.retry)
    elif arguments.scores or arguments.loudness or arguments.dask or arguments.retry:
        raise UsageError("--scores, --loudness, --retry and --dask are about tables: name their folder with --out")
    return ReplayOptions(
        ConfigOptions.of(arguments),
        tuple(path for named in arguments.paths for path in (lines_of(named[1:]) if named[:1] == "@" else [named])),
        arguments.raw,
        arguments.realtime,
        arguments.jobs,
        arguments.json,
        arguments.csv,
        arguments.labels,
        arguments.start,
        arguments.timezone,
        archive,
    )


def lines_of(file: str) -> list[str]:
    """Return the lines of a file but for empty ones; raise `UsageError` if it cannot be read."""
    try:
        return [line for line in os.fsdecode(Path(file).read_bytes()).split("\n") if line.strip()]
    except OSError as error:
        raise UsageError(f"@{file} must be a file with a path per line: {error.strerror}") from error


def run(arguments: Namespace) -> int:
    """Replay each recording; return the exit status."""
    asked = options(arguments)
    if asked.archive:
        from bowstream.cli.archive import archive

        return archive(asked, asked.archive)
    from bowstream.cli.recordings import replay

    return replay(asked)

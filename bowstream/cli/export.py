"""`bowstream export`: the history's events as a file for another program."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import Once, Verbs, add_verb
from bowstream.cli.past import Chosen, HistoryFile, add_chosen, add_history_file
from bowstream.cli.written import STDOUT, write_text
from bowstream.errors import UsageError

FORMATS = ("audacity", "raven", "csv", "parquet", "ical")


@dataclass(frozen=True)
class ExportOptions:
    """Which events to write, how and where.

    to : one of `FORMATS`
    out : the file; `-` for standard output
    """

    history: HistoryFile
    chosen: Chosen
    to: str
    out: Path = STDOUT

    def __post_init__(self) -> None:
        if self.to == "parquet" and self.out == STDOUT:
            raise UsageError("Parquet is no text: name a file with --out")


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "export", "write the events of the history as a file for another program")
    parser.add_argument(
        "--to",
        choices=FORMATS,
        required=True,
        action=Once,
        help="labels for Audacity or Raven (in seconds since --since), CSV, Parquet, or a calendar",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        action=Once,
        default=STDOUT,
        help="file to write (default: -, standard output)",
    )
    add_chosen(parser, since="today")
    add_history_file(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the events; return the exit status."""
    asked = ExportOptions(HistoryFile.of(arguments), Chosen.of(arguments), arguments.to, arguments.out)
    from bowstream.history import export, queries

    span = asked.chosen.span()
    with asked.history.opened(source=asked.chosen.source) as connection:
        asked.chosen.check_tags(connection)
        events = queries.events(connection, span, asked.chosen.with_groups(asked.history).tags)
    if asked.to == "parquet":
        export.write_parquet(events, asked.out)
    else:
        write_text(asked.out, export.as_text(events, asked.to, span.start_ms))
    return 0

"""`bowstream report`: a day or more as one HTML file, to look at, to send or to print."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import Once, Verbs, add_verb, whole_number
from bowstream.cli.past import HistoryFile, add_history_file

LARGEST_MB = 20


@dataclass(frozen=True)
class ReportOptions:
    """What to report on, and where.

    day : the last one, as people name days
    days : how many
    out : the file
    largest_mb : megabytes that the sound in it may take
    """

    history: HistoryFile
    day: str
    days: int
    out: Path
    largest_mb: int


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "report", "write a day, or more, as one HTML file: what, when, how loud, with its sounds")
    parser.add_argument(
        "--day", default="yesterday", action=Once, help="today, yesterday or 2026-11-28 (default: yesterday)"
    )
    parser.add_argument(
        "--days",
        type=whole_number(1, 366),
        default=1,
        metavar="N",
        action=Once,
        help="so many days, of which that is the last (default: 1)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", action=Once, help="default: report.html"
    )
    parser.add_argument(
        "--largest-mb",
        type=whole_number(0, 1000),
        default=LARGEST_MB,
        metavar="N",
        action=Once,
        help=f"megabytes that the sounds in it may take (default: {LARGEST_MB})",
    )
    add_history_file(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the report; return the exit status."""
    asked = ReportOptions(HistoryFile.of(arguments), arguments.day, arguments.days, arguments.out, arguments.largest_mb)
    from datetime import timedelta

    from bowstream.history.html import page
    from bowstream.history.report import gather
    from bowstream.history.spans import day_named

    first = day_named(asked.day) - timedelta(days=asked.days - 1)
    with asked.history.opened() as connection:
        report = gather(connection, first, asked.days)
    asked.out.write_text(page(report, asked.largest_mb * 1e6), "utf-8")
    print(f"{asked.out} written: {sum(total.events for total in report.totals)} events")
    return 0

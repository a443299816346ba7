"""`bowstream report`: a day or more as one HTML file, to look at, to send or to print."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import Once, Verbs, add_verb, whole_number
from bowstream.cli.past import HistoryFile, add_history_file, add_source
from bowstream.config.report import ReportSettings

LARGEST_MB = 20


@dataclass(frozen=True)
class ReportOptions:
    """What to report on, and where.

    source : that heard what it is about; None for all
    day : the last one, as people name days
    days : how many
    out : the file; None for none
    send : how those in the configuration get it: `all` ways there are, `mail` or `webhook`; None for not at all
    largest_mb : megabytes that the sound in it may take
    """

    history: HistoryFile
    source: str | None
    day: str
    days: int
    out: Path | None
    send: str | None
    largest_mb: int


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "report", "write one or more days as one HTML file: events, loudness and recorded clips")
    parser.add_argument(
        "--day",
        default="yesterday",
        action=Once,
        help="last day of the report: today, yesterday or 2026-11-28 (default: yesterday)",
    )
    parser.add_argument(
        "--days",
        type=whole_number(1, 366),
        default=1,
        metavar="N",
        action=Once,
        help="number of days, up to and with --day (default: 1)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        action=Once,
        help="file to write, - for standard output (default: report.html, or none with --send)",
    )
    parser.add_argument(
        "--send",
        nargs="?",
        const="all",
        choices=("all", "mail", "webhook"),
        action=Once,
        help="send it by mail and webhook, or by one of them, as [report] in the configuration says",
    )
    parser.add_argument(
        "--largest-mb",
        type=whole_number(0, 1000),
        default=LARGEST_MB,
        metavar="N",
        action=Once,
        help=f"most megabytes of sound in it (default: {LARGEST_MB})",
    )
    add_source(parser)
    add_history_file(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write the report; return the exit status."""
    out = arguments.out or (None if arguments.send else Path("report.html"))
    history, days = HistoryFile.of(arguments), (arguments.day, arguments.days)
    asked = ReportOptions(history, arguments.source, *days, out, arguments.send, arguments.largest_mb)
    from datetime import timedelta

    from bowstream.cli.written import STDOUT, write_text
    from bowstream.history.html import page, summary, title_of
    from bowstream.history.report import gather
    from bowstream.history.send import send
    from bowstream.history.spans import day_named

    settings = recipients(asked.history, asked.send) if asked.send else None
    first = day_named(asked.day) - timedelta(days=asked.days - 1)
    with asked.history.opened(source=asked.source) as connection:
        report = gather(connection, first, asked.days, asked.source or "")
    html = page(report, asked.largest_mb * 1e6)
    if asked.out:
        write_text(asked.out, html)
        if asked.out != STDOUT:
            print(f"{asked.out} written: {report.n_events} events")
    if settings:
        ways = settings.ways if asked.send == "all" else [asked.send or ""]
        sent = send(settings, ways, f"What was heard, {title_of(report)}", summary(report), html)
        print(f"sent to {', '.join(sent)}: {report.n_events} events")
    return 0


def recipients(history: HistoryFile, way: str) -> ReportSettings:
    """Return who gets the report; raise `UsageError` if the configuration names nobody who does in this way."""
    from bowstream.cli.say import say
    from bowstream.config.file import load
    from bowstream.errors import UsageError

    config = load(history.config)
    config.check()
    if exposed := config.exposed():
        say(": ".join(exposed))
    if not config.settings.report:
        raise UsageError(f"--send needs a table [report] in {config.file or 'a configuration'}: see 'bowstream config'")
    if way != "all" and way not in config.settings.report.ways:
        raise UsageError(f"--send {way} needs a setting {'to' if way == 'mail' else way} in [report] of {config.file}")
    return config.settings.report

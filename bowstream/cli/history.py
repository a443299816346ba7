"""`bowstream history`: what was heard, when, how often, and when it did not listen."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bowstream.cli.parser import Once, Verbs, add_verb, whole_number
from bowstream.cli.past import Chosen, HistoryFile, add_chosen, add_history_file
from bowstream.errors import UsageError

if TYPE_CHECKING:
    from sqlite3 import Connection

    from bowstream.history.spans import Span

BY = ("event", "tag", "hour", "day", "minute")
SHOWN = 40
SILENCES = 3


@dataclass(frozen=True)
class HistoryOptions:
    """What to show of which events.

    by : what a line is about: an event, a tag, an hour (as a map), a day or a minute
    limit : events on the screen, the newest
    json, csv : as rows instead
    """

    history: HistoryFile
    chosen: Chosen
    by: str = "event"
    limit: int = SHOWN
    json: bool = False
    csv: bool = False

    def __post_init__(self) -> None:
        if self.by == "minute" and not (self.json or self.csv):
            raise UsageError("--by minute is for other programs: add --json or --csv")


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "history", "show past events: today's, or since any time, by event, tag, hour or day")
    add_chosen(parser, since="today")
    parser.add_argument(
        "--by",
        choices=BY,
        default=BY[0],
        action=Once,
        help="what each line shows (default: event); minute: loudness, and the highest score of each --tag",
    )
    parser.add_argument(
        "--limit",
        type=whole_number(1, 1_000_000),
        default=SHOWN,
        metavar="N",
        action=Once,
        help=f"how many of the newest events to show on the screen (default: {SHOWN})",
    )
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--json", action="store_true", help="write one JSON object per line, without a limit")
    rows.add_argument("--csv", action="store_true", help="write CSV rows for a spreadsheet, without a limit")
    add_history_file(parser)
    parser.set_defaults(run=run)


def options(arguments: Namespace) -> HistoryOptions:
    """Return what parsed arguments ask for."""
    history, chosen = HistoryFile.of(arguments), Chosen.of(arguments)
    return HistoryOptions(history, chosen, arguments.by, arguments.limit, arguments.json, arguments.csv)


def run(arguments: Namespace) -> int:
    """Show what is asked for; return the exit status."""
    asked = options(arguments)
    span = asked.chosen.span()
    with asked.history.opened(source=asked.chosen.source) as connection:
        asked.chosen.check_tags(connection)
        asked = replace(asked, chosen=asked.chosen.with_groups(asked.history))
        if asked.json or asked.csv:
            write_rows(connection, span, asked)
        else:
            show(connection, span, asked)
    return 0


def write_rows(connection: Connection, span: Span, asked: HistoryOptions) -> None:
    """Write what is asked for as JSON lines or CSV."""
    from bowstream.history import rows

    found, columns = rows_of(connection, span, asked)
    if asked.csv:
        rows.write_csv(found, columns, sys.stdout)
        return
    rows.write_json(found, asked.by, sys.stdout)
    if asked.by == "event":
        rows.write_json(states(connection, span), "state", sys.stdout)


def rows_of(
    connection: Connection, span: Span, asked: HistoryOptions
) -> tuple[Iterable[dict[str, Any]], Sequence[str]]:
    """Return the rows that are asked for, and the names of their columns."""
    from bowstream.history import queries, rows, totals

    tags = asked.chosen.tags
    if asked.by == "tag":
        return map(rows.tag_row, totals.top_tags(connection, span, tags)), rows.TAG_COLUMNS
    if asked.by == "hour":
        return rows.hour_rows(totals.by_hour(connection, span, tags)), rows.HOUR_COLUMNS
    if asked.by == "day":
        return map(rows.day_row, totals.by_day(connection, span, tags)), rows.DAY_COLUMNS
    if asked.by == "minute":
        minutes = queries.minutes(connection, span, tags)
        return rows.minute_rows(minutes), (*rows.MINUTE_COLUMNS, *minutes.tags)
    return map(rows.event_row, queries.events(connection, span, tags)), rows.EVENT_COLUMNS


def states(connection: Connection, span: Span) -> Iterator[dict[str, Any]]:
    """Yield when the listener ran, where sound was lost, and the listener's own messages."""
    from bowstream.history import queries
    from bowstream.history.listening import listened
    from bowstream.history.rows import stamp

    for one in listened(connection, span):
        yield {"kind": "listening", "time": stamp(one.start_ms), "duration_s": one.length_ms / 1000.0}
    for gap in queries.gaps(connection, span):
        yield {"kind": "gap", "time": stamp(gap.start_ms), "duration_s": gap.duration_ms / 1000.0, "source": gap.source}
    for notice in queries.notices(connection, span):
        yield {"kind": notice.kind, "time": stamp(notice.time_ms), "text": notice.text, "source": notice.source}


def show(connection: Connection, span: Span, asked: HistoryOptions) -> None:
    """Print what is asked for as a picture."""
    from rich.console import Console

    from bowstream.history import listening, queries, totals, view

    tags, console = asked.chosen.tags, Console(markup=False, highlight=False)
    found = totals.top_tags(connection, span, tags)
    n_events = sum(total.events for total in found)
    console.print(view.headline(span, listening.listened_s(connection, span), n_events))
    console.print()
    if asked.by == "hour":
        console.print(view.hours_map(totals.by_hour(connection, span, tags)))
    elif asked.by == "day":
        console.print(view.days_table(totals.by_day(connection, span, tags)))
    elif asked.by == "tag":
        console.print(view.tags_table(found))
    elif newest := queries.events(connection, span, tags, limit=asked.limit, newest_first=True):
        console.print(view.events_table(newest[::-1], with_day=len(span.days) > 1))
        if n_events > len(newest):
            console.print(f"… and {n_events - len(newest)} earlier ones: --limit {n_events} shows them all")
    console.print()
    console.print(view.silence_line(listening.silences(connection, span, tags, SILENCES)))
    for line in view.absences(listening.deaf(connection, span), queries.gaps(connection, span)):
        console.print(line)

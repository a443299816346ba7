"""`bowstream wrong` and `bowstream right`: say of an event in the history whether it was what it was taken for."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from bowstream.cli.parser import Verbs, add_verb
from bowstream.cli.past import HistoryFile, add_history_file

HELP = {
    "wrong": "mark an event as wrong: it was another sound, or none",
    "right": "mark an event as right",
}


@dataclass(frozen=True)
class VerdictOptions:
    """What to say of which events.

    verdict : `wrong` or `right`; None takes back what was said
    events : ids, or `last` for the newest
    """

    history: HistoryFile
    verdict: str | None
    events: tuple[str, ...]


def add_parser(verbs: Verbs) -> None:
    """Add both verbs."""
    for name, help_ in HELP.items():
        parser = add_verb(verbs, name, help_)
        parser.add_argument(
            "events",
            nargs="+",
            metavar="ID",
            help="id of an event, as 'bowstream history' shows it, or last for the newest",
        )
        parser.add_argument("--undo", action="store_true", help="remove the mark")
        add_history_file(parser)
        parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Note the verdict; return the exit status."""
    verdict = None if arguments.undo else arguments.verb
    asked = VerdictOptions(HistoryFile.of(arguments), verdict, tuple(arguments.events))
    from bowstream._text import printable
    from bowstream.history.queries import event, judge

    with asked.history.opened(writable=True) as connection:
        names = [event(connection, name).id for name in asked.events]  # a bad one is refused before any is judged
        for name in names:
            judged = judge(connection, name, asked.verdict)
            said = f"{judged.verdict}" if judged.verdict else "no longer judged"
            print(f"{judged.id}  {judged.onset:%Y-%m-%d %H:%M:%S}  {printable(judged.tag)}: {said}")
    from bowstream.cli.corrections import learn_from

    learn_from(asked.history, names, asked.verdict)
    return 0

"""`bowstream learn`, `learned` and `forget`: teach a sound, see what was taught, and take it back."""

from __future__ import annotations

from argparse import Namespace

from bowstream.cli.options import ForgetOptions, LearnOptions
from bowstream.cli.parser import CHOSEN, ConfigOptions, Once, Verbs, add_configuration, add_verb, number_of_seconds
from bowstream.config.settings import NEWEST_S


def add_parser(verbs: Verbs) -> None:
    """Add the verbs."""
    parser = add_verb(verbs, "learn", "teach a sound: a tag beside the bundle's, from a few recordings of it")
    add_configuration(parser, "bundle", "learned", "device", "sample_rate", "keep_examples", *CHOSEN)
    parser.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="name of the new tag, such as 'our doorbell'"
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="recording of the sound, or folder of recordings")
    seconds = number_of_seconds(NEWEST_S)
    parser.add_argument(
        "--last",
        type=seconds,
        metavar="SECONDS",
        action=Once,
        help="learn from the last seconds that a running 'listen' has heard",
    )
    parser.add_argument(
        "--source", metavar="NAME", default="", action=Once, help="with --last: which of several sources"
    )
    parser.add_argument(
        "--record",
        type=seconds,
        metavar="SECONDS",
        action=Once,
        help="record so many seconds from the microphone now, and learn from them",
    )
    parser.add_argument(
        "--event",
        metavar="ID",
        action="append",
        default=[],
        help="learn from the clip of an event, if one was kept; can be repeated",
    )
    parser.add_argument("--more", action="store_true", help="add to the recordings that the tag was taught with before")
    parser.add_argument(
        "--again", action="store_true", help="teach this bundle all sounds again, from the recordings that were kept"
    )
    parser.set_defaults(run=run_learn)

    parser = add_verb(verbs, "learned", "list the sounds that were taught")
    add_configuration(parser, "bundle", "learned")
    parser.add_argument("--json", action="store_true", help="write one JSON object per tag")
    parser.set_defaults(run=run_learned)

    parser = add_verb(verbs, "forget", "remove a taught sound, the corrections of a tag, or the last change")
    add_configuration(parser, "bundle", "learned")
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the taught sound")
    parser.add_argument("--corrections", metavar="TAG", help="remove what 'wrong' and 'right' changed for this tag")
    parser.add_argument(
        "--undo",
        action="store_true",
        help="undo the last change: of learn, forget, wrong or right, or of --undo itself",
    )
    parser.set_defaults(run=run_forget)


def run_learn(arguments: Namespace) -> int:
    """Teach a sound; return the exit status."""
    config = ConfigOptions.of(arguments)
    paths, events = tuple(arguments.paths), tuple(arguments.event)
    asked, last = arguments, (arguments.last, arguments.source)
    options = LearnOptions(config, asked.name, paths, *last, asked.record, events, asked.more, asked.again)
    from bowstream.cli.lessons import learn

    return learn(options)


def run_learned(arguments: Namespace) -> int:
    """List what was taught; return the exit status."""
    from bowstream.cli.lessons import show

    return show(ConfigOptions.of(arguments), arguments.json)


def run_forget(arguments: Namespace) -> int:
    """Take back what was taught; return the exit status."""
    asked = ForgetOptions(ConfigOptions.of(arguments), arguments.name, arguments.corrections, arguments.undo)
    from bowstream.cli.lessons import forget

    return forget(asked)

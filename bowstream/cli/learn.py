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
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="what to call it, as in 'our doorbell'")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="recording of it, or folder of them")
    seconds = number_of_seconds(NEWEST_S)
    parser.add_argument(
        "--last", type=seconds, metavar="SECONDS", action=Once, help="from what a running listen has just heard"
    )
    parser.add_argument(
        "--source", metavar="NAME", default="", action=Once, help="of several sources the one that --last is of"
    )
    parser.add_argument(
        "--record", type=seconds, metavar="SECONDS", action=Once, help="from the microphone, from now on"
    )
    parser.add_argument(
        "--event", metavar="ID", action="append", default=[], help="from an event's clip, if one was kept; repeat it"
    )
    parser.add_argument("--more", action="store_true", help="add them to what the tag was taught with")
    parser.add_argument(
        "--again", action="store_true", help="learn all again with this bundle, from the sound that was kept"
    )
    parser.set_defaults(run=run_learn)

    parser = add_verb(verbs, "learned", "list the sounds that were taught")
    add_configuration(parser, "bundle", "learned")
    parser.add_argument("--json", action="store_true", help="write one JSON object per tag")
    parser.set_defaults(run=run_learned)

    parser = add_verb(verbs, "forget", "take back a sound that was taught, what was corrected, or the last change")
    add_configuration(parser, "bundle", "learned")
    parser.add_argument("name", nargs="?", metavar="NAME", help="what it is called")
    parser.add_argument("--corrections", metavar="TAG", help="what 'wrong' and 'right' corrected of a tag")
    parser.add_argument(
        "--undo", action="store_true", help="take back the last change: of learn, forget, wrong, right, or of this"
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

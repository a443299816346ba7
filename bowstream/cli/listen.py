"""`bowstream listen`: name the sounds that a microphone hears, live."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace

from bowstream.cli.options import ListenOptions
from bowstream.cli.parser import HOW, ConfigOptions, Verbs, add_configuration, add_verb


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "listen", "name the sounds that a microphone hears, live")
    source = ("device", "sample_rate", "raw", "reconnect", *HOW)
    add_configuration(parser, "bundle", "hop_s", "sensitivity", "hold_s", *source)
    parser.add_argument(
        "--demo", action="store_true", help="listen to a made-up scene instead of a microphone; sinks receive nothing"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object per hop or event, and nothing else")
    parser.add_argument("--events", action="store_true", help="write events and gaps only, not every hop")
    parser.add_argument(
        "--history",
        action=BooleanOptionalAction,
        default=None,
        help="keep a history of events and loudness, without sound; see 'bowstream history' (default: as configured)",
    )
    parser.add_argument(
        "--web",
        action=BooleanOptionalAction,
        default=None,
        help="serve a page for browsers on this machine; keeps a history (default: as configured)",
    )
    parser.set_defaults(run=run)


def options(arguments: Namespace) -> ListenOptions:
    """Return what parsed arguments ask for."""
    config = ConfigOptions.of(arguments)
    asked = arguments
    return ListenOptions(config, asked.demo, asked.json, asked.events, asked.history, asked.web)


def run(arguments: Namespace) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    asked = options(arguments)
    from bowstream.cli.live import listen

    return listen(asked)

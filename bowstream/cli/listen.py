"""`bowstream listen`: name the sounds that a microphone hears, live."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace
from dataclasses import dataclass

from bowstream.cli.parser import ConfigOptions, Verbs, add_configuration, add_verb
from bowstream.errors import UsageError


@dataclass(frozen=True)
class ListenOptions:
    """What to listen to, and how to show it.

    demo : hear a made-up scene instead of a microphone
    json : write JSON lines instead of drawing
    events : leave hops out of what is written
    history : keep one, even if the configuration has none, or keep none; None does as the configuration says
    """

    config: ConfigOptions
    demo: bool = False
    json: bool = False
    events: bool = False
    history: bool | None = None

    def __post_init__(self) -> None:
        if self.demo and self.config.overrides.keys() & {"device", "sample_rate", "reconnect"}:
            raise UsageError("--demo hears a made-up scene: leave --device, --sample-rate and --reconnect out")
        if self.demo and self.history:
            raise UsageError("--demo hears a made-up scene: it leaves no history")


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "listen", "name the sounds that a microphone hears, live")
    add_configuration(parser, "bundle", "hop_s", "sensitivity", "hold_s", "device", "sample_rate", "reconnect")
    parser.add_argument(
        "--demo", action="store_true", help="hear a made-up scene instead of a microphone; sinks get nothing of it"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object per hop or event, nothing else")
    parser.add_argument("--events", action="store_true", help="write events and gaps only, nothing per hop")
    parser.add_argument(
        "--history",
        action=BooleanOptionalAction,
        default=None,
        help="keep a history, of events and loudness, not of sound; see 'bowstream history' (if it is configured)",
    )
    parser.set_defaults(run=run)


def options(arguments: Namespace) -> ListenOptions:
    """Return what parsed arguments ask for."""
    config = ConfigOptions.of(arguments)
    return ListenOptions(config, arguments.demo, arguments.json, arguments.events, arguments.history)


def run(arguments: Namespace) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    asked = options(arguments)
    from bowstream.cli.live import listen

    return listen(asked)

"""The tables `[sinks.NAME]`: where events, scores and health are delivered, beside the screen."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bowstream.config.fields import check_ranges, knob
from bowstream.errors import UsageError


def wanted(holds: bool, message: str) -> None:
    """Raise `UsageError` with a message such as `path wants a file, got none` unless it holds."""
    if not holds:
        raise UsageError(message)


@dataclass(frozen=True, kw_only=True)
class SinkSettings:
    """A table of a sink; every number is held to its knob's range."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class EventSinkSettings(SinkSettings):
    """Which events a sink gets."""

    only: tuple[str, ...] = knob((), help="tags that it gets; all if empty", example=["dog"], of_tags=True)
    states: tuple[str, ...] = knob(
        ("on",), help='"on" for an event\'s beginning, "off" for its end, which has its length, peak and mean'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(
            bool(self.states) and set(self.states) <= {"on", "off"},
            f'states wants "on", "off" or both, found {list(self.states)}',
        )

    def chooses(self, tag: str, state: str) -> bool:
        """Whether the sink gets an event of this tag in this state, `on` or `off`."""
        return state in self.states and (not self.only or tag in self.only)


@dataclass(frozen=True, kw_only=True)
class JsonlSettings(SinkSettings):
    """Where, and how much."""

    path: str = knob("bowstream.jsonl", help="the file; older ones lie beside it as .1 (the newest), .2 …")
    hops: bool = knob(False, help="write every hop with all scores, too: about 100 MB a day at one a second")
    rotate_mb: float = knob(10.0, help="megabytes at which the file is put aside", low=0.001, high=1e6)
    keep: int = knob(5, help="files put aside before the oldest is deleted", low=0, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(bool(self.path), "path wants a file, found none")


@dataclass(frozen=True, kw_only=True)
class ClipsSettings(SinkSettings):
    """Which events are kept as sound, where and how long."""

    folder: str = knob("clips", help="where the clips are put, as TIME_TAG.flac, the time in UTC")
    only: tuple[str, ...] = knob((), help="tags that are recorded; all if empty", example=["dog"], of_tags=True)
    never: tuple[str, ...] = knob(
        (),
        help="private tags: no clip is kept with a second in which one of them scores its off threshold or more",
        example=["laughing"],
        of_tags=True,
    )
    before_s: float = knob(2.0, help="seconds kept before an event", low=0.0, high=60.0)
    after_s: float = knob(2.0, help="seconds kept after an event", low=0.0, high=60.0)
    longest_s: float = knob(30.0, help="seconds at which a clip is cut off", low=1.0, high=600.0)
    cap_mb: float = knob(1000.0, help="megabytes that the clips may take; the oldest are deleted", low=0.1, high=1e7)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(bool(self.folder), "folder wants a path, found none")
        both = set(self.only) & set(self.never)
        wanted(not both, f"only and never both name {', '.join(sorted(both))}")
        wanted(self.before_s < self.longest_s, f"longest_s wants more than before_s, found {self.longest_s:g}")


@dataclass(frozen=True, kw_only=True)
class CommandSettings(EventSinkSettings):
    """What to run, for which events."""

    argv: tuple[str, ...] = knob(help="the program and its arguments; no shell", example=["notify-send", "a dog"])
    timeout_s: float = knob(10.0, help="seconds until it is killed, with all that it started", low=0.1, high=3600)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(bool(self.argv), "argv wants a program and its arguments, found none")
        program = expanded(self.argv[0])
        wanted(shutil.which(program) is not None, f"argv: there is no program {program!r} here")


def expanded(program: str) -> str:
    """Return a program's name with `~` filled in."""
    return str(Path(program).expanduser())


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(EventSinkSettings):
    """Where to send, for which events."""

    url: str = knob(help="gets a POST with the event's object as JSON", example="http://127.0.0.1:8080/sounds")
    authorization: str = knob("", help='value of the header of that name, as in "Bearer …"; none if empty', secret=True)
    timeout_s: float = knob(10.0, help="seconds to wait for an answer", low=0.1, high=600)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(
            self.url.startswith(("http://", "https://")),
            f"url wants an address that begins with http:// or https://, found {self.url!r}",
        )
        wanted(has_host(self.url), f"url wants a host after //, and no blanks, found {self.url!r}")
        wanted(self.authorization.isprintable(), "authorization wants one line of text")


def has_host(url: str) -> bool:
    """Whether a URL has a host, and a port that is a number if it has one, and can be sent."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class MqttSettings(SinkSettings):
    """Which broker, and how things are called there."""

    host: str = knob("localhost", help="the broker's name or address")
    port: int = knob(1883, help="the broker's port; 8883 is usual with tls", low=1, high=65535)
    username: str = knob("", help="who we are to the broker; empty if it does not ask")
    password: str = knob("", help="and how we prove it", secret=True)
    tls: bool = knob(False, help="encrypt, and check the broker's certificate")
    topic: str = knob("", help="root of the topics; bowstream/HOST if empty, HOST being this machine's name")
    discovery: str = knob("homeassistant", help="Home Assistant's discovery prefix; empty for no discovery")
    only: tuple[str, ...] = knob(
        (),
        help="tags with an entity of their own in Home Assistant; if empty, all have one, to be enabled there",
        example=["dog"],
        of_tags=True,
    )
    health_s: float = knob(30.0, help="seconds between two messages on health", low=1.0, high=86400.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(bool(self.host), "host wants the broker's name or address, found none")
        wanted(not set(self.topic) & set("+#"), f"topic wants a root without + and #, found {self.topic!r}")

    @property
    def root(self) -> str:
        """Root of the topics."""
        return self.topic.strip("/") or f"bowstream/{socket.gethostname()}"


@dataclass(frozen=True, kw_only=True)
class PrometheusSettings(SinkSettings):
    """Where Prometheus finds us."""

    port: int = knob(9464, help="port of http://ADDRESS:PORT/metrics", low=1, high=65535)
    address: str = knob("0.0.0.0", help="address to listen on; 127.0.0.1 for this machine only")


SETTINGS: Mapping[str, type[SinkSettings]] = {
    "jsonl": JsonlSettings,
    "clips": ClipsSettings,
    "command": CommandSettings,
    "webhook": WebhookSettings,
    "mqtt": MqttSettings,
    "prometheus": PrometheusSettings,
}

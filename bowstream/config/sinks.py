"""The tables `[sinks.NAME]`: where events, scores and health are delivered, beside the screen."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bowstream._text import MASK
from bowstream.config.fields import Checked, require, setting
from bowstream.config.paths import expanded

# MQTT allows 65,535 bytes; what we append is short.
LONGEST_TOPIC = 1000
LONGEST_MQTT = 65_535


@dataclass(frozen=True, kw_only=True)
class SinkSettings(Checked):
    """A table of a sink."""


@dataclass(frozen=True, kw_only=True)
class EventSinkSettings(SinkSettings):
    """Which events a sink gets."""

    only: tuple[str, ...] = setting(
        (), "tags or groups of tags to deliver; empty for all", example=["dog"], of_tags=True
    )
    states: tuple[str, ...] = setting(
        ("on",), '"on" to deliver the beginning of an event, "off" its end, with its length, peak and mean'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen = bool(self.states) and set(self.states) <= {"on", "off"}
        require(chosen, "states", f'must be "on", "off" or both (got {list(self.states)})')

    def chooses(self, tag: str, state: str) -> bool:
        """Whether the sink gets an event of this tag in this state, `on` or `off`."""
        return state in self.states and (not self.only or tag in self.only)


@dataclass(frozen=True, kw_only=True)
class JsonlSettings(SinkSettings):
    """Where, and how much."""

    path: str = setting("bowstream.jsonl", "the file; older ones are kept beside it as .1 (the newest), .2 …")
    hops: bool = setting(False, "write every hop with all scores, too: about 100 MB per day at one per second")
    rotate_mb: float = setting(10.0, "megabytes at which a new file is begun", low=0.001, high=1e6)
    keep: int = setting(5, "how many older files to keep", low=0, high=1000)
    shared: bool = setting(False, "make new files as the umask says; else only this user may read them")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.path), "path", "must be a file (got none)")


@dataclass(frozen=True, kw_only=True)
class HistorySettings(SinkSettings):
    """Where, and how much."""

    path: str = setting("", "the file; if empty, history.db in the service's folder, or in ~/.local/state/bowstream")
    days: float = setting(400.0, "days after which entries are deleted", low=0.01, high=36_500.0)
    cap_mb: float = setting(200.0, "largest size in megabytes; the oldest entries are deleted", low=0.5, high=1e6)
    sync_s: float = setting(
        1.0,
        "seconds of loudness that a power cut may lose, but no events; more is better for a memory card",
        low=0.1,
        high=60.0,
    )
    shared: bool = setting(False, "make a new file as the umask says; else only this user may read it")


@dataclass(frozen=True, kw_only=True)
class ClipsSettings(SinkSettings):
    """Which events are kept as sound, where and how long."""

    folder: str = setting("clips", "folder of the clips, named TIME_TAG.flac, with the time in UTC")
    only: tuple[str, ...] = setting(
        (), "tags or groups of tags to record; empty for all", example=["dog"], of_tags=True
    )
    never: tuple[str, ...] = setting(
        (),
        "private tags: no clip is kept with a second in which one of them scores its off threshold or more",
        example=["laughing"],
        of_tags=True,
    )
    before_s: float = setting(2.0, "seconds kept before an event", low=0.0, high=60.0)
    after_s: float = setting(2.0, "seconds kept after an event", low=0.0, high=60.0)
    longest_s: float = setting(30.0, "longest clip, in seconds", low=1.0, high=600.0)
    cap_mb: float = setting(1000.0, "largest size of all clips in megabytes; the oldest are deleted", low=0.1, high=1e7)
    shared: bool = setting(False, "make new files as the umask says; else only this user may read them")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.folder), "folder", "must be a path (got none)")
        both = sorted(set(self.only) & set(self.never))
        require(not both, "never", f"must be without what only names (got {', '.join(map(repr, both))})")
        longer = f"must be more than before_s, which is {self.before_s:g} (got {self.longest_s:g})"
        require(self.before_s < self.longest_s, "longest_s", longer)


def program_of(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return what may be printed of a command: its program, since an argument may hold a secret."""
    return (*argv[:1], *([MASK] if argv[1:] else []))


@dataclass(frozen=True, kw_only=True)
class CommandSettings(EventSinkSettings):
    """What to run, for which events."""

    argv: tuple[str, ...] = setting(
        help="the program and its arguments; no shell", example=["notify-send", "a dog"], lines=True, mask=program_of
    )
    timeout_s: float = setting(
        10.0,
        "seconds until it is killed, with all that it started; it runs for one event at a time, others wait",
        low=0.1,
        high=3600,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.argv), "argv", "must be a program and its arguments (got none)")
        program = str(expanded(self.argv[0]))
        require(shutil.which(program) is not None, "argv", f"must begin with a program that is here (got {program!r})")


def place_of(url: str) -> str:
    """Return what may be printed of a URL: the server, since what follows may hold a secret."""
    parts = urlsplit(url)
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return f"{parts.scheme}://{parts.netloc}/{MASK}" if rest else url


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(EventSinkSettings):
    """Where to send, for which events."""

    url: str = setting(
        help="URL that gets each event as a POST of JSON", example="http://127.0.0.1:8080/sounds", mask=place_of
    )
    authorization: str = setting("", 'the header Authorization, such as "Bearer …"; empty for none', secret=True)
    timeout_s: float = setting(10.0, "seconds that a request may take", low=0.1, high=600)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.url.startswith(("http://", "https://")), "url", "must begin with http:// or https://")
        require(has_host(self.url), "url", "must have a host after //, and only printable ASCII without blanks")
        named = "@" in urlsplit(self.url).netloc
        require(not named, "url", "must be without a user's name and password: authorization is for them")
        require(self.authorization.isascii(), "authorization", "must be ASCII, as headers are")


def has_host(url: str) -> bool:
    """Whether a URL has a host, and a port that is a number if it has one, and can be sent."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return False


def is_host(name: str) -> bool:
    """Whether a text can be a host's name or address."""
    try:
        return bool(name) and " " not in name and bool(name.encode("idna"))
    except UnicodeError:  # a part of it is empty, or too long
        return False


@dataclass(frozen=True, kw_only=True)
class MqttSettings(SinkSettings):
    """Which broker, and how things are called there."""

    host: str = setting("localhost", "the broker's name or address")
    port: int = setting(1883, "the broker's port; 8883 is usual with tls", low=1, high=65535)
    username: str = setting("", "user name at the broker; empty if it asks for none")
    password: str = setting("", "password at the broker", secret=True)
    tls: bool = setting(False, "encrypt, and check the broker's certificate")
    ca_file: Path | None = setting(
        None, "certificates (PEM) to check the broker's with; if not set, the system's", example="ca.pem"
    )
    cert_file: Path | None = setting(
        None, "client certificate (PEM), if the broker asks for one", example="bowstream.pem"
    )
    key_file: Path | None = setting(
        None, "its private key (PEM, without a password), unless cert_file holds it", example="bowstream.key"
    )
    topic: str = setting("", "first part of all topics; empty for bowstream/HOST, with this machine's name")
    discovery: str = setting("homeassistant", "Home Assistant's discovery prefix; empty for no discovery")
    only: tuple[str, ...] = setting(
        (),
        "tags or groups that get an entity in Home Assistant; if empty, all get one, to be enabled there",
        example=["dog"],
        of_tags=True,
    )
    health_s: float = setting(30.0, "seconds between two health messages", low=1.0, high=86400.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_host(self.host), "host", f"must be the broker's name or address (got {self.host[:40]!r})")
        for name in ("ca_file", "cert_file", "key_file"):
            require(self.tls or getattr(self, name) is None, name, "must come with tls = true")
        require(self.key_file is None or self.cert_file is not None, "key_file", "must come with cert_file")
        for name in ("username", "password"):
            length = len(getattr(self, name).encode())
            require(length <= LONGEST_MQTT, name, f"must be at most {LONGEST_MQTT} bytes (got {length})")
        for name in ("topic", "discovery"):
            topic = getattr(self, name)
            is_plain = not set(topic) & set("+#") and not topic.startswith("$")
            require(is_plain, name, f"must be without + and #, and must not begin with $ (got {topic[:40]!r})")
            length = len(topic.encode())
            require(length <= LONGEST_TOPIC, name, f"must be at most {LONGEST_TOPIC} bytes (got {length})")

    @property
    def root(self) -> str:
        """Root of the topics."""
        return self.topic.strip("/") or f"bowstream/{socket.gethostname()}"


@dataclass(frozen=True, kw_only=True)
class PrometheusSettings(SinkSettings):
    """Where Prometheus finds us."""

    port: int = setting(9464, "port of http://ADDRESS:PORT/metrics", low=1, high=65535)
    address: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 for the whole network")
    hosts: tuple[str, ...] = setting(
        (),
        "further host names that requests may use, beside addresses and this machine's own name",
        example=["bowstream.lan"],
    )


SETTINGS: Mapping[str, type[SinkSettings]] = {
    "jsonl": JsonlSettings,
    "clips": ClipsSettings,
    "history": HistorySettings,
    "command": CommandSettings,
    "webhook": WebhookSettings,
    "mqtt": MqttSettings,
    "prometheus": PrometheusSettings,
}

"""What can be set: the configuration's settings, with their units, ranges and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowstream._text import redacted
from bowstream.config.address import check_device
from bowstream.config.fields import Checked, require, setting
from bowstream.config.report import ReportSettings
from bowstream.config.web import WebSettings

# The newest sound, in seconds, that a listener keeps in memory: a sound can be taught from it.
NEWEST_S = 30.0


LAST_CHANNEL = 64


@dataclass(frozen=True)
class TagSettings(Checked):
    """A table `[tags.NAME]`: what differs from the bundle for one tag."""

    on: float | None = setting(None, "score at which its events begin", low=0.0, high=1.0, example=0.7)
    off: float | None = setting(
        None, "score below which they end; at most the one at which they begin", low=0.0, high=1.0, example=0.5
    )
    alias: str | None = setting(None, "the tag's name in all output", example="Rex")
    muted: bool = setting(False, "leave the tag out of all output")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alias is not None:
            require(bool(self.alias.strip()), "alias", "must be a name (got none)")
        check_off(self.on, self.off)


@dataclass(frozen=True)
class SourceSettings(Checked):
    """What can be set of a source, in its table `[sources.NAME]`, or outside of all tables for each of them.

    Names and units are those of the file; `None` leaves it to the device or bundle.
    """

    device: str | None = setting(
        None,
        "microphone (its id, its number or part of its name, as 'bowstream devices' shows them), or a stream: "
        "rtsp://…, http://…, udp://…, - for standard input, /… or ./… for a file that grows",
        example="usb-port:1-1.2",
        metavar="WHICH",
        mask=redacted,
        login=True,
    )
    raw: str | None = setting(
        None,
        "format of headerless sound in a file or on standard input: RATE[:CHANNELS[:ENCODING]]",
        example="16000:1:PCM_16",
        metavar="FORMAT",
    )
    sample_rate: int | None = setting(
        None,
        "sample rate to ask the device for, in Hz; if not set, 16000, or else the device's own",
        low=4000,
        high=768_000,
        example=48_000,
        metavar="HZ",
    )
    reconnect: bool = setting(
        False, "wait for a microphone or stream that is absent, is busy or has ended, instead of stopping"
    )
    channels: tuple[int, ...] = setting(
        (),
        "channels to listen to, counted from 1; empty for all",
        low=1,
        high=LAST_CHANNEL,
        example=[1],
        metavar="N[,N…]",
    )
    mix: str = setting(
        "mean",
        "how several channels become one: mean (the loudest where they cancel out), or best (the best at each moment)",
        choices=("mean", "best"),
    )
    track: str | None = setting(
        None,
        "sound track of a film or stream: its number, counted from 1, its language or its title; if not set, the first",
        example="deu",
        metavar="WHICH",
    )
    highpass_hz: float | None = setting(
        None,
        "filter out what is below this frequency: 20 removes a DC offset, 200 also mains hum",
        low=20.0,
        high=1000.0,
        example=100.0,
        metavar="HZ",
    )
    hop_s: float = setting(1.0, "seconds between two scores, in steps of 0.1", low=0.1, high=1.0, metavar="SECONDS")
    sensitivity: float = setting(
        0.5,
        "moves the scores of all tags: 0 gives the fewest events, 1 the most; 'bowstream check' shows the cost",
        low=0.0,
        high=1.0,
    )
    hold_s: float = setting(
        1.0, "longest pause in a sound, in seconds, before its event ends", low=0.0, high=3600.0, metavar="SECONDS"
    )
    confirm_hops: int = setting(
        1, "scores in a row that must reach a tag's threshold before an event begins", low=1, high=100
    )
    on: float | None = setting(
        None, "score at which events begin, for all tags; if not set, each tag's own", low=0.0, high=1.0, example=0.6
    )
    off: float | None = setting(
        None,
        "score below which events end, for all tags; at most the lowest score at which one begins",
        low=0.0,
        high=1.0,
        example=0.4,
    )
    only: tuple[str, ...] = setting(
        (), "tags or groups of tags to listen for; empty for all", example=["alarms", "dog"]
    )
    silence_s: float = setting(60.0, "seconds of silence after which to warn", low=1.0, high=86_400.0)
    tags: Mapping[str, TagSettings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device is not None:
            check_device(self.device)
        require(self.track is None or bool(self.track.strip()), "track", "must be a number or a name (got none)")
        once = len(set(self.channels)) == len(self.channels)
        require(once, "channels", f"must name each channel once (got {list(self.channels)})")
        tenths = self.hop_s * 10.0
        require(abs(tenths - round(tenths)) < 1e-6, "hop_s", f"must be one of 0.1, 0.2, … 1.0 (got {self.hop_s:g})")
        check_off(self.on, self.off)

    @property
    def hop_columns(self) -> int:
        """Columns of 100 ms between two scores."""
        return round(self.hop_s * 10.0)


@dataclass(frozen=True)
class Settings(SourceSettings):
    """The whole configuration.

    sources : what is heard, by name, each with all of its settings; empty for the one `device`
    """

    bundle: Path | None = setting(
        None, "folder of the model bundle; if not set, the one that is shipped", example="bundle", metavar="FOLDER"
    )
    learned: Path | None = setting(
        None,
        "file of the taught sounds; if not set, learned.npz beside the configuration",
        example="learned.npz",
        metavar="FILE",
    )
    keep_examples: bool = setting(
        False, "keep the recordings of taught sounds in that file, too, so that another bundle can learn them"
    )
    room: bool = setting(
        False, "learn what the room usually sounds like (codes are kept, no sound), to tell taught sounds apart from it"
    )
    false_per_day: float = setting(
        1.0,
        "wrong events per tag and day that are acceptable; each further one that you mark raises the tag's threshold",
        low=0.0,
        high=1000.0,
    )
    merge_s: float = setting(
        0.0,
        "report a sound once, by the loudest source, if its onsets are at most this many seconds apart; 0 for never",
        low=0.0,
        high=10.0,
    )
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    sinks: Mapping[str, Any] = field(default_factory=dict)
    report: ReportSettings | None = None
    web: WebSettings | None = None

    @property
    def heard(self) -> Mapping[str, SourceSettings]:
        """What is heard, by name: the sources, or the one device, which has none."""
        return self.sources or {"": self}

    def own_name(self, tag: str) -> str:
        """Return the name that a tag has in the bundle, for its name in all output."""
        tables = (self.tags, *(source.tags for source in self.sources.values()))
        return next((name for tags in tables for name, own in tags.items() if own.alias == tag), tag)


def check_off(on: float | None, off: float | None) -> None:
    """Raise `SettingError` if events would end at a higher score than they begin at."""
    if on is not None and off is not None:
        require(off <= on, "off", f"must be at most on, which is {on:g} (got {off:g})")

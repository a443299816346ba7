"""What `listen`, `replay`, `learn` and `forget` are asked for: made by their parsers, read by what carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import ConfigOptions
from bowstream.config.fields import flag
from bowstream.errors import UsageError

# Settings that the demo scene has no use for.
OF_A_DEVICE = ("device", "sample_rate", "raw", "reconnect", "channels", "mix", "track")


@dataclass(frozen=True)
class ListenOptions:
    """What to listen to, and how to show it.

    demo : hear a made-up scene instead of a microphone
    json : write JSON lines instead of drawing
    events : leave hops out of what is written
    history : keep one, even if the configuration has none, or keep none; None does as the configuration says
    web : serve the page, even if the configuration has none, or do not; None does as the configuration says
    """

    config: ConfigOptions
    demo: bool = False
    json: bool = False
    events: bool = False
    history: bool | None = None
    web: bool | None = None

    def __post_init__(self) -> None:
        if self.demo and (named := [flag(name) for name in OF_A_DEVICE if name in self.config.overrides]):
            raise UsageError(f"--demo hears a made-up scene: leave {' and '.join(named)} out")
        if self.demo and self.history:
            raise UsageError("--demo hears a made-up scene: it leaves no history")


@dataclass(frozen=True)
class ArchiveOptions:
    """Where the tables of an archive go, and what is in them.

    scores, loudness : a row per hop, a row per minute
    dask : the scheduler of a cluster that carries it out; None for this machine
    retry : hear once more what could not be heard
    """

    out: Path
    scores: bool = False
    loudness: bool = False
    dask: str | None = None
    retry: bool = False


@dataclass(frozen=True)
class ReplayOptions:
    """Which recordings to replay, and how to show what is in them.

    paths : files, folders, or - for standard input
    raw : format of headerless input as `RATE[:CHANNELS[:ENCODING]]`; None where files say it themselves
    realtime : play at the recordings' pace, with the dashboard
    jobs : processes that share the recordings
    json, csv : write JSON lines, or one row per event
    labels : for which program to write a file of labels beside each recording; None for none
    start : when the recording began; None for what it says itself
    timezone : of clocks that do not say it; None for this machine's
    archive : write tables to a folder instead, in a job that can be stopped and gone on with
    """

    config: ConfigOptions
    paths: tuple[str, ...]
    raw: str | None = None
    realtime: bool = False
    jobs: int = 1
    json: bool = False
    csv: bool = False
    labels: str | None = None
    start: str | None = None
    timezone: str | None = None
    archive: ArchiveOptions | None = None

    def __post_init__(self) -> None:
        if self.realtime and (self.csv or self.jobs > 1):
            raise UsageError(
                "--realtime plays one recording after another on the screen, or as --json: not with --csv, --jobs"
            )
        if self.labels and (self.realtime or "-" in self.paths):
            raise UsageError("--labels writes a file beside each recording: not with --realtime or standard input")
        if self.archive and (self.realtime or self.json or self.csv or self.start or "-" in self.paths):
            raise UsageError(
                "--out writes tables of recordings: not with --realtime, --json, --csv, --start or standard input"
            )
        if self.archive and self.archive.dask and self.jobs > 1:
            raise UsageError("--dask uses the workers of a cluster: leave --jobs out")
        if not self.paths:
            raise UsageError("there is no recording in the list")
        if self.paths.count("-") > 1:
            raise UsageError("standard input can be read once: name - once")


@dataclass(frozen=True)
class LearnOptions:
    """What to teach.

    name : of the tag
    paths : recordings of the sound, and folders of them
    last_s : so many of the seconds that a running listener has just heard
    source : which of several sources they are of; empty for the first
    record_s : so many seconds from the microphone, now
    events : ids of events whose clips were kept
    more : add the examples to those that a tag was taught with
    again : all that was taught, with this bundle, from the sound that was kept; then there is no name
    """

    config: ConfigOptions
    name: str = ""
    paths: tuple[str, ...] = ()
    last_s: float | None = None
    source: str = ""
    record_s: float | None = None
    events: tuple[str, ...] = ()
    more: bool = False
    again: bool = False

    def __post_init__(self) -> None:
        if self.source and self.last_s is None:
            raise UsageError("--source goes with --last: it names one of several sources")
        if self.again:
            if self.name or self.paths or self.last_s or self.record_s or self.events or self.more:
                raise UsageError("--again learns all that was kept: leave the name and examples out")
            return
        if not self.name:
            raise UsageError("learn takes a NAME, or --again")
        given = (bool(self.paths), self.last_s is not None, self.record_s is not None, bool(self.events))
        if given.count(True) != 1:
            raise UsageError("learn takes recordings, --last SECONDS, --record SECONDS or --event ID")


@dataclass(frozen=True)
class ForgetOptions:
    """What to take back.

    name : a tag that was taught
    corrections : a tag of which verdicts corrected something
    undo : the last change
    """

    config: ConfigOptions
    name: str | None = None
    corrections: str | None = None
    undo: bool = False

    def __post_init__(self) -> None:
        if [self.name is not None, self.corrections is not None, self.undo].count(True) != 1:
            raise UsageError("forget takes a NAME, --corrections TAG or --undo")

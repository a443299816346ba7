"""`bowstream replay ARCHIVE --out FOLDER`: a job that can be stopped at any moment and gone on with."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone, tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from bowstream import __version__
from bowstream.archive import cluster
from bowstream.archive import work as archive_work
from bowstream.archive.engine import Engine, Local
from bowstream.archive.hear import Wanted
from bowstream.archive.job import carry_on
from bowstream.archive.manifest import Manifest, read_manifest, write_manifest
from bowstream.archive.plan import PART_S, PART_WINDOWS, Recording, site_of, tasks_of, write_plan
from bowstream.archive.remote import is_address, listed
from bowstream.archive.results import Results
from bowstream.archive.summary import summarise
from bowstream.archive.work import PATIENCE_S, Work, fingerprint
from bowstream.audio.clock import rfc3339
from bowstream.audio.file import AudioFile
from bowstream.audio.opening import mixed, raw_format
from bowstream.audio.started import in_name, started_at
from bowstream.cli.folders import Found, find_recordings
from bowstream.cli.options import ArchiveOptions, ReplayOptions
from bowstream.cli.parser import HOW
from bowstream.cli.recordings import open_bundle
from bowstream.cli.say import say
from bowstream.cli.setup import load, open_session
from bowstream.cli.signals import interruptible
from bowstream.cli.times import parse_zone
from bowstream.config.file import Config
from bowstream.errors import AudioError, BowstreamError
from bowstream.model.bundle import Bundle
from bowstream.output.progress import Pace
from bowstream.records import describe
from bowstream.tagger import Tagger

# A file that is smaller is no recording of many hours, whatever its format.
SMALL_BYTES = 1 << 26
# Of two recordings that are taken to be alike, one is so many times as large as the other at most.
ALIKE = 4
# Settings that results follow from.
SETTINGS = ("hop_s", "hold_s", "confirm_hops", "sensitivity", *HOW)


def archive(
    options: ReplayOptions, asked: ArchiveOptions, part_s: float = PART_S, patience_s: float = PATIENCE_S
) -> int:
    """Begin a job, or go on with it; return the exit status."""
    config, zone = load(options.config), parse_zone(options.timezone)
    bundle = open_bundle(config)
    wanted = Wanted(asked.scores, asked.loudness)
    tagger = Tagger(bundle, config.settings.hop_s)
    with interruptible(), alone(asked.out):
        part_s = min(part_s, PART_WINDOWS * config.settings.hop_s)
        manifest = begun(options, asked, config, bundle, partial(plan, zone=zone, part_s=part_s))
        info = describe(Nothing(), tagger, config.settings.confirm_hops, None)
        results = Results(asked.out, info, config.settings.hold_s, wanted, asked.retry)
        opening = partial(open_bundle, config), partial(open_session, config.settings)
        format = mixed(bundle.front_end.format, config.settings)
        work = Work(*opening, fingerprint(bundle), wanted, format, raw_format(options.raw), patience_s)
        with Pace() as pace:
            try:
                carry_on(asked.out, results, engine(options, asked), work, pace)
            except (KeyboardInterrupt, SystemExit):
                pace.print(f"bowstream: stopped: {pace.line()}; the same command continues")
                raise
        outcome = summarise(asked.out, info, options.labels, manifest.passed_over)
    print(outcome)
    return 1 if outcome.failed else 0


class Nothing:
    """A source without sound, to describe what all recordings have in common."""

    name = ""
    duration_s: float | None = None
    live = False
    clipped = overflows = 0

    def __iter__(self) -> Iterator[None]:
        return iter(())


def engine(options: ReplayOptions, asked: ArchiveOptions) -> Engine:
    """Return who carries it out: a cluster, where Dask is installed, and there is more than one process."""
    if asked.dask or (options.jobs > 1 and cluster.is_there()):
        found = cluster.Cluster(asked.dask, options.jobs, archive_work.children)
        if not found.has_workers:
            say("the cluster has no workers yet: waiting for them")
        return found
    return Local(options.jobs, archive_work.children)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Hold on to a folder of results, which is made if it is not there; raise `BowstreamError` if another does."""
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BowstreamError(f"another bowstream is writing to {out}") from error
    finally:
        os.close(descriptor)


def begun(
    options: ReplayOptions,
    asked: ArchiveOptions,
    config: Config,
    bundle: Bundle,
    plan: Callable[[Path, Sequence[str]], tuple[Found, int, int]],
) -> Manifest:
    """Return what the job was begun with, after listing what there is if it begins now."""
    now = Manifest(
        paths=tuple(path if is_address(path) else os.path.abspath(path) for path in options.paths),  # noqa: PTH100
        bundle=bundle.name,
        bundle_sha256=bundle.description["sha256"],
        fingerprint=fingerprint(bundle),
        settings={name: plain(getattr(config.settings, name)) for name in SETTINGS},
        timezone=options.timezone,
        raw=options.raw,
        tables=tuple(name for name in ("scores", "loudness") if getattr(asked, name)),
        created=rfc3339(datetime.now(timezone.utc)),
        version=__version__,
    )
    if before := read_manifest(asked.out):
        before.check(now)
        return before
    if any(asked.out.iterdir()):
        raise BowstreamError(f"{asked.out} is not empty and holds no results of bowstream: name another folder")
    found, recordings, size = plan(asked.out, now.paths)
    for line in found.lines:
        say(line)
    manifest = replace(now, recordings=recordings, bytes=size, passed_over=tuple(found.passed_over))
    write_manifest(asked.out, manifest)  # last: until it is there, nothing has begun
    return manifest


def plain(value: Any) -> Any:
    """Return a setting as JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def plan(out: Path, paths: Sequence[str], zone: tzinfo | None, part_s: float) -> tuple[Found, int, int]:
    """List the recordings and write them as tasks; return what was found, how many, and their bytes."""
    found = find_recordings([path for path in paths if not is_address(path)])
    there = [entry for path in paths if is_address(path) for entry in listed(path)]
    lengths = Lengths(min(SMALL_BYTES, part_s * 1000))
    recordings = [recording_here(path, paths, zone, lengths) for path in found.paths]
    recordings += [
        Recording(path, size, in_name(path.partition("::")[0], zone), site_of(path.partition("::")[0], paths))
        for path, size in there
    ]
    if not recordings:
        raise BowstreamError("there is no recording to hear")
    count = write_plan(out, tasks_of(recordings, part_s))
    return found, count, sum(recording.size for recording in recordings)


class Lengths:
    """How long recordings are, before they are heard: a small one is taken to be like another of its folder.

    That is the last that was opened, if it has about as many bytes: silence takes a hundredth of them in FLAC.

    Parameters
    ----------
    small_bytes : of a recording that need not be opened
    """

    def __init__(self, small_bytes: float) -> None:
        self._small_bytes = small_bytes
        self._opened: dict[tuple[str, str], tuple[int, float]] = {}  # size and length, by folder and ending

    def of(self, path: str, size: int) -> float | None:
        """Return the length of a recording of so many bytes, in seconds; None if nothing tells it."""
        kind = str(Path(path).parent), Path(path).suffix
        like, like_s = self._opened.get(kind, (0, 0.0))
        if like and size <= self._small_bytes and like / ALIKE <= size <= like * ALIKE:
            return like_s * size / like
        if (length_s := length_of(path)) is not None:
            self._opened[kind] = size, length_s
        return length_s


def recording_here(path: str, roots: Sequence[str], zone: tzinfo | None, lengths: Lengths) -> Recording:
    """Return what is known of a file before it is heard."""
    try:
        size = os.stat(path).st_size  # noqa: PTH116, a name need not be text
    except OSError:
        size = 0  # that is reported when it is replayed
    return Recording(path, size, started_at(path, zone), site_of(path, roots), lengths.of(path, size))


def length_of(path: str) -> float | None:
    """Return the length that a recording states, in seconds; None if it states none."""
    try:
        with AudioFile(path) as recording:
            return recording.duration_s
    except AudioError:
        return None  # that is reported when it is replayed

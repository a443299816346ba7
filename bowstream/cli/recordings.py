"""Recordings, as fast as the machine goes or at their own pace."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import lru_cache, partial
from pathlib import Path
from typing import TextIO

from bowstream._text import printable
from bowstream.archive.child import Children, CrashError, Tell
from bowstream.archive.engine import Local
from bowstream.archive.work import bundle_with, fingerprint
from bowstream.audio.file import AudioFile
from bowstream.audio.opening import mixed, raw_format
from bowstream.audio.raw import RawFormat
from bowstream.audio.started import started_at
from bowstream.audio.stream import Player
from bowstream.cli.folders import find_recordings
from bowstream.cli.options import ReplayOptions
from bowstream.cli.say import say
from bowstream.cli.setup import load, open_session, personalise
from bowstream.cli.signals import interruptible
from bowstream.cli.times import parse_start, parse_zone
from bowstream.cli.written import write_text
from bowstream.config.file import Config
from bowstream.errors import AudioError
from bowstream.model.bundle import Bundle
from bowstream.output.labels import FORMATS, SUFFIXES, Label
from bowstream.output.lines import JsonLines
from bowstream.output.progress import Bar
from bowstream.output.report import Gathering, Report, Results
from bowstream.records import Sound
from bowstream.session import Session
from bowstream.tagger import load_bundle

cached_bundle = lru_cache(load_bundle)


def replay(options: ReplayOptions) -> int:
    """Replay each recording; a bad one is named on standard error and the rest still done. Return the exit status."""
    raw, zone = raw_format(options.raw), parse_zone(options.timezone)
    config = load(options.config)
    bundle = open_bundle(config)  # once for all recordings; a bad one is refused before any is heard
    found = find_recordings(options.paths)
    for line in found.lines:
        say(line)
    paths = found.paths
    start = parse_start(options.start, zone, len(paths))
    work = Work(config, fingerprint(bundle), raw, options.json, start, zone)
    with interruptible():
        errors = play_all(paths, work, bundle) if options.realtime else replay_all(paths, work, bundle, options)
    if errors and len(paths) > 1:
        say(f"{errors} of {len(paths)} recordings could not be heard whole")
    if found.passed_over or found.in_folders:
        say(found.summary(len(paths) - errors))
    return 1 if errors else 0


@dataclass(frozen=True)
class Work:
    """What is done with each recording, in this process or another.

    fingerprint : of the bundle
    raw : its format, if it is headerless
    json : whether JSON lines are written
    start : when the recording began; None for what it says itself
    zone : of clocks that do not say it; None for this machine's
    """

    config: Config
    fingerprint: str
    raw: RawFormat | None
    json: bool
    start: datetime | None = None
    zone: tzinfo | None = None

    def opened(self, path: str, bundle: Bundle) -> AudioFile:
        """Return a recording, to be entered; raise `AudioError` if it cannot be heard."""
        return AudioFile(path, mixed(bundle.front_end.format, self.config.settings), self.raw)

    def started_at(self, path: str) -> datetime | None:
        """Return when a recording began; None if that is not known."""
        return self.start or (None if path == "-" else started_at(path, self.zone))


def replay_all(paths: Sequence[str], work: Work, bundle: Bundle, options: ReplayOptions) -> int:
    """Replay as fast as the machine goes; return how many failed. Interrupted, it says what it has so far."""
    done, errors = 0, 0
    jobs = min(options.jobs, len(paths))
    with closing(Results(options.json, options.csv)) as results, Bar(len(paths)) as bar:
        try:
            for report in in_parallel(paths, work, jobs) if jobs > 1 else in_turn(paths, work, bundle, bar):
                for note in report.notes:
                    bar.print(printable(f"bowstream: {report.name}: {note}"))
                if report.error:
                    errors += 1
                    bar.print(f"bowstream: {printable(report.error)}")
                results.put(report)
                if options.labels and report.windows:
                    write_labels(report, options.labels)
                done += 1
                bar.next_file()
        except KeyboardInterrupt:
            bar.print(f"bowstream: interrupted after {done} of {len(paths)} recordings")
            raise
    return errors


def write_labels(report: Report, to: str) -> None:
    """Write a recording's events beside it, as far as it was heard."""
    labels = [Label(each["onset_s"], each["offset_s"], each["tag"], each["peak"]) for each in report.events]
    write_text(Path(report.name + SUFFIXES[to]), FORMATS[to](labels), 0o666)


def play_all(paths: Sequence[str], work: Work, bundle: Bundle) -> int:
    """Replay at the recordings' own pace, through the path of a microphone; return how many failed."""
    from bowstream.cli.live import Shown, run  # with the sinks and the page, which need not be here otherwise

    errors = 0
    for path in paths:
        try:
            with work.opened(path, bundle) as recording:
                shown = Shown(work.json, labels={"file": recording.name})
                try:
                    session = run(played(recording, bundle, work, work.started_at(path)), work.config, shown, {})
                finally:
                    for note in recording.notes:
                        say(f"{recording.name}: {note}")
        except AudioError as error:
            errors += 1
            say(str(error))
        else:
            if session.stopping:
                break
    return errors


@contextmanager
def played(recording: AudioFile, bundle: Bundle, work: Work, began: datetime | None) -> Iterator[Session]:
    """Yield the session of a recording that is played at its own pace."""
    with Player(recording, bundle.front_end.format) as player:
        yield open_session(work.config.settings, player, bundle, began)


def open_bundle(config: Config) -> Bundle:
    """Return the bundle as it is configured, with what it was taught; it is loaded once."""
    return personalise(config, cached_bundle(config.settings.bundle))


def in_turn(paths: Sequence[str], work: Work, bundle: Bundle, bar: Bar) -> Iterator[Report]:
    """Hear recordings one after another in this process; JSON lines are written as they come."""
    for path in paths:
        yield hear_recording(path, work, bundle, sys.stdout, bar.advance)


def in_parallel(paths: Sequence[str], work: Work, jobs: int) -> Iterator[Report]:
    """Hear recordings in several processes; the reports and their JSON lines come in the order of the paths."""
    children = Children()
    with tempfile.TemporaryDirectory(prefix="bowstream-") as folder, closing(Local(jobs, children)) as engine:
        files = [Path(folder, str(index)) for index in range(len(paths))]
        futures = [engine.submit(spooled, children, path, file, work) for path, file in zip(paths, files)]
        for future, file in zip(futures, files):
            report = future.result()
            if file.exists():
                with file.open(encoding="utf-8") as lines:
                    sys.stdout.writelines(lines)
                file.unlink()
            yield report


def spooled(children: Children, path: str, file: Path, work: Work) -> Report:
    """Have a child of this thread hear a recording; what it dies of is said of the recording."""
    try:
        report: Report = children.mine().call(spool_recording, path, file, work)
        return report
    except CrashError as error:
        return Report(path, error=f"{path}: {error}: try fewer --jobs")


def spool_recording(path: str, file: Path, work: Work, tell: Tell) -> Report:
    """Hear a recording in a process of its own, its JSON lines going to a file."""
    bundle = bundle_with(work.fingerprint, partial(open_bundle, work.config))
    with file.open("w", encoding="utf-8") as lines:
        return hear_recording(path, work, bundle, lines)


def hear_recording(
    path: str, work: Work, bundle: Bundle, lines: TextIO, advance: Callable[[float], None] = lambda share: None
) -> Report:
    """Hear a recording as fast as the machine goes; `advance` is told the share of it that each step has done."""
    report = Report(path)
    try:
        with work.opened(path, bundle) as recording:
            session = open_session(work.config.settings, recording, bundle, work.started_at(path))
            gathering = Gathering(session.info)
            json_lines = JsonLines(lines, labels={"file": recording.name}) if work.json else None
            try:
                for record in session:
                    gathering.write(record)
                    if json_lines:
                        json_lines.write(record)
                    if isinstance(record, Sound) and recording.duration_s:
                        advance(len(record.samples) / bundle.front_end.sample_rate / recording.duration_s)
            finally:
                report = replace(gathering.report(recording.name), heard_s=recording.heard_s, notes=recording.notes)
    except AudioError as error:
        return replace(report, error=str(error))
    return report

"""`bowstream replay`: recordings, as fast as the machine goes or at their own pace."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .bundle import Bundle
from .errors import AudioError, UsageError
from .listen import hear, stopped_by_signals
from .live import Player
from .output import CsvEvents, JsonLines, Summary, named, ranked
from .probe import load_bundle
from .session import Session, Sound
from .sources import SUFFIXES, AudioFile, RawFormat


def run(arguments: Namespace) -> int:
    """Replay each recording; a bad one is named on standard error and the rest still done. Return the exit status."""
    raw = parse_raw(arguments.raw)
    bundle = load_bundle(arguments.bundle)
    paths = list(find_recordings(arguments.paths))
    results = Results(bundle, arguments)
    failed = 0
    with Bar(len(paths), quiet=arguments.realtime) as bar:
        for path in paths:
            try:
                with AudioFile(path, bundle.front_end, raw) as recording:
                    done = results.play(recording) if arguments.realtime else results.replay(recording, bar)
            except AudioError as error:
                failed += 1
                bar.print(f"bowstream: {error}")
                continue
            finally:
                bar.next_file()
            if not done:
                break
    results.close()
    if failed and len(paths) > 1:
        print(f"bowstream: {failed} of {len(paths)} recordings could not be heard whole", file=sys.stderr)
    return 1 if failed else 0


def parse_raw(text: str | None) -> RawFormat | None:
    """Read `--raw`; raise `UsageError` if it is no format."""
    try:
        return RawFormat.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--raw wants RATE[:CHANNELS[:ENCODING]] as in 16000:1:PCM_16, got {text!r}") from error


def find_recordings(paths: Sequence[str]) -> Iterator[str]:
    """Yield files as they are named, and what soundfile could read in folders, sorted, however deep.

    Raises
    ------
    AudioError
        If a folder holds no recording.
    """
    for path in paths:
        if not Path(path).is_dir():
            yield path
            continue
        inside = sorted(str(file) for file in Path(path).rglob("*") if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise AudioError(f"{path}: there is no recording in this folder (looked for .wav, .flac, .ogg, .mp3 …)")
        yield from inside


class Results:
    """Works recordings out one after another and says what was heard in each, in the format asked for."""

    def __init__(self, bundle: Bundle, arguments: Namespace) -> None:
        self.bundle = bundle
        self.arguments = arguments
        self._csv = CsvEvents(sys.stdout) if arguments.csv else None
        self._table = results_table()

    def replay(self, recording: AudioFile, bar: Bar) -> bool:
        """Hear a recording as fast as the machine goes; return False if it was interrupted."""
        session = Session(recording, self.bundle, self.arguments.hop, self.arguments.hold)
        summary = Summary(session)
        lines = JsonLines(sys.stdout, session, {"file": recording.name}) if self.arguments.json else None
        with stopped_by_signals(session):
            for record in session:
                summary.write(record)
                if lines:
                    lines.write(record)
                if isinstance(record, Sound):
                    bar.advance(len(record.samples) / self.bundle.front_end.sample_rate, recording.duration_s)
        if session.stopping:
            return False
        self._say(recording, summary, lines)
        return True

    def play(self, recording: AudioFile) -> bool:
        """Hear a recording at its own pace, through the path of a microphone; return False if it was interrupted."""
        summary = hear(Player(recording, self.bundle.front_end), self.bundle, self.arguments, {"file": recording.name})
        return not summary.session.stopping

    def _say(self, recording: AudioFile, summary: Summary, lines: JsonLines | None) -> None:
        if lines:
            lines.put("file", windows=summary.windows, scores=named(summary.scores, summary.session))
        elif self._csv:
            self._csv.put(recording.name, summary)
        else:
            self._table.add_row(*row(recording, summary))

    def close(self) -> None:
        """Print the table, if that is the format."""
        if self._table.row_count:
            Console().print(self._table)


def results_table() -> Table:
    """Return the empty table of results."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recording", overflow="fold")
    table.add_column("length", justify="right")
    table.add_column("loudest tags, mean score")
    table.add_column("events")
    return table


def row(recording: AudioFile, summary: Summary) -> tuple[str, str, str, str]:
    """Return a recording's row: name, length, three tags, events with their times."""
    names = [tag.name for tag in summary.session.bundle.tags]
    tops = ", ".join(f"{name} {score:.2f}" for name, score in ranked(summary.scores, names, 3))
    rate = summary.session.bundle.front_end.sample_rate
    events = [f"{event.tag} {event.onset / rate:.1f}–{(event.offset or 0) / rate:.1f} s" for event in summary.events]
    heard_s = recording.duration_s or summary.session.health.report().heard_s
    shown = ", ".join(events[:4]) + (f" and {len(events) - 4} more" if len(events) > 4 else "")
    return recording.name, f"{heard_s:.1f} s", tops, shown or "–"


class Bar:
    """A progress bar on standard error; nothing where that is no terminal."""

    def __init__(self, files: int, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.1f} of {task.total:.0f} files"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._progress.add_task("replay", total=files)
        self._done = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, heard_s: float, duration_s: float | None) -> None:
        """Move by the heard part of a file."""
        if duration_s:
            self._progress.advance(self._task, heard_s / duration_s)

    def next_file(self) -> None:
        """Move to the end of the file."""
        self._done += 1
        self._progress.update(self._task, completed=self._done)

    def print(self, line: str) -> None:
        """Write a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

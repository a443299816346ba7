"""Whole paths, as calls to be timed: live as `listen` goes, replay as `replay` goes, and another tagger's.

All get the same sound, 16 kHz mono, beyond the sound card or the decoder; the sessions run on from call to call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from rich.console import Console

from bowstream._stderr import silenced
from bowstream._types import Float32
from bowstream.audio.clock import steady_s
from bowstream.audio.file import FILE_COLUMNS
from bowstream.audio.source import Block
from bowstream.bench.timing import Timed
from bowstream.dashboard.canvas import Canvas
from bowstream.dashboard.history import History
from bowstream.dashboard.layout import render, usual_tags
from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle
from bowstream.model.tflite import load_runtime
from bowstream.output.lines import JsonLines, Output
from bowstream.records import Record, Sound
from bowstream.session import Session
from bowstream.tagger import Tagger

# A block of a file: what a call works on.
SECONDS = 4
TERMINAL = (120, 32)
# What has come since a drawing when the next is due, at four a second.
NEW_RECORDS = 3
# The shortest waveform that a tagger may take, in samples.
SHORTEST = 1600


def made_up_sound(sample_rate: int, seconds: int = SECONDS) -> Float32:
    """Return noise with a moving tone, the same every time: float32, in -1 … 1."""
    t = np.arange(seconds * sample_rate) / sample_rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.05 * noise + 0.3 * np.sin(2 * np.pi * (300 + 150 * t) * t)).astype(np.float32)


@dataclass
class Loop:
    """A source that yields the same blocks over and over; live, each has just arrived."""

    blocks: Sequence[Float32]
    live: bool
    name: str = "made up"
    duration_s: float | None = None
    clipped: int = 0
    overflows: int = 0

    def __iter__(self) -> Iterator[Block]:
        for block in cycle(self.blocks):
            yield Block(block, arrived_s=steady_s() if self.live else None)


def live(bundle: Bundle, samples: Float32, hop_columns: int) -> Timed:
    """Return what `listen --json` does: a column at a time, with health in each line."""
    return played(bundle, samples, hop_columns, 1, json_lines)


def drawn(bundle: Bundle, samples: Float32, hop_columns: int) -> Timed:
    """Return what `listen` does on a terminal: a column at a time, drawn once a second."""
    return played(bundle, samples, hop_columns, 1, Drawings)


def replay(bundle: Bundle, samples: Float32, hop_columns: int) -> Timed:
    """Return what `replay --json` does: blocks as long as a file's."""
    return played(bundle, samples, hop_columns, FILE_COLUMNS, json_lines)


def played(
    bundle: Bundle, samples: Float32, hop_columns: int, block_columns: int, *outputs: Callable[[Session], Output]
) -> Timed:
    """Return a session that hears the samples in blocks and writes to outputs; live if a block is a column."""
    session = looped(bundle, samples, hop_columns, block_columns)
    session.is_watched = lambda: Drawings in outputs
    written, calls = [output(session) for output in outputs], calls_of(session)

    def hear() -> None:
        for record in next(calls):
            for each in written:
                each.write(record)

    return Timed(hear, len(samples) / bundle.front_end.sample_rate)


def looped(bundle: Bundle, samples: Float32, hop_columns: int, block_columns: int = 1) -> Session:
    """Return a session that hears the samples over and over, in blocks; live if a block is a column."""
    blocks = blocks_of(samples, block_columns * bundle.front_end.column_length)
    return Session(Loop(blocks, live=block_columns == 1), Tagger(bundle, hop_columns * bundle.front_end.column_s))


def calls_of(session: Session) -> Iterator[Iterator[Record]]:
    """Yield what a session yields, as far as it hears the samples once more, time after time."""
    records = iter(session)
    assert isinstance(session.source, Loop)
    length = sum(map(len, session.source.blocks))

    def once() -> Iterator[Record]:
        heard = 0
        while heard < length:
            record = next(records)
            yield record
            heard += len(record.samples) if isinstance(record, Sound) else 0

    while True:
        yield once()


def blocks_of(samples: Float32, length: int) -> list[Float32]:
    """Return samples in blocks of a length."""
    return [samples[start : start + length] for start in range(0, len(samples), length)]


def json_lines(session: Session) -> JsonLines:
    """Return JSON lines that go nowhere, with health if the session is live."""
    healths = {session.info.key: session.health} if session.info.live else {}
    return JsonLines(Path(os.devnull).open("w", encoding="utf-8"), healths)


class Drawings:
    """The dashboard, on a terminal of usual size that goes nowhere: an `Output` that draws once a second of sound."""

    def __init__(self, session: Session) -> None:
        self.history = History(session.info, session.health, session.tracker, session.tagger.explain)
        self._columns_per_drawing = session.tagger.front_end.columns_per_window
        self._columns = 0
        width, height = TERMINAL
        self._tags = usual_tags(width, height)
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, for as long as we draw
        self._canvas = Canvas(
            Console(file=nowhere, width=width, height=height, force_terminal=True, color_system="256")
        )

    def write(self, record: Record) -> None:
        """Take one record; draw if a second has passed."""
        self.history.write(record)
        self._columns += isinstance(record, Sound)
        if self._columns == self._columns_per_drawing:
            self._columns = 0
            self.draw()

    def draw(self) -> None:
        """Draw what there is."""
        self._canvas.draw(render(self.history.view(self._tags)))


def drawing(bundle: Bundle, samples: Float32) -> Timed:
    """Return a drawing of the dashboard, of which a part has changed since the one before."""
    session = Session(Loop(blocks_of(samples, bundle.front_end.column_length), live=True), Tagger(bundle))
    drawings = Drawings(session)
    records = cycle([*islice(session, len(samples) // bundle.front_end.column_length)])

    def draw() -> None:
        for record in islice(records, NEW_RECORDS):
            drawings.history.write(record)
        drawings.draw()

    return Timed(draw)


def peer(file: Path, samples: Float32, sample_rate: int) -> dict[str, Timed]:
    """Return a waveform tagger's path, without overlap and at ten windows a second.

    Raises
    ------
    UsageError
        If the file is no TFLite model that takes a waveform.
    """
    _, interpreter = load_runtime()
    try:
        with silenced():
            model = interpreter(model_path=str(file), num_threads=1)
            model.allocate_tensors()
    except (ValueError, RuntimeError, OSError) as error:
        raise UsageError(f"--against must be a TFLite model (got {file}: {error})") from error
    (wanted, *others), result = model.get_input_details(), model.get_output_details()[0]
    length = int(np.prod(wanted["shape"]))
    if others or wanted["dtype"] != np.float32 or not SHORTEST <= length <= len(samples):
        raise UsageError(f"--against must be a model of one float waveform (got {file}, of {wanted['shape']})")
    windows = samples[: len(samples) // length * length].reshape(-1, *wanted["shape"])

    def hear() -> None:
        for window in windows:
            model.set_tensor(wanted["index"], window)
            model.invoke()
            model.get_tensor(result["index"])

    return {
        f"{file.stem}, no overlap": Timed(hear, len(windows) * length / sample_rate),
        f"{file.stem}, every 0.1 s": Timed(hear, len(windows) * 0.1),
    }

"""What things cost: the method's stages, its whole path, and another tagger's, as calls that are timed in turns.

All run in one process and one thread, in interleaved rounds: a ratio between two things measured so holds where a
time in milliseconds does not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bowstream._stderr import silenced
from bowstream._types import Float32
from bowstream.audio.convert import Intake
from bowstream.audio.source import Heard
from bowstream.dashboard.history import History
from bowstream.dashboard.layout import render, usual_tags
from bowstream.errors import UsageError
from bowstream.events import EventTracker
from bowstream.model.bundle import Bundle
from bowstream.model.level import Level
from bowstream.model.log_mel import LogMel
from bowstream.model.patches import cut_env, cut_pat, join_fenv, narrow_o, shorten_o
from bowstream.model.tflite import load_runtime
from bowstream.session import Session
from bowstream.tagger import Tagger

SECONDS = 10
NATIVE_RATE_HZ = 48_000
TERMINAL = (120, 32)
# The shortest waveform that a tagger may take, in samples.
SHORTEST = 1600


class Timed(NamedTuple):
    """A call, and how often it does what its cost is told for: the seconds of audio that it hears, say."""

    call: Callable[[], object]
    units: float = 1.0


def in_rounds(timed: Mapping[str, Timed], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Return the CPU time of each call in each round, in microseconds a unit; the calls take turns."""
    costs: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds + 1):
        for name, (call, units) in timed.items():
            started_s = time.process_time()
            call()
            costs[name].append((time.process_time() - started_s) / units * 1e6)
    return {name: np.array(cost[1:]) for name, cost in costs.items()}  # the first round warms up


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the median and the 5th and 95th percentiles."""
    p5, p50, p95 = np.percentile(values, [5, 50, 95])
    return {"p5": round(float(p5), 3), "p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def made_up_sound(sample_rate: int, seconds: int = SECONDS) -> Float32:
    """Return noise with a moving tone, the same every time: float32, in -1 … 1."""
    t = np.arange(seconds * sample_rate) / sample_rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.05 * noise + 0.3 * np.sin(2 * np.pi * (300 + 150 * t) * t)).astype(np.float32)


@dataclass
class MadeUp:
    """Samples as a session's source, a block at a time."""

    blocks: Float32
    name: str = "made up"
    duration_s: float | None = None
    live: bool = False
    clipped: int = 0
    overflows: int = 0

    def __iter__(self) -> Iterator[Heard]:
        return map(Heard, self.blocks)


def stages(bundle: Bundle, samples: Float32, hop_columns: int) -> dict[str, Timed]:
    """Return each stage of the method as a call that does what a hop takes."""
    front_end = bundle.front_end
    block = samples[: hop_columns * front_end.column_length]
    native = np.repeat(block, NATIVE_RATE_HZ // front_end.sample_rate)[:, np.newaxis]
    intake = Intake("bench", NATIVE_RATE_HZ, front_end.format, hop_columns)
    tagger = Tagger(bundle, hop_columns * bundle.front_end.column_s)
    tags = tagger.push(samples[: front_end.window_length])[-1]
    second = tagger.newest_log_mel.reshape(-1, front_end.frames_per_column, front_end.n_mels)
    columns, scaled = second[:hop_columns], second[:hop_columns].reshape(-1, front_end.n_mels)
    pat, narrow = cut_pat(tagger.coder.quantise(second)), narrow_o(second)

    def cut() -> dict[str, NDArray[np.generic]]:
        quantised = tagger.coder.quantise(columns)
        narrow_o(columns)
        of_window = {"fenv": join_fenv(pat)[np.newaxis], "o": shorten_o(narrow.reshape(1, -1, narrow.shape[-1]))}
        return {"pat": cut_pat(quantised), "env": cut_env(quantised), **of_window}

    log_mel, level = LogMel(front_end), Level(bundle.level, front_end) if bundle.level else None
    tracker = EventTracker(bundle.tags, front_end, hop_columns)
    codes, patches = tags.codes[np.newaxis], cut()
    counts = tagger.counts(codes)
    calls: dict[str, Callable[[], object]] = {
        "resample 48 kHz": lambda: intake.push(native),
        "log-mel": lambda: log_mel.push(block),
        **({"level": lambda: level.push(scaled)} if level else {}),
        "patches": cut,
    }
    for family, encoder in bundle.encoders.items():
        rows = patches[family].reshape(-1, patches[family].shape[-1])
        latents = encoder.network(rows).reshape(*patches[family].shape[:2], -1)
        calls[f"encoder {family}"] = lambda encoder=encoder, rows=rows: encoder.network(rows)  # type: ignore[misc]
        calls[f"assign {family}"] = lambda encoder=encoder, latents=latents: encoder.codebook.assign(latents)  # type: ignore[misc]
    calls["counts"] = lambda: tagger.counts(codes)
    calls["head"] = lambda: bundle.scores(counts)
    calls["events"] = lambda: tracker.push(tags)
    return {name: Timed(call) for name, call in calls.items()}


def drawing(bundle: Bundle, samples: Float32) -> Timed:
    """Return the dashboard's drawing, on a terminal of usual size that goes nowhere."""
    session = Session(MadeUp(samples.reshape(-1, bundle.front_end.window_length)), bundle)
    history = History(session)
    for record in session:
        history.write(record)
    width, height = TERMINAL
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115, for as long as we draw
    console = Console(file=nowhere, width=width, height=height, force_terminal=True, color_system="256")
    return Timed(lambda: console.print(render(history.view(usual_tags(width, height)))))


def path(bundle: Bundle, samples: Float32, hop_columns: int) -> Timed:
    """Return the whole path, from float samples at 16 kHz to events, a hop at a time."""
    tagger = Tagger(bundle, hop_columns * bundle.front_end.column_s)
    tracker = EventTracker(bundle.tags, bundle.front_end, hop_columns)
    blocks = samples.reshape(-1, hop_columns * bundle.front_end.column_length)

    def hear() -> None:
        for block in blocks:
            for tags in tagger.push(block):
                tracker.push(tags)

    return Timed(hear, len(samples) / bundle.front_end.sample_rate)


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
        raise UsageError(f"--against wants a TFLite model, {file} is none: {error}") from error
    (wanted, *others), result = model.get_input_details(), model.get_output_details()[0]
    length = int(np.prod(wanted["shape"]))
    if others or wanted["dtype"] != np.float32 or not SHORTEST <= length <= len(samples):
        raise UsageError(f"--against wants a model of one float waveform, {file} takes {wanted['shape']}")
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

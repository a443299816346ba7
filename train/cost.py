"""What it costs, against what the cost may depend on: a CSV and a plot each, from `bowstream bench` and `replay`.

Where the size of the networks is what changes, they have random weights: what they cost is the same. Each is run in
processes of its own, with an environment as on a device: no TensorFlow beside it, memory as the system hands it out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

import bowstream
from bowstream.bench.paths import made_up_sound
from bowstream.bench.startup import memory_mb
from bowstream.errors import BowstreamError
from bowstream.model.front_end import FrontEnd
from bowstream.model.head import times_shown
from bowstream.model.level import LevelSettings
from bowstream.model.patches import FAMILIES, input_sizes

from .common.config import TrainConfig
from .common.learned_config import LearnedSettings
from .common.memory import MEMORY
from .common.progress import say
from .common.quiet import start_tensorflow
from .common.store import make_folder
from .dataset.data import DataSet, Float32
from .dataset.features import Features
from .model.bundle import Fitted, Parts, TagCalibration, write_bundle
from .model.codebook import CENTROIDS
from .model.export import NETWORK, to_int8
from .report.plots import plot_over
from .sweep import write_rows

Row = dict[str, Any]

SECONDS = 10  # of made-up sound, over and over
# Rows that the converter learns ranges from; random weights have no others to learn.
EXAMPLES = 100
# Of logits: random scores would raise half of all tags, a sound raises few.
UNHEARD = -20.0
NOTHING = np.zeros(0, np.intp)
LABELS = {
    "hop_s": "hop, s",
    "us_p50": "CPU, µs a second of audio (median)",
    "codes_a_band": "codes a band",
    "width": "width",
    "tags": "tags",
    "minutes": "length of the stream, minutes",
    "peak_mb": "highest memory, MB",
    "files": "files",
    "times_real_time": "seconds of audio a second",
    "jobs": "jobs",
}


@dataclass(frozen=True)
class Plan:
    """What is tried; `minutes` are a stream's lengths, `files` of `file_minutes` are shared by `jobs` processes."""

    widths: Sequence[int] = (128, 192, 256)
    codes: Sequence[int] = (64, 96, 128)
    tags: Sequence[int] = (10, 50, 200, 500)
    minutes: Sequence[float] = (1, 10, 60, 240)
    files: Sequence[int] = (1, 2, 4, 8)
    file_minutes: float = 20
    jobs: Sequence[int] = tuple(range(1, (os.cpu_count() or 1) + 1))


@dataclass(frozen=True)
class Size:
    """How big a model is; the defaults are those of the learned codebook's settings."""

    width: int = LearnedSettings.learned_width
    codes_a_band: int = LearnedSettings.codes_a_band
    codes_a_family: int = LearnedSettings.codes_a_family
    latent: int = LearnedSettings.latent
    head: int = LearnedSettings.learned_head
    tags: int = 50


def cost(out: Path, plan: Plan) -> None:
    """Measure all of it, into `out`: a CSV and a plot a table, written as each is done."""
    make_folder(out)
    start_tensorflow()
    samples = made_up_sound(FrontEnd().sample_rate, SECONDS)
    for table, rows, x, y, lines in (
        ("hop", by_hop(), "hop_s", "us_p50", ()),
        ("size", by_size(plan), "codes_a_band", "us_p50", ("width", "hop_s")),
        ("tags", by_tags(plan), "tags", "us_p50", ("hop_s",)),
        ("length", by_length(plan, samples), "minutes", "peak_mb", ()),
        ("files", by_files(plan, samples), "files", "times_real_time", ("jobs",)),
    ):
        measured: list[Row] = []
        for row in rows:
            measured.append(row)
            say("  ".join(f"{name} {value}" for name, value in row.items()))
            write_rows(out / f"{table}.csv", measured)
        plot_over(out / f"{table}.png", measured, (x, LABELS[x]), (y, LABELS[y]), lines)


def by_hop() -> Iterator[Row]:
    """CPU time a second of audio, in microseconds, at several hops; the default bundle."""
    yield from benched(None)


def by_size(plan: Plan) -> Iterator[Row]:
    """The same at the longest hop and the shortest for encoders of several widths and codebooks of several sizes."""
    for width in plan.widths:
        for codes in plan.codes:
            with random_bundle(Size(width=width, codes_a_band=codes)) as folder:
                longest, *_, shortest = benched(folder)
                yield from ({"width": width, "codes_a_band": codes, **row} for row in (longest, shortest))


def by_tags(plan: Plan) -> Iterator[Row]:
    """The same for several numbers of tags."""
    for tags in plan.tags:
        with random_bundle(Size(tags=tags)) as folder:
            longest, *_, shortest = benched(folder)
            yield from ({"tags": tags, **row} for row in (longest, shortest))


def by_length(plan: Plan, samples: Float32) -> Iterator[Row]:
    """Memory and time of streams of several lengths, raw samples on standard input."""
    block = (samples * 32767.0).astype(np.int16).tobytes()
    for minutes in plan.minutes:
        arguments = ["--json", "--raw", f"{FrontEnd().sample_rate}:1:PCM_16", "-"]
        run = replayed(arguments, [block] * round(minutes * 60 * FrontEnd().sample_rate * 2 / len(block)))
        yield {"minutes": minutes, **run._asdict(), "times_real_time": round(minutes * 60 / run.cpu_s)}


def by_files(plan: Plan, samples: Float32) -> Iterator[Row]:
    """Time of folders of several files, in one process and in several."""
    for files in plan.files:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(files):
                sound = np.tile(samples, round(plan.file_minutes * 60 * FrontEnd().sample_rate / len(samples)))
                soundfile.write(Path(folder, f"{number}.flac"), sound, FrontEnd().sample_rate, "PCM_16")
            for jobs in plan.jobs:
                run = replayed(["--jobs", str(jobs), folder], [])
                speed = round(files * plan.file_minutes * 60 / run.wall_s)
                yield {"files": files, "jobs": jobs, "wall_s": run.wall_s, "cpu_s": run.cpu_s, "times_real_time": speed}


class Run(NamedTuple):
    """Time that a replay took, its children's included, and the highest memory of the process itself, in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float | None


def environment() -> dict[str, str]:
    """Return the environment without what training has changed in it."""
    return {name: value for name, value in os.environ.items() if name not in MEMORY}


def benched(bundle: Path | None) -> list[Row]:
    """Return `bowstream bench`'s cost of the live path at each hop; None for the bundle that is shipped."""
    command = [sys.executable, "-m", "bowstream", "bench", "--json", *(["--bundle", str(bundle)] if bundle else [])]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BowstreamError(f"bowstream bench failed: {done.stderr.strip()}")
    costs = json.loads(done.stdout)["paths_us"].items()
    live = {hop: us for path, us in costs for name, _, hop in [path.partition(", hop ")] if name == "live"}
    return [{"hop_s": float(hop.split()[0]), **{f"us_{p}": us[p] for p in us}} for hop, us in live.items()]


def replayed(arguments: Sequence[str], stream: Sequence[bytes]) -> Run:
    """Replay in a process of its own, with a stream on its standard input."""
    command = [sys.executable, "-m", "bowstream", "replay", *arguments]
    before, started_s = os.times(), time.monotonic()
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        for block in stream:
            process.stdin.write(block)
        peak_mb = memory_mb(process.pid, "VmHWM") if stream else None  # before its input ends it is sure to live
    after, wall_s = os.times(), time.monotonic() - started_s
    if process.returncode:
        raise BowstreamError(f"bowstream replay failed with status {process.returncode}")
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(round(wall_s, 2), round(spent_s, 2), peak_mb)


@contextmanager
def random_bundle(size: Size) -> Iterator[Path]:
    """Yield a bundle of a size with random weights, in a folder that goes when it is left."""
    front_end, rng = FrontEnd(), np.random.default_rng(0)
    context = bowstream.load_bundle().head.context  # as the shipped one
    with tempfile.TemporaryDirectory() as folder:
        parts, n_counts = {}, 0
        for family, n_inputs in input_sizes(front_end).items():
            bands = FAMILIES[family].bands(front_end)
            codes = size.codes_a_band if bands > 1 else size.codes_a_family
            parts[family] = Path(folder, family)
            parts[family].mkdir()
            (parts[family] / NETWORK).write_bytes(random_network(n_inputs, size.width, size.latent))
            centroids = rng.standard_normal((bands, codes, size.latent)).astype(np.float32)
            np.save(parts[family] / CENTROIDS, centroids if bands > 1 else centroids[0])
            n_counts += bands * codes
        head = Path(folder, "head")
        head.mkdir()
        (head / NETWORK).write_bytes(random_network(times_shown(context) * n_counts, size.head, size.tags))
        sound = Features("none", front_end, LevelSettings(), np.empty((0,), np.float32), NOTHING, NOTHING)
        tags = tuple(f"tag {number}" for number in range(size.tags))
        data = DataSet("nothing", (), tags, single_label=False, licence="none", published=False)
        model = Fitted(Parts(parts, parts, head, "sqrt", context), sound, data, TrainConfig(), np.empty(0, np.intp))
        bundle = Path(folder, "bundle")
        write_bundle(bundle, "random", model, [TagCalibration(bias=UNHEARD)] * len(tags), {})
        yield bundle


@lru_cache
def random_network(n_inputs: int, width: int, n_outputs: int) -> bytes:
    """Return a three-layer MLP as int8, with weights as they are drawn before training."""
    import keras

    hidden = [keras.layers.Dense(width, "relu", kernel_initializer="he_normal") for _ in range(2)]
    network = keras.Sequential([keras.layers.Input((n_inputs,)), *hidden, keras.layers.Dense(n_outputs)])
    examples = np.random.default_rng(0).random((EXAMPLES, n_inputs), np.float32)
    examples[0], examples[1] = 0.0, 1.0  # the whole range, as real patches have it
    return to_int8(network, examples)

"""`bowstream bench`: what the method costs on this machine, stage by stage, and against another tagger.

Everything runs in one process and one thread, in interleaved rounds, and is told as medians with a
spread: a ratio between two things measured so holds where a time in milliseconds does not.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from .bundle import Bundle
from .chatter import silenced
from .errors import UsageError
from .events import EventTracker
from .frontend import Float32, LogMel
from .intake import Intake
from .level import Level
from .patches import cut_env, cut_fenv, cut_o, cut_pat
from .probe import load_bundle
from .tagger import Tagger
from .tflite import load_runtime

ROUNDS = 40
SECONDS = 10
NATIVE_RATE_HZ = 48_000
PACKAGES = ("numpy", "ai_edge_litert", "tflite_runtime", "soundfile", "soxr", "rich", "bowstream")


class Timed(NamedTuple):
    """A call, and the seconds of audio that it works on."""

    call: Callable[[], object]
    audio_s: float


def run(arguments: Namespace) -> int:
    """Measure, print, and return the exit status."""
    bundle = load_bundle(arguments.bundle)
    samples = made_up_sound(bundle.front_end.sample_rate)
    whole = paths(bundle, samples)
    peers = peer(Path(arguments.against), samples, bundle.front_end.sample_rate) if arguments.against else {}
    costs = in_rounds(whole | peers)
    report = {
        "machine": machine(),
        "bundle": bundle.name,
        "stages_us": {name: spread(cost) for name, cost in in_rounds(stages(bundle, samples)).items()},
        "paths_us": {name: spread(cost) for name, cost in costs.items()},
        "ratios": {f"{ours} / {theirs}": spread(costs[ours] / costs[theirs]) for ours, theirs in zip(whole, peers)},
        "start_up_ms": start_up_ms(),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def made_up_sound(sample_rate: int) -> Float32:
    """Return ten seconds of noise with a moving tone, the same every time: float32, in -1 … 1."""
    t = np.arange(SECONDS * sample_rate) / sample_rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.05 * noise + 0.3 * np.sin(2 * np.pi * (300 + 150 * t) * t)).astype(np.float32)


def stages(bundle: Bundle, samples: Float32) -> dict[str, Timed]:
    """Return each stage of the method as a call that works on one second, as replay does at a hop of 1 s."""
    front_end = bundle.front_end
    second = samples[: front_end.sample_rate]
    native = np.repeat(second, 3)[:, np.newaxis]
    intake = Intake("bench", NATIVE_RATE_HZ, front_end, front_end.columns_per_window)
    log_mel, level = LogMel(front_end), Level(bundle.level, front_end) if bundle.level else None
    scaled = log_mel.push(second)
    scaled = level.push(scaled) if level else scaled
    columns = scaled.reshape(-1, front_end.frames_per_column, front_end.n_mels)
    windows = scaled[np.newaxis]
    patches = {"pat": cut_pat(columns), "env": cut_env(columns), "fenv": cut_fenv(windows), "o": cut_o(windows)}
    tagger = Tagger(bundle)
    (tags,) = tagger.push(second)
    tracker = EventTracker(bundle.tags, front_end, front_end.columns_per_window)
    counts = tagger.coder.counts(tags.codes[np.newaxis])

    calls: dict[str, Callable[[], object]] = {
        "resample 48 kHz": lambda: intake.push(native),
        "log-mel": lambda: log_mel.push(second),
    }
    if level:
        calls["level"] = lambda: level.push(scaled)
    calls["patches"] = lambda: (cut_pat(columns), cut_env(columns), cut_fenv(windows), cut_o(windows))
    for family, encoder in bundle.encoders.items():
        rows = patches[family].reshape(-1, patches[family].shape[-1])
        latents = encoder.network(rows).reshape(*patches[family].shape[:2], -1)
        calls[f"encoder {family}"] = lambda encoder=encoder, rows=rows: encoder.network(rows)  # type: ignore[misc]
        calls[f"assign {family}"] = lambda encoder=encoder, latents=latents: encoder.codebook.assign(latents)  # type: ignore[misc]
    calls["counts"] = lambda: tagger.coder.counts(tags.codes[np.newaxis])
    calls["head"] = lambda: bundle.scores(counts)
    calls["events"] = lambda: tracker.push(tags)
    return {name: Timed(call, 1.0) for name, call in calls.items()}


def paths(bundle: Bundle, samples: Float32) -> dict[str, Timed]:
    """Return the whole path, from float samples at 16 kHz to events, at two hops."""
    return {f"hop {hop / 10:.1f} s": Timed(path(bundle, samples, hop), SECONDS) for hop in (10, 1)}


def path(bundle: Bundle, samples: Float32, hop_columns: int) -> Callable[[], object]:
    """Return a call that hears all the samples."""
    tagger = Tagger(bundle, hop_columns)
    tracker = EventTracker(bundle.tags, bundle.front_end, hop_columns)
    blocks = samples.reshape(-1, hop_columns * bundle.front_end.column_length)

    def hear() -> None:
        for block in blocks:
            for tags in tagger.push(block):
                tracker.push(tags)

    return hear


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
    if others or wanted["dtype"] != np.float32 or not 1600 <= length <= len(samples):
        raise UsageError(f"--against wants a model of one float waveform, {file} takes {wanted['shape']}")
    windows = [
        samples[start : start + length].reshape(wanted["shape"])
        for start in range(0, len(samples) - length + 1, length)
    ]

    def hear() -> None:
        for window in windows:
            model.set_tensor(wanted["index"], window)
            model.invoke()
            model.get_tensor(result["index"])

    return {
        f"{file.stem}, no overlap": Timed(hear, len(windows) * length / sample_rate),
        f"{file.stem}, every 0.1 s": Timed(hear, len(windows) * 0.1),
    }


def in_rounds(timed: Mapping[str, Timed]) -> dict[str, NDArray[np.float64]]:
    """Return the CPU time of each call in each round, in microseconds a second of audio; the calls take turns."""
    costs: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS + 1):
        for name, (call, audio_s) in timed.items():
            started_s = time.process_time()
            call()
            costs[name].append((time.process_time() - started_s) / audio_s * 1e6)
    return {name: np.array(cost[1:]) for name, cost in costs.items()}  # the first round warms up


def spread(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the median and the 5th and 95th percentiles."""
    p5, p50, p95 = np.percentile(values, [5, 50, 95])
    return {"p5": round(float(p5), 3), "p50": round(float(p50), 3), "p95": round(float(p95), 3)}


def machine() -> dict[str, str]:
    """Return what this machine is, so that tables from many can be put side by side."""
    processor = platform.processor() or platform.machine()
    for file, field in ((Path("/proc/device-tree/model"), ""), (Path("/proc/cpuinfo"), "model name")):
        if file.exists():
            lines = file.read_text(errors="replace").strip("\0").splitlines()
            processor = next(
                (line.partition(":")[2].strip() or line for line in lines if line.startswith(field)), processor
            )
            break
    runtime, _ = load_runtime()
    return {
        "processor": processor,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        runtime: version(runtime.replace("_", "-")),
        "bowstream": version("bowstream"),
    }


def start_up_ms() -> dict[str, float]:
    """Return the time that `import bowstream` takes in a fresh Python, split by package, in milliseconds."""
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import bowstream.listen, ai_edge_litert.interpreter"],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    own: dict[str, float] = {}
    for self_us, module in re.findall(r"import time: +(\d+) \| +\d+ \| +([\w.]+)", told):
        package = module.partition(".")[0]
        own[package if package in PACKAGES else "other"] = (
            own.get(package if package in PACKAGES else "other", 0.0) + int(self_us) / 1000
        )
    return {package: round(ms, 1) for package, ms in sorted(own.items(), key=lambda item: -item[1])}


def print_report(report: Mapping[str, Any]) -> None:
    """Print the report as tables."""
    console = Console()
    console.print(", ".join(f"{name} {value}" for name, value in report["machine"].items()), highlight=False)
    sections = (
        ("stage, at a hop of 1 s", "stages_us", "µs a second of audio"),
        ("whole path, samples to events", "paths_us", "µs a second of audio"),
        ("ratio, in one process", "ratios", "times"),
    )
    for title, key, unit in sections:
        if not report[key]:
            continue
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        table.add_column("", min_width=42)
        for heading in ("5 %", "median", "95 %"):
            table.add_column(heading, justify="right", min_width=8)
        table.add_column(unit)
        for name, values in report[key].items():
            digits = 2 if key == "ratios" else 0
            table.add_row(name, *(f"{values[p]:.{digits}f}" for p in ("p5", "p50", "p95")))
        console.print()
        console.print(table)
    fastest = report["paths_us"]["hop 1.0 s"]["p50"]
    parts = ", ".join(f"{package} {ms:.0f}" for package, ms in report["start_up_ms"].items())
    console.print(
        f"\n{1e6 / fastest:,.0f} × real time on one core at a hop of 1 s; {report['memory_mb']:.0f} MB", highlight=False
    )
    console.print(f"start-up, ms by package: {parts}", highlight=False)

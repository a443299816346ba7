"""`bowstream bench`: what the method costs on this machine, stage by stage, and against another tagger."""

from __future__ import annotations

import json
import os
import platform
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bowstream.bench.stages import drawing, in_rounds, made_up_sound, path, peer, spread, stages
from bowstream.bench.startup import import_ms, start
from bowstream.model.tflite import load_runtime
from bowstream.tagger import load_bundle

ROUNDS, STAGE_ROUNDS = 40, 200
# Columns between two scores: of the whole path, and of those that are also looked at stage by stage and compared.
HOPS, COMPARED = (10, 5, 2, 1), (10, 1)


def run(arguments: Namespace) -> int:
    """Measure, print, and return the exit status."""
    bundle = load_bundle(arguments.bundle)
    front_end = bundle.front_end
    samples = made_up_sound(front_end.sample_rate)
    whole = {hop_name(hop): path(bundle, samples, hop) for hop in HOPS}
    peers = peer(Path(arguments.against), samples, front_end.sample_rate) if arguments.against else {}
    costs = in_rounds(whole | peers, ROUNDS)
    by_hop = {hop_name(hop): in_rounds(stages(bundle, samples, hop), STAGE_ROUNDS) for hop in COMPARED}
    pairs = zip(map(hop_name, COMPARED), peers)
    report = {
        "machine": machine(),
        "bundle": bundle.name,
        "stages_us": {hop: {name: spread(cost) for name, cost in costs.items()} for hop, costs in by_hop.items()},
        "drawing_us": spread(in_rounds({"": drawing(bundle, samples)}, ROUNDS)[""]),
        "paths_us": {name: spread(cost) for name, cost in costs.items()},
        "real_time_factor": {hop: round(1e6 / float(np.median(costs[hop]))) for hop in whole},
        "ratios": {f"{ours} / {theirs}": spread(costs[ours] / costs[theirs]) for ours, theirs in pairs},
        "import_ms": import_ms(),
        "start": start(bundle.path, samples, front_end)._asdict(),
    }
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def hop_name(hop_columns: int) -> str:
    """Return what a hop is called here."""
    return f"hop {hop_columns / 10:.1f} s"


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


def print_report(report: Mapping[str, Any]) -> None:
    """Print the report as tables."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for hop, costs in report["stages_us"].items():
        print_table(console, f"stages at a {hop}, µs of CPU a hop", costs, 0)
    print_table(console, "dashboard, µs of CPU", {"a drawing, four a second at most": report["drawing_us"]}, 0)
    print_table(console, "whole path, samples to events, µs of CPU a second of audio", report["paths_us"], 0)
    if report["ratios"]:
        print_table(console, "ratio, in one process", report["ratios"], 2)
    factors = ", ".join(f"{factor:,} × real time at a {hop}" for hop, factor in report["real_time_factor"].items())
    console.print(f"\n{factors}, on one core")
    parts = ", ".join(f"{package} {ms:.0f}" for package, ms in report["import_ms"].items())
    console.print(f"imports {sum(report['import_ms'].values()):.0f} ms: {parts}")
    begun = report["start"]
    console.print(f"first score {begun['first_score_ms']:.0f} ms beyond the first hop, of a process just started")
    if begun["peak_mb"]:
        console.print(f"memory {begun['memory_mb']:.0f} MB then, {begun['peak_mb']:.0f} MB at the most")


def print_table(console: Console, title: str, rows: Mapping[str, Mapping[str, float]], digits: int) -> None:
    """Print the spreads of things."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("", min_width=42)
    for heading in ("5 %", "median", "95 %"):
        table.add_column(heading, justify="right", min_width=8)
    for name, values in rows.items():
        table.add_row(name, *(f"{values[p]:.{digits}f}" for p in ("p5", "p50", "p95")))
    console.print()
    console.print(table)

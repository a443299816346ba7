"""What listening costs on this machine, stage by stage, and against another tagger: measured, and as tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bowstream import __version__
from bowstream.bench.kept import kept
from bowstream.bench.paths import drawing, drawn, live, made_up_sound, peer, replay
from bowstream.bench.stages import stages
from bowstream.bench.startup import start
from bowstream.bench.timing import in_rounds, spread
from bowstream.model.bundle import Bundle
from bowstream.model.tflite import load_runtime

# Rounds of the stages for each round of the whole paths.
STAGE_ROUNDS = 5
# Columns between two scores: of the whole paths, and of those that are also looked at stage by stage and compared.
HOPS, COMPARED = (10, 5, 2, 1), (10, 1)
PATHS = {"live": live, "live, drawn": drawn, "replay": replay, "history and page": kept}


def measure(bundle: Bundle, rounds: int, against: Path | None = None) -> dict[str, Any]:
    """Return what listening with a bundle costs here, beside another tagger if one is given.

    Parameters
    ----------
    rounds : of each whole path
    against : a waveform tagger in TFLite
    """
    rate = bundle.front_end.sample_rate
    samples = made_up_sound(rate)
    peers = peer(against, samples, rate) if against else {}
    ours = {f"{name}, {hop_name(hop)}": path(bundle, samples, hop) for name, path in PATHS.items() for hop in HOPS}
    costs = in_rounds(ours | peers, rounds)
    by_hop = {hop_name(hop): in_rounds(stages(bundle, samples, hop), STAGE_ROUNDS * rounds) for hop in COMPARED}
    whole = [name for name, path in PATHS.items() if path is not kept]
    pairs = [(f"{name}, {hop_name(hop)}", theirs) for hop, theirs in zip(COMPARED, peers) for name in whole]
    between = ("live", "replay"), ("history and page", "live")
    pairs += [(f"{one}, {hop_name(hop)}", f"{other}, {hop_name(hop)}") for one, other in between for hop in COMPARED]
    return {
        "machine": machine(),
        "bundle": bundle.name,
        "rounds": rounds,
        "stages_us": {hop: {name: spread(cost) for name, cost in costs.items()} for hop, costs in by_hop.items()},
        "drawing_us": spread(in_rounds({"": drawing(bundle, samples)}, rounds)[""]),
        "paths_us": {name: spread(cost) for name, cost in costs.items()},
        "ratios": {f"{one} / {other}": spread(costs[one] / costs[other]) for one, other in pairs},
        "start": start(bundle.path, samples, bundle.front_end)._asdict(),
    }


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
        "bowstream": __version__,
    }


def print_report(report: Mapping[str, Any]) -> None:
    """Print the report as tables."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    for hop, costs in report["stages_us"].items():
        print_table(console, f"stages at a {hop}, µs of CPU per hop", costs, 0)
    print_table(console, "dashboard, µs of CPU", {"a drawing, four per second at most": report["drawing_us"]}, 0)
    print_table(console, "whole paths, µs of CPU per second of sound", report["paths_us"], 0)
    print_table(console, "ratios, in one process", report["ratios"], 2)
    begun = report["start"]
    console.print(f"\nfirst score {begun['first_score_ms']:.0f} ms after the first hop, in a new process")
    if begun["peak_mb"]:
        console.print(f"memory {begun['memory_mb']:.0f} MB then, {begun['peak_mb']:.0f} MB at most")


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

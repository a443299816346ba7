"""`bowstream bench`: measure what listening costs on this machine."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from bowstream.cli.parser import Verbs, add_bundle, add_verb, whole_number


@dataclass(frozen=True)
class BenchOptions:
    """What to measure.

    bundle : folder; None for the one that is shipped
    against : a waveform tagger in TFLite to compare with, such as YAMNet
    rounds : of each whole path
    json : write one JSON object
    sources : how many to hear at once, instead of all that; None for all that
    """

    bundle: Path | None
    against: Path | None
    rounds: int
    json: bool
    sources: int | None = None


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "bench", "measure what the method costs on this machine")
    add_bundle(parser, "--bundle")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="a TFLite model that tags waveforms, such as YAMNet, to compare with",
    )
    parser.add_argument(
        "--rounds",
        type=whole_number(1, 1000),
        default=40,
        metavar="N",
        help="rounds to measure; fewer for a slow machine (1 … 1000, default: 40)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument(
        "--sources",
        type=whole_number(2, 64),
        metavar="N",
        help="measure instead what each further source costs: N are heard at once for some seconds (2 … 64)",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Measure and print; return the exit status."""
    asked = BenchOptions(arguments.bundle, arguments.against, arguments.rounds, arguments.json, arguments.sources)
    if asked.sources:
        return run_sources(asked.sources, asked)
    from bowstream.bench.report import measure, print_report
    from bowstream.tagger import load_bundle

    report = measure(load_bundle(asked.bundle), asked.rounds, asked.against)
    if asked.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 0


def run_sources(count: int, asked: BenchOptions) -> int:
    """Measure and print what further sources cost; return the exit status."""
    from bowstream.bench.sources import measure_sources

    report = measure_sources(count, asked.bundle)
    if asked.json:
        print(json.dumps(report))
        return 0
    print("sources  ms of CPU per s  memory, MB  lost, s  latency 95 %, ms")
    for one in report["runs"]:
        memory = "?" if one["memory_mb"] is None else f"{one['memory_mb']:.1f}"
        latency, lost = one["latency_p95_ms"], one["lost_s"]
        print(f"{one['sources']:7}  {one['cpu_ms_per_s']:15.2f}  {memory:>10}  {lost:7.3f}  {latency:16.1f}")
    further = report["further"]
    memory = f", {further['memory_mb']:.1f} MB" if "memory_mb" in further else ""
    print(f"each further source: {further['cpu_ratio']:.2f} of the first one's CPU{memory}")
    return 0

"""`bowstream devices` and `bowstream check`: what there is, and whether it works."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bowstream.audio.devices import find_device, list_devices
from bowstream.model.bundle import Bundle, default_path, read
from bowstream.model.probe import CODES_TOLERANCE, LOG_MEL_TOLERANCE, SCORES_TOLERANCE, ProbeResult, run_probe
from bowstream.tagger import Tagger


def run_devices(arguments: Namespace) -> int:
    """List the inputs.

    Raises
    ------
    DeviceError
        If there is none.
    """
    devices = list_devices()
    find_device(None, devices)  # says why there is none
    if arguments.json:
        for device in devices:
            print(json.dumps(asdict(device)))
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("", "number", "name", "sound system", "channels", "native rate", "identities"):
            table.add_column(heading)
        for device in devices:
            mark = "→" if device.is_default else ""
            rate = f"{device.native_rate} Hz"
            table.add_row(
                mark, str(device.index), device.name, device.host_api, str(device.channels), rate, "\n".join(device.ids)
            )
        Console(markup=False).print(table)
    return 0


def run_check(arguments: Namespace) -> int:
    """Verify a bundle, run its probe and describe it; exit status 1 if the probe fails."""
    bundle, probe = read(Path(arguments.bundle) if arguments.bundle else default_path())
    result = run_probe(Tagger(bundle), probe)
    if arguments.json:
        print(json.dumps({"passed": result.passed, "probe": asdict(result), **bundle.description}))
    else:
        describe(bundle, result)
    return 0 if result.passed else 1


def describe(bundle: Bundle, result: ProbeResult) -> None:
    """Print a bundle and how its probe went."""
    description = bundle.description
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("bundle", f"{bundle.name} ({bundle.path})")
    table.add_row("made", f"{description['created']} at revision {description['git_revision']}")
    table.add_row("trained on", description["trained_on"])
    for thing, licence in description["licences"].items():
        table.add_row(f"licence of {thing}", licence)
    for name, value in description["metrics"].items():
        if said := told(value):
            table.add_row(name.replace("_", " "), said)
    sizes = [f"{family} {len(encoder.codebook)}" for family, encoder in bundle.encoders.items()]
    table.add_row("codes", ", ".join(sizes))
    table.add_row("listens back", f"{bundle.head.context * bundle.front_end.window_s:g} s")
    table.add_row(f"{len(bundle.tags)} tags", ", ".join(tag.name for tag in bundle.tags))
    table.add_row(
        "files",
        f"{sum((bundle.path / name).stat().st_size for name in description['files']) / 1e6:.2f} MB, hashes right",
    )
    table.add_row("probe", f"log-mel off by {result.log_mel:.2g} (allowed {LOG_MEL_TOLERANCE})")
    table.add_row("", f"{result.codes} of 143 codes differ (allowed {CODES_TOLERANCE})")
    table.add_row("", f"scores off by {result.scores:.2g} (allowed {SCORES_TOLERANCE})")
    passed = (
        Text("passed", "green") if result.passed else Text("FAILED: do not trust its results on this machine", "red")
    )
    table.add_row("", passed)
    Console(markup=False).print(table)


def told(metric: Any) -> str | None:
    """Return a metric in a few words; None for what has no few words, which `--json` has whole."""
    if isinstance(metric, dict) and "mean" in metric:
        low, high = metric.get("interval_95", (metric["mean"],) * 2)
        return f"{metric['mean']:.3f} (95 % interval over the folds {low:.3f} … {high:.3f})"
    if isinstance(metric, float):
        return f"{metric:.4g}"
    return None if isinstance(metric, dict) else str(metric)

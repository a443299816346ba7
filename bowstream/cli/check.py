"""`bowstream check`: verify a bundle on this machine, and describe it."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowstream.cli.parser import Verbs, add_bundle, add_verb

if TYPE_CHECKING:
    from bowstream.model.bundle import Bundle
    from bowstream.model.probe import ProbeResult


@dataclass(frozen=True)
class CheckOptions:
    """Which bundle to verify, None for the one that is shipped, and whether to write one JSON object."""

    bundle: Path | None
    json: bool


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "check", "verify a bundle on this machine, and describe it")
    add_bundle(parser, "bundle", nargs="?")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Verify a bundle, run its probe and describe it; return exit status 1 if the probe fails."""
    asked = CheckOptions(arguments.bundle, arguments.json)
    from bowstream.model.bundle import default_path, read
    from bowstream.model.probe import run_probe
    from bowstream.tagger import Tagger

    bundle, probe = read(asked.bundle or default_path())
    result = run_probe(Tagger(bundle), probe)
    if asked.json:
        print(json.dumps({"passed": result.passed, "probe": asdict(result), **bundle.description}))
    else:
        describe(bundle, result)
    return 0 if result.passed else 1


def describe(bundle: Bundle, result: ProbeResult) -> None:
    """Print a bundle and how its probe went."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bowstream.model.probe import LOG_MEL_TOLERANCE, SCORES_TOLERANCE
    from bowstream.model.sensitivity import USUAL
    from bowstream.model.tags import groups_of

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
        if words := in_words(value):
            table.add_row(name.replace("_", " "), words)
    sizes = [f"{family} {len(encoder.codebook)}" for family, encoder in bundle.encoders.items()]
    table.add_row("codes", ", ".join(sizes))
    table.add_row("listens back", f"{bundle.head.context * bundle.front_end.window_s:g} s")
    for place, (group, names) in enumerate(groups_of(bundle.tags).items()):
        table.add_row("" if place else f"{len(bundle.tags)} tags", (group and f"{group}: ") + ", ".join(names))
    table.add_row(
        "files",
        f"{sum((bundle.path / name).stat().st_size for name in description['files']) / 1e6:.2f} MB, hashes right",
    )
    for cost in bundle.sensitivity.costs:
        words = f"{cost.false_per_hour:.1f} false events per hour, {100 * cost.recall:.0f} % of sounds raised"
        usual = " (the default)" if cost.sensitivity == USUAL else ""
        table.add_row(f"sensitivity {cost.sensitivity:g}, hop {cost.hop_s:g} s", words + usual)
    table.add_row("probe", f"log-mel off by {result.log_mel:.2g} (allowed {LOG_MEL_TOLERANCE})")
    table.add_row("", f"{result.codes} of {result.of_codes} codes differ (allowed {result.codes_allowed})")
    table.add_row("", f"scores off by {result.scores:.2g} (allowed {SCORES_TOLERANCE})")
    passed = (
        Text("passed", "green") if result.passed else Text("FAILED: do not trust its results on this machine", "red")
    )
    table.add_row("", passed)
    Console(markup=False).print(table)


def in_words(metric: Any) -> str | None:
    """Return a metric in a few words; None for what has no few words, which `--json` has whole."""
    if isinstance(metric, dict) and "mean" in metric:
        try:
            low, high = map(float, metric.get("interval_95", (metric["mean"],) * 2))
            return f"{float(metric['mean']):.3f} (95 % interval over the folds {low:.3f} … {high:.3f})"
        except (TypeError, ValueError):
            return "no number"  # a bundle may say anything here; nothing depends on it
    if isinstance(metric, float):
        return f"{metric:.4g}"
    return None if isinstance(metric, dict) else str(metric)

"""`bowstream doctor`: find out what keeps this machine from listening, and what to do about it."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict, dataclass

from bowstream.cli.parser import HOW, ConfigOptions, Verbs, add_configuration, add_verb

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class DoctorOptions:
    """Which configuration to look at, and whether to write JSON lines."""

    config: ConfigOptions
    json: bool


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "doctor", "find out what keeps this machine from listening, and what to do")
    add_configuration(parser, "bundle", "device", "sample_rate", "raw", *HOW)
    parser.add_argument("--json", action="store_true", help="write one JSON object per check")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Go through the checks and print each finding; return exit status 1 if one fails."""
    asked = DoctorOptions(ConfigOptions.of(arguments), arguments.json)
    from rich.console import Console

    from bowstream.cli.examination import examine

    console, failed = Console(highlight=False), False
    for finding in examine(asked.config):
        failed |= finding.state == "fail"
        if asked.json:
            print(json.dumps(asdict(finding)), flush=True)
            continue
        console.print(f"[{STYLES[finding.state]}]{finding.state:4}[/]  [bold]{finding.check:11}[/]", end=" ")
        console.print(finding.found, markup=False, soft_wrap=True)
        if finding.advice:
            console.print(f"{'':18}→ {finding.advice}", markup=False, soft_wrap=True)
    return int(failed)

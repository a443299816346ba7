"""`bowstream doctor`: what keeps this machine from listening, and what to do about it."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import TypeVar

from rich.console import Console

from bowstream.cli import checks
from bowstream.cli.checks import Finding
from bowstream.cli.setup import load
from bowstream.config.file import Config
from bowstream.errors import BowstreamError
from bowstream.health.thermal import read_thermal

STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}
Result = TypeVar("Result")


def run(arguments: Namespace) -> int:
    """Go through the checks and print each finding; exit status 1 if one fails."""
    console, failed = Console(highlight=False), False
    for finding in examine(arguments):
        failed |= finding.state == "fail"
        if arguments.json:
            print(json.dumps(asdict(finding)), flush=True)
            continue
        console.print(f"[{STYLES[finding.state]}]{finding.state:4}[/]  [bold]{finding.check:11}[/]", end=" ")
        console.print(finding.found, markup=False, soft_wrap=True)
        if finding.advice:
            console.print(f"{'':18}→ {finding.advice}", markup=False, soft_wrap=True)
    return int(failed)


def examine(arguments: Namespace) -> Iterator[Finding]:
    """Yield the findings, in the order in which things depend on each other; what depends on a failure is left out."""
    yield from tried("Python", checks.check_python())
    yield from tried("runtime", checks.check_runtime())
    bundle = None
    if config := (yield from tried("config", read_config(arguments))):
        bundle = yield from tried("bundle", checks.check_bundle(config.settings))
        yield from tried("config", checks.check_config(config, bundle))
        yield from tried("sinks", checks.check_sinks(config.settings))
        yield from tried("disk", checks.check_disk(config.settings))
    portaudio = yield from tried("PortAudio", checks.check_portaudio())
    yield from tried("permission", checks.check_permission())
    devices = portaudio and (yield from tried("devices", checks.check_devices()))
    if config and bundle and devices:
        yield from tried("microphone", checks.check_microphone(config.settings, bundle.front_end))
    yield from tried("processor", checks.check_processor(read_thermal()))


def tried(name: str, check: Generator[Finding, None, Result]) -> Generator[Finding, None, Result | None]:
    """Yield a check's findings, an error as the last of them; return what the check returns, if it comes so far."""
    try:
        return (yield from check)
    except BowstreamError as error:
        for line in str(error).splitlines():  # each says itself what to do
            yield Finding("fail", name, line)
        return None


def read_config(arguments: Namespace) -> Generator[Finding, None, Config]:
    """Return the configuration; whether it is right is seen once there is a bundle."""
    yield from ()
    return load(arguments)

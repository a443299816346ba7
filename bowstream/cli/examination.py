"""The order in which `bowstream doctor` makes its checks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

from bowstream.cli import checks
from bowstream.cli.checks import Finding
from bowstream.cli.page_check import check_web
from bowstream.cli.parser import ConfigOptions
from bowstream.cli.report_check import check_report
from bowstream.cli.source_check import check_source, kind_of
from bowstream.config.address import is_microphone
from bowstream.config.file import Config, load
from bowstream.config.settings import SourceSettings
from bowstream.errors import BowstreamError
from bowstream.health.thermal import read_thermal

Result = TypeVar("Result")


def examine(options: ConfigOptions) -> Iterator[Finding]:
    """Yield the findings, in the order in which things depend on each other; what depends on a failure is left out."""
    yield from tried("Python", checks.check_python())
    yield from tried("runtime", checks.check_runtime())
    bundle = None
    if config := (yield from tried("config", read_config(options))):
        bundle = yield from tried("bundle", checks.check_bundle(config.settings))
        yield from tried("config", checks.check_config(config, bundle))
        yield from tried("sinks", checks.check_sinks(config.settings))
        yield from tried("page", check_web(config.settings))
        yield from tried("report", check_report(config.settings))
        yield from tried("disk", checks.check_disk(config.settings))
    sources = config.settings.heard if config else {"": SourceSettings()}
    devices: object = None
    if any(is_microphone(source.device) for source in sources.values()):
        portaudio = yield from tried("PortAudio", checks.check_portaudio())
        yield from tried("permission", checks.check_permission())
        devices = portaudio and (yield from tried("devices", checks.check_devices()))
    for source in sources.values():
        if bundle and (devices or not is_microphone(source.device)):
            yield from tried(kind_of(source), check_source(source, bundle.front_end))
    yield from tried("processor", checks.check_processor(read_thermal()))


def tried(name: str, check: Generator[Finding, None, Result]) -> Generator[Finding, None, Result | None]:
    """Yield a check's findings, an error as the last of them; return what the check returns, if it comes so far."""
    try:
        return (yield from check)
    except BowstreamError as error:
        for line in error.lines:  # each says itself what to do
            yield Finding("fail", name, line)
        return None
    except OSError as error:
        yield Finding("fail", name, str(error), "see whether the file or device is there, and who may use it")
        return None


def read_config(options: ConfigOptions) -> Generator[Finding, None, Config]:
    """Whether a secret is safe in the configuration; return that, which is checked once there is a bundle."""
    config = load(options.file, options.overrides)
    if exposed := config.exposed():
        yield Finding("warn", "config", *exposed)
    return config

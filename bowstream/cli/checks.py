"""What `bowstream doctor` looks at: each check yields what it found, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from bowstream.audio.devices import SOUND_NODES, Device, find_device, list_devices, load_sounddevice
from bowstream.cli.setup import personalise
from bowstream.config.file import Config
from bowstream.config.paths import expanded
from bowstream.config.settings import Settings
from bowstream.config.sinks import ClipsSettings, HistorySettings, JsonlSettings
from bowstream.errors import UsageError
from bowstream.health.thermal import Thermal
from bowstream.history.place import kept_at
from bowstream.model.bundle import Bundle, default_path, read
from bowstream.model.probe import run_probe
from bowstream.model.tflite import load_runtime
from bowstream.sinks import LOADERS
from bowstream.tagger import Tagger

# What pyproject.toml has installed, but for the TFLite runtime, which goes by several names.
PACKAGES = ("numpy", "rich", "sounddevice", "soundfile", "soxr")
HOT_C = 80.0
LITTLE_MB, NONE_MB = 500, 50


@dataclass(frozen=True)
class Finding:
    """What a check found; `advice` says what to do, where `found` does not."""

    state: str
    check: str
    found: str
    advice: str = ""


Findings = Generator[Finding, None, None]


def check_python() -> Findings:
    """Python and the packages that sound goes through."""
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("fail", "Python", f"{name} is not installed", f"pip install {name}")
    found = f"{platform.python_version()} on {platform.machine()}, {', '.join(packages)} ({sys.prefix})"
    yield Finding("ok", "Python", found)


def check_runtime() -> Findings:
    """The TFLite runtime."""
    name, _ = load_runtime()
    name = name.replace("_", "-")
    yield Finding("ok", "runtime", f"{name} {version(name)}")


def check_bundle(settings: Settings) -> Generator[Finding, None, Bundle]:
    """The bundle's hashes and probe, and whether the machine is quick enough; return it."""
    bundle, probe = read(settings.bundle or default_path())
    result = run_probe(Tagger(bundle), probe)
    if result.passed:
        yield Finding("ok", "bundle", f"{bundle.name}, {len(bundle.tags)} tags; hashes right, probe passed")
    else:
        found = (
            f"{bundle.name} fails its probe here: {result.codes} codes differ, scores are off by {result.scores:.3g}"
        )
        yield Finding("fail", "bundle", found, "do not trust its results on this machine; please report it")
    yield speed(bundle)
    return bundle


def check_config(config: Config, bundle: Bundle | None) -> Findings:
    """Whether the configuration is right, and what it says of tags fits the bundle, if there is one."""
    if bundle:
        personalise(config, bundle)
    config.check()
    sinks = ", ".join(config.settings.sinks) or "none"
    source = config.document.name if config.document else "no file, so every setting has its default"
    yield Finding("ok", "config", f"{source}; sinks: {sinks}")


def check_sinks(settings: Settings) -> Findings:
    """Whether the packages that the configured sinks need are installed."""
    for name in settings.sinks:
        if name not in LOADERS:
            continue
        try:
            LOADERS[name]()
        except UsageError as error:
            yield Finding("fail", "sinks", str(error))
        else:
            yield Finding("ok", "sinks", f"what {name} needs is installed")


def speed(bundle: Bundle) -> Finding:
    """Return how long a second of sound takes, at the shortest hop."""
    front_end = bundle.front_end
    tagger = Tagger(bundle, hop_s=0.1)
    noise = np.random.default_rng(0).standard_normal(front_end.window_length).astype(np.float32) * 0.1
    columns = noise.reshape(-1, front_end.column_length)
    for column in columns:  # the first window warms the caches up
        tagger.push(column)
    started_s = time.perf_counter()
    for column in columns:
        tagger.push(column)
    factor = time.perf_counter() - started_s
    found = f"a second of sound takes {factor * 1000.0:.0f} ms at a hop of 0.1 s"
    if factor < 0.5:
        return Finding("ok", "speed", found)
    return Finding("warn", "speed", found, "take a longer hop (--hop 1.0), and see what else keeps the processor busy")


def check_portaudio() -> Generator[Finding, None, str]:
    """PortAudio; return its version."""
    _, text = load_sounddevice().get_portaudio_version()
    found: str = text.partition(",")[0]
    yield Finding("ok", "PortAudio", found)
    return found


def check_permission() -> Findings:
    """Whether we may use ALSA's devices."""
    devices = sorted(SOUND_NODES.glob("pcm*c"))
    if devices and not all(os.access(device, os.R_OK | os.W_OK) for device in devices):
        found = f"{devices[0]} cannot be opened: no permission"
        yield Finding("fail", "permission", found, "sudo usermod -aG audio $USER, then log in again")
    elif devices:
        yield Finding("ok", "permission", f"{len(devices)} ALSA inputs can be opened")


def check_devices() -> Generator[Finding, None, list[Device]]:
    """What there is to listen with; return it."""
    devices = list_devices()
    find_device(None, devices)  # says why there is none
    yield Finding("ok", "devices", "; ".join(f"{device.index} {device.name}" for device in devices))
    return devices


def check_processor(thermal: Thermal) -> Findings:
    """Heat, and whether the system slows the processor down."""
    heat = "no sensor" if thermal.temperature_c is None else f"{thermal.temperature_c:.0f} °C"
    if thermal.throttled:
        advice = "use the power supply made for this board; cool the processor"
        yield Finding("warn", "processor", f"{heat}; {', '.join(thermal.throttled)}", advice)
    elif thermal.temperature_c is not None and thermal.temperature_c >= HOT_C:
        yield Finding("warn", "processor", heat, "cool it: a heat sink, a fan, or more air around it")
    else:
        yield Finding("ok", "processor", heat)


def check_disk(settings: Settings) -> Findings:
    """Room, and leave, to write what the sinks write."""
    for folder in sorted({existing(folder) for folder in folders(settings)}):
        free_mb = shutil.disk_usage(folder).free / 1e6
        found = f"{free_mb / 1000.0:.1f} GB free in {folder}"
        if not os.access(folder, os.W_OK):
            yield Finding("fail", "disk", f"{folder} cannot be written to: no permission", f"sudo chown $USER {folder}")
        elif free_mb < LITTLE_MB:
            state = "warn" if free_mb >= NONE_MB else "fail"
            advice = "delete something, or let sinks write elsewhere: [sinks.clips] folder and cap_mb"
            yield Finding(state, "disk", found, advice)
        else:
            yield Finding("ok", "disk", found)


def folders(settings: Settings) -> Iterator[Path]:
    """Yield the folders that sinks write in."""
    sinks = settings.sinks.values()
    yield from (Path(sink.folder) for sink in sinks if isinstance(sink, ClipsSettings))
    yield from (Path(sink.path).parent for sink in sinks if isinstance(sink, JsonlSettings))
    yield from (kept_at(sink.path).parent for sink in sinks if isinstance(sink, HistorySettings))


def existing(folder: Path) -> Path:
    """Return the innermost folder on a path that is there already."""
    whole = expanded(folder).resolve()
    return next(one for one in (whole, *whole.parents) if one.is_dir())

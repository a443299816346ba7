"""Temperature and throttling of the processor, where the system reports them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bowstream.audio.identity import SYSFS, read_line

# The firmware's bits for the present state. Source: vcgencmd get_throttled in the Raspberry Pi documentation.
THROTTLED_NOW = {
    0: "the supply voltage is too low",
    1: "the processor's frequency is capped",
    2: "the processor is throttled",
    3: "the soft temperature limit is reached",
}
FIRMWARE = "devices/platform/soc*/soc*:firmware/get_throttled"
# Thermal zones that are about the processor, as their drivers name them.
PROCESSOR_ZONES = ("cpu", "soc", "x86_pkg")


@dataclass(frozen=True)
class Thermal:
    """Temperature in °C, and reasons why the processor is throttled; None where the system does not report it."""

    temperature_c: float | None = None
    throttled: tuple[str, ...] | None = None


def read_thermal(sysfs: Path = SYSFS) -> Thermal:
    """Return the present temperature and throttling."""
    return Thermal(read_temperature(sysfs), read_throttled(sysfs))


def read_temperature(sysfs: Path) -> float | None:
    """Return the temperature of the processor's thermal zone, else of the first zone, in °C."""
    zones = sorted((sysfs / "class/thermal").glob("thermal_zone*"))
    zones.sort(key=lambda zone: not read_line(zone / "type").lower().startswith(PROCESSOR_ZONES))
    for zone in zones:
        text = read_line(zone / "temp")
        if text.lstrip("-").isdecimal():
            return int(text) / 1000.0
    return None


def read_throttled(sysfs: Path) -> tuple[str, ...] | None:
    """Return why the firmware of a Raspberry Pi throttles the processor now; None on other machines."""
    for file in sysfs.glob(FIRMWARE):
        try:
            bits = int(read_line(file), 16)
        except ValueError:
            continue
        return tuple(reason for bit, reason in THROTTLED_NOW.items() if bits >> bit & 1)
    return None

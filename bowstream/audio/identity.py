"""Names of sound cards that survive a reboot, which ALSA's numbers do not; from Linux's sysfs.

usb:0d8c:0014          vendor and product of a USB device
usb:0d8c:0014:A1B2C3   and its serial number, if it has one
usb-port:1-1.2         the USB port that it is plugged into, whatever it is
card:Device            ALSA's short name of the card, as in /proc/asound/cards
"""

from __future__ import annotations

import re
from pathlib import Path

SYSFS = Path("/sys")
KINDS = ("usb:", "usb-port:", "card:")
# How PortAudio ends the name of an ALSA device: card and device number.
HARDWARE = re.compile(r"\(hw:(\d+),\d+\)")


def card_of(name: str) -> int | None:
    """Return the number of the ALSA card in a name that PortAudio gives; None if it has none."""
    match = HARDWARE.search(name)
    return int(match[1]) if match else None


def identities(card: int, sysfs: Path = SYSFS) -> tuple[str, ...]:
    """Return the identities of an ALSA card, the most particular first."""
    folder = sysfs / f"class/sound/card{card}"
    names = []
    usb = next((one for one in (folder / "device").resolve().parents if (one / "idVendor").is_file()), None)
    if usb:
        kind = f"usb:{read_line(usb / 'idVendor')}:{read_line(usb / 'idProduct')}"
        serial = read_line(usb / "serial")
        names += [f"{kind}:{serial}"] if serial else []
        names += [f"usb-port:{usb.name}", kind]
    short = read_line(folder / "id")
    return (*names, f"card:{short}") if short else tuple(names)


def read_line(file: Path) -> str:
    """Return a sysfs file's content without its line end; empty if there is none to read."""
    try:
        return file.read_text("utf-8", "replace").strip()
    except OSError:
        return ""

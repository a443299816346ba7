"""`bowstream devices`: list the microphones."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bowstream.cli.parser import Verbs, add_verb

if TYPE_CHECKING:
    from bowstream.audio.devices import Device


@dataclass(frozen=True)
class DevicesOptions:
    """How to list them: as JSON lines, or as a table."""

    json: bool


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "devices", "list the microphones")
    parser.add_argument("--json", action="store_true", help="write one JSON object per device")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """List the microphones.

    Raises
    ------
    DeviceError
        If there is none.
    """
    asked = DevicesOptions(arguments.json)
    from bowstream.audio.devices import find_device, list_devices

    devices = list_devices()
    find_device(None, devices)  # says why there is none
    if asked.json:
        for device in devices:
            print(json.dumps(asdict(device)))
    else:
        print_table(devices)
    return 0


def print_table(devices: Sequence[Device]) -> None:
    """Print the devices as a table."""
    from rich.console import Console
    from rich.table import Table

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

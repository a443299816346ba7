"""Names of this machine, so that a web page whose name resolves to it (DNS rebinding) gets no answer."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from contextlib import suppress


def own_names() -> set[str]:
    """Return the names by which this machine is known in its network."""
    name = socket.gethostname().lower()
    return {name, f"{name.partition('.')[0]}.local"}


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a `Host` header is an address, or one of some names."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
    name = name.strip("[]").rstrip(".").lower()
    with suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return name in names


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return address == "localhost"

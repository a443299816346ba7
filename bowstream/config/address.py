"""What `device` names: a microphone, or where else sound comes from."""

from __future__ import annotations

from urllib.parse import urlsplit

from bowstream.config.fields import require

STDIN = "-"
WYOMING = "wyoming"
# What FFmpeg opens, and what we do.
NETWORK = ("rtsp", "rtsps", "http", "https", "udp", "tcp", "rtmp", "rtmps", "srt", WYOMING)
# How a path begins: a microphone's name may have a slash within it.
PATHS = ("/", "./", "../", "~/")
ESCAPES = "/ ? # and @ in a password are written as %2F %3F %23 and %40"


def scheme_of(device: str) -> str:
    """Return the scheme of an address, in small letters; empty if it is none."""
    scheme, found, _ = device.partition("://")
    return scheme.lower() if found else ""


def is_path(device: str) -> bool:
    """Whether it is a file."""
    return device.startswith(PATHS)


def is_microphone(device: str | None) -> bool:
    """Whether it is a microphone, by its name or by default."""
    return device is None or not (device == STDIN or is_path(device) or scheme_of(device))


def check_device(device: str) -> None:
    """Raise `SettingError` if `device` can be neither a microphone nor an address; the message has nothing of it."""
    require(bool(device.strip()), "device", "must be an identity, part of a name, a number or an address (got none)")
    if scheme := scheme_of(device):
        known = ", ".join(f"{each}://" for each in NETWORK)
        require(scheme in NETWORK, "device", f"must be a microphone, or begin with one of {known}, / or ./")
        require(not any(map(str.isspace, device)), "device", "must be an address without blanks (%20 stands for one)")
        require(has_place(device), "device", f"must be an address, as in rtsp://camera/stream; {ESCAPES}")


def has_place(address: str) -> bool:
    """Whether the host and port of an address can be some."""
    try:
        parts = urlsplit(address)
        return parts.port is None or parts.port > 0
    except ValueError:
        return False

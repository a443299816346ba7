"""The inputs that PortAudio offers, how one is chosen, and why one cannot be had."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowstream.audio.identity import KINDS, SYSFS, card_of, identities
from bowstream.errors import DeviceAbsentError, DeviceError

SOUND_NODES = Path("/dev/snd")
DEVICE_UNAVAILABLE = -9985  # from portaudio.h
BUSY = "another program holds it: 'fuser -v /dev/snd/*' shows which; stop that one, or choose another device"
NONE_FOUND = (
    "no microphone found: plug one in, or set the HAT's overlay in /boot/firmware/config.txt; "
    "'arecord -l' shows what the system sees; or listen to a stream: --device rtsp://…"
)
FORBIDDEN = "you may not use it: run 'sudo usermod -aG audio $USER', then log in again"


@dataclass(frozen=True)
class Device:
    """An input that PortAudio offers; `ids` are the names that it keeps over a reboot, best first."""

    index: int
    name: str
    host_api: str
    channels: int
    native_rate: int
    is_default: bool
    ids: tuple[str, ...] = ()


def load_sounddevice() -> Any:
    """Import `sounddevice`, which needs PortAudio at import.

    Raises
    ------
    DeviceError
        If it or PortAudio is missing.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise DeviceError(f"sounddevice is missing ({error}): run 'pip install sounddevice', then try again") from error
    except OSError as error:
        raise DeviceError(
            f"PortAudio is missing ({error}): run 'sudo apt install libportaudio2', then try again"
        ) from error
    return sounddevice


def list_devices(sysfs: Path = SYSFS) -> list[Device]:
    """Return the inputs that PortAudio offers now; empty where there is none."""
    sounddevice = load_sounddevice()
    try:
        default = sounddevice.default.device[0]
        apis = sounddevice.query_hostapis()
        inputs = [each for each in enumerate(sounddevice.query_devices()) if each[1]["max_input_channels"] > 0]
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"PortAudio cannot list the devices: {error.args[0]}") from error
    devices = []
    for index, info in inputs:
        card = card_of(info["name"])
        devices.append(
            Device(
                index=index,
                name=info["name"],
                host_api=apis[info["hostapi"]]["name"],
                channels=info["max_input_channels"],
                native_rate=round(info["default_samplerate"]),
                is_default=index == default,
                ids=() if card is None else identities(card, sysfs),
            )
        )
    return devices


def find_device(wanted: str | None, devices: list[Device], sysfs: Path = SYSFS, nodes: Path = SOUND_NODES) -> Device:
    """Return the input of this identity or number, or whose name contains this fragment; the default one for None.

    Raises
    ------
    DeviceError
        If there is none, or more than one.
    """
    if not devices:
        if reason := why_absent(None, sysfs, nodes):
            raise DeviceError(f"no microphone can be used: {reason}")
        raise DeviceAbsentError(NONE_FOUND)
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    offered = ", ".join(f"{device.index} {device.name!r}" for device in devices)
    matches = matching(wanted, devices)
    if not matches:
        if wanted.startswith(KINDS) and (reason := why_absent(wanted, sysfs, nodes)):
            raise DeviceError(f"{wanted!r} cannot be used: {reason}")
        raise DeviceAbsentError(f"no input fits {wanted!r}: choose one of {offered}")
    if len(matches) > 1:
        found = ", ".join(f"{device.index} {device.name!r}" for device in matches)
        raise DeviceError(f"{wanted!r} fits {found}: choose one of {offered}")
    return matches[0]


def matching(wanted: str, devices: list[Device]) -> list[Device]:
    """Return the devices that fit, those whose name is the very one before those that contain it."""
    if wanted.startswith(KINDS):
        same = [device for device in devices if wanted.casefold() in map(str.casefold, device.ids)]
        # A card may have several inputs, which share its identities: the first is the usual one.
        return list({card_of(device.name): device for device in reversed(same)}.values())[::-1]
    if wanted.isdecimal():
        return [device for device in devices if device.index == int(wanted)]
    exact = [device for device in devices if device.name == wanted]
    return exact or [device for device in devices if wanted.casefold() in device.name.casefold()]


def why_absent(wanted: str | None, sysfs: Path, nodes: Path) -> str | None:
    """Return why PortAudio does not offer a card that the system has; None if it has none.

    PortAudio passes over what it cannot open, so that a busy card looks as if it were not there.
    """
    captures = [node for node in sorted(nodes.glob("pcmC*D*c")) if wanted is None or wanted in ids_of(node, sysfs)]
    if not captures:
        return None
    return BUSY if any(os.access(node, os.R_OK | os.W_OK) for node in captures) else FORBIDDEN


def ids_of(node: Path, sysfs: Path) -> tuple[str, ...]:
    """Return the identities of the card of a device node such as `pcmC1D0c`."""
    return identities(int(node.name.removeprefix("pcmC").split("D")[0]), sysfs)


def explain(error: Any) -> str:
    """Return what a `PortAudioError` means and what to do about it."""
    text, code, host = (*error.args, None, None)[:3]
    cause = abs(host[1]) if host else 0
    if code == DEVICE_UNAVAILABLE or cause == errno.EBUSY:
        return BUSY
    if cause in (errno.EACCES, errno.EPERM):
        return FORBIDDEN
    if cause in (errno.ENODEV, errno.ENOENT):
        return "it has gone: plug it in again"
    return f"{text}" + (f" ({host[2]})" if host and host[2] else "")

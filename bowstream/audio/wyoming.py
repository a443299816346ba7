"""A microphone of Home Assistant's voice satellites: a Wyoming server that sends audio chunks.

Protocol: https://github.com/OHF-Voice/wyoming. An event is a line of JSON, then `data_length` bytes of more JSON, then
`payload_length` bytes.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import numpy as np

from bowstream._text import redacted
from bowstream._types import Float32
from bowstream.audio.live import Piece
from bowstream.audio.raw import CHANNELS, RATES_HZ
from bowstream.errors import DeviceAbsentError, DeviceError, UsageError

# Of wyoming-mic-external.
PORT = 10_600
OPENED_AFTER_S, GONE_AFTER_S = 10.0, 8.0
LONGEST_LINE, MOST_BYTES = 1 << 16, 1 << 24
# What samples of so many bytes are.
TYPES = {2: ("<i2", 2.0**15), 4: ("<i4", 2.0**31)}


class WyomingInput:
    """What a Wyoming server sends: one of microphones, as `wyoming-mic-external`, sends at once and to each client.

    Timestamps are not looked at: servers send them in different units. TCP loses nothing; a pause is a gap.

    Parameters
    ----------
    address : `wyoming://HOST[:PORT]`
    """

    damaged = 0
    quiet_after_s = float("inf")  # it is gone before
    calls_python = False

    def __init__(self, address: str) -> None:
        self.name = redacted(address)
        parts = urlsplit(address)
        self._place = (parts.hostname or "", parts.port or PORT)
        if not parts.hostname:
            raise UsageError(f"{self.name!r} must be wyoming://HOST[:PORT]")

    def pieces(self) -> Generator[Piece, None, None]:
        """Connect and yield what comes.

        Raises
        ------
        DeviceError
            If nobody is there, says anything else, goes silent or hangs up.
        """
        with self._told(), socket.create_connection(self._place, OPENED_AFTER_S) as server:
            server.settimeout(GONE_AFTER_S)
            with server.makefile("rb") as stream:
                while event := read_event(stream):
                    kind, data, payload = event
                    if kind == "ping":
                        pong = {"type": "pong", "data": {"text": data.get("text")}}
                        server.sendall(json.dumps(pong).encode() + b"\n")
                    elif kind == "audio-chunk" and payload:
                        yield Piece(frames_of(data, payload), data["rate"])
        raise DeviceAbsentError(f"{self.name!r} has ended")

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        """Raise what goes wrong as a `DeviceError`."""
        try:
            yield
        except TimeoutError:
            raise DeviceAbsentError(f"{self.name!r} does not answer") from None
        except OSError as error:
            raise DeviceError(f"{self.name!r} cannot be heard: {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            raise DeviceError(f"{self.name!r} does not speak Wyoming: {error}") from None


def read_event(stream: BinaryIO) -> tuple[str, dict[str, Any], bytes] | None:
    """Return an event's type, data and payload; None at the end; raise `ValueError` if it is none."""
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    head = parsed(line)
    if not isinstance(head.get("type"), str):
        raise ValueError("an event must have a type")
    data = parsed(taken(stream, head.get("data_length")) or b"{}")
    if isinstance(told := head.get("data"), dict):
        data = {**told, **data}
    return head["type"], data, taken(stream, head.get("payload_length"))


def parsed(content: bytes) -> dict[str, Any]:
    """Return an object of JSON; raise `ValueError` if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("an event must be JSON") from None
    if not isinstance(found, dict):
        raise ValueError("an event must be an object of JSON")
    return found


def taken(stream: BinaryIO, length: Any) -> bytes:
    """Return so many bytes, none for None; raise `ValueError` if that is no length, or they do not come."""
    if length is None:
        return b""
    if not isinstance(length, int) or not 0 <= length <= MOST_BYTES:
        raise ValueError(f"a length must be 0 … {MOST_BYTES} bytes")
    content = stream.read(length)
    if len(content) < length:
        raise ValueError("an event is cut short")
    return content


def frames_of(data: dict[str, Any], payload: bytes) -> Float32:
    """Return a chunk's samples, float32 [shape=(n, channels)]; raise `ValueError` if its format makes no sense."""
    layout = tuple(data.get(name) for name in ("rate", "width", "channels"))
    rate, width, channels = (number if isinstance(number, int) else 0 for number in layout)
    if rate not in RATES_HZ or width not in TYPES or channels not in CHANNELS or len(payload) % (width * channels):
        got = str(layout)[:60]
        raise ValueError(f"a chunk must have a rate, a width of 2 or 4 and channels, and be whole (got {got})")
    kind, full_scale = TYPES[width]
    samples: Float32 = (np.frombuffer(payload, kind).reshape(-1, channels) / full_scale).astype(np.float32)
    return samples

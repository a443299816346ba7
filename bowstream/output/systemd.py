"""Signs of life: for systemd, and for a container's health check.

Source: sd_notify(3): datagrams of `NAME=value` lines to the socket that $NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from bowstream.records import Record

# How often the file that $BOWSTREAM_ALIVE names is touched.
TOUCHED_EVERY_S = 10.0


class Notifier:
    """An `Output` that sends READY at the first record and WATCHDOG at later ones, if systemd asks for them.

    It also touches the file that $BOWSTREAM_ALIVE names, if it names one. It runs in the session's thread: when that
    hangs, systemd restarts the service, and a container is unhealthy.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        alive = os.environ.get("BOWSTREAM_ALIVE")
        self._alive = Path(alive) if alive else None
        # Half of what systemd allows, as it recommends.
        self._interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6 or (TOUCHED_EVERY_S if alive else 0.0)
        self._ready = False
        self._due_s = 0.0

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *exc: object) -> None:
        self._say("STOPPING=1")

    def write(self, record: Record) -> None:
        """Say that we are alive, if it is time."""
        if not self._ready:
            self._ready = True
            self._say("READY=1")
        if self._interval_s and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + self._interval_s
            self._say("WATCHDOG=1")
            if self._alive:
                self._alive.touch()

    def _say(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto(message.encode(), self._address)
        except OSError:
            return  # systemd does not listen now: it may at the next message

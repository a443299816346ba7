"""Tells systemd that we are ready and alive.

Source: sd_notify(3): datagrams of `NAME=value` lines to the socket that $NOTIFY_SOCKET names.
"""

from __future__ import annotations

import os
import socket
import time

from bowstream.records import Record


class Notifier:
    """An `Output` that sends READY at the first record and WATCHDOG at later ones, if systemd asks for them.

    It runs in the session's thread: when that hangs, systemd restarts the service.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        # Half of what systemd allows, as it recommends.
        self._interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
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

    def _say(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.sendto(message.encode(), self._address)
        except OSError:
            return  # systemd does not listen now: it may at the next message

"""A command an event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

from bowstream.config.paths import expanded
from bowstream.config.sinks import CommandSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.records import record_fields
from bowstream.session import Record, StreamInfo
from bowstream.sinks.worker import PermanentError, Sink


class Command(Sink[dict[str, Any]]):
    """Runs a program with the event's object on its standard input and its fields as `BOWSTREAM_TAG` ….

    One runs at a time. A program is not run twice for an event: what it has done already is not known.
    """

    def __init__(self, settings: CommandSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("command", capacity=100)
        self._settings = settings

    def convert(self, record: Record) -> Iterator[dict[str, Any]]:
        """Return the object of an event that is chosen."""
        if isinstance(record, Event) and self._settings.chooses(record.tag, "on" if record.offset_s is None else "off"):
            yield record_fields(record)

    def deliver(self, item: dict[str, Any]) -> None:
        """Run the program to its end."""
        program, *arguments = self._settings.argv
        named = {f"BOWSTREAM_{name.upper()}": str(value) for name, value in item.items() if value is not None}
        try:
            process = subprocess.Popen(
                [expanded(program), *arguments],
                env={**os.environ, **named},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise PermanentError(f"{program} cannot be run: {error.strerror}") from error
        with process:
            try:
                _, complaint = process.communicate(json.dumps(item).encode(), self._settings.timeout_s)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGKILL)
                raise PermanentError(f"{program} was killed: not done after {self._settings.timeout_s:g} s") from error
        if process.returncode:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:200]
            raise PermanentError(f"{program} failed with status {process.returncode}" + (f": {last}" if last else ""))

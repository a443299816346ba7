"""Runs one command per event."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

from bowstream.config.paths import expanded
from bowstream.config.sinks import CommandSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.values import record_fields
from bowstream.records import Record, StreamInfo
from bowstream.sinks.worker import PermanentError, Sink

# Environment variable that everything that a program starts inherits.
MARK = "BOWSTREAM_RUN"
# How often to look for what is to be killed: it may start something while we look.
KILLS = 3
# Bytes of a program's standard error that are kept.
TAIL = 4096


class Command(Sink[dict[str, Any]]):
    """Runs a program with the event as JSON on its standard input, and its fields as `BOWSTREAM_TAG` ….

    One runs at a time; other events wait. A program that fails is not run again for the same event, since it may have
    done its work in part.
    """

    def __init__(self, settings: CommandSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("command", capacity=100)
        self._settings = settings
        self._running: tuple[subprocess.Popen[bytes], str] | None = None  # with its mark

    def convert(self, record: Record) -> Iterator[dict[str, Any]]:
        """Return an event that is chosen, as plain values."""
        if isinstance(record, Event) and self._settings.chooses(record.tag, "on" if record.offset_s is None else "off"):
            yield record_fields(record)

    def deliver(self, item: dict[str, Any]) -> None:
        """Run the program to its end."""
        program, *arguments = self._settings.argv
        mark = uuid.uuid4().hex
        named = {f"BOWSTREAM_{name.upper()}": str(value) for name, value in item.items() if value is not None}
        try:
            process = subprocess.Popen(
                [expanded(program), *arguments],
                env={**os.environ, **named, MARK: mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise PermanentError(f"{program} cannot be run: {error.strerror}") from error
        self._running = process, mark
        with process:
            try:
                complaint = converse(process, json.dumps(item).encode(), self._settings.timeout_s)
            except subprocess.TimeoutExpired as error:
                kill_all(process, mark)
                raise PermanentError(f"{program} was killed: not done after {self._settings.timeout_s:g} s") from error
            finally:
                self._running = None
        if process.returncode:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2][:200]
            raise PermanentError(f"{program} failed with status {process.returncode}" + (f": {last}" if last else ""))

    def abort(self) -> None:
        """Kill the program that runs now, and all that it started."""
        if self._running:
            kill_all(*self._running)


def converse(process: subprocess.Popen[bytes], text: bytes, timeout_s: float) -> bytes:
    """Write to a program, wait for its end and return the last of what it wrote to standard error.

    It has ended when all that it started has, too, as far as it shares its standard error.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer.
    """
    until_s = time.monotonic() + timeout_s
    tail = bytearray()
    reader = Thread(target=keep_tail, args=(process.stderr, tail), daemon=True)
    reader.start()
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin as stdin:  # it need not read it
        stdin.write(text)  # less than a pipe holds
    reader.join(timeout_s)
    if reader.is_alive():
        raise subprocess.TimeoutExpired(process.args, timeout_s)
    process.wait(max(until_s - time.monotonic(), 0.0))
    return bytes(tail)


def keep_tail(stream: IO[bytes], tail: bytearray) -> None:
    """Read a stream to its end, and keep the last of it."""
    while read := os.read(stream.fileno(), TAIL):
        tail += read
        del tail[:-TAIL]


def kill_all(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a program and all that it started; the mark finds processes that have left its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(KILLS):
        for pid in processes_with(f"{MARK}={mark}".encode()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes_with(variable: bytes) -> Iterator[int]:
    """Yield the processes that have a variable in their environment, where /proc shows it."""
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # of another user, or gone
            if variable in environment.read_bytes().split(b"\0"):
                yield int(environment.parent.name)

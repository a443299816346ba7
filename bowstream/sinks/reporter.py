"""Sends the report of a day or week when it is due, as `bowstream report --send` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bowstream.config.report import ReportSettings
from bowstream.errors import BowstreamError
from bowstream.history.schedule import DAYS, last_due
from bowstream.records import Record
from bowstream.sinks.files import make_folder
from bowstream.sinks.worker import PermanentError, RetryableError, Sink

FILE_NAME = "reports.json"
LOOK_EVERY_S = 20.0
LONGEST_S = 600.0


@dataclass(frozen=True)
class Due:
    """A report that is due.

    way : how it is sent, `mail` or `webhook`: each is tried again for itself
    moment : when it was due
    is_sent : whether it is sent; one that was due before there was any listener is only noted
    """

    way: str
    moment: datetime
    is_sent: bool = True


class Reporter(Sink[Due]):
    """Starts another process for each report: to make one takes time and memory that the ears need.

    When each way was used last is kept in `reports.json` beside the history: what was due while no listener ran is made
    up for, once.

    Parameters
    ----------
    settings : who gets it, and when
    config : the file that says so, for the other process
    history : the history that it is about
    """

    first_wait_s, longest_wait_s = 60.0, 3600.0
    late_s = 2.0 * LONGEST_S

    def __init__(self, settings: ReportSettings, config: Path, history: Path) -> None:
        super().__init__("report")
        self._settings, self._config, self._history = settings, config, history
        self._file = history.with_name(FILE_NAME)
        self._look_at_s = 0.0  # monotonic
        self._process: subprocess.Popen[str] | None = None
        self._sent = read(self._file)
        self._asked = {way: self._sent.get(way) for way in settings.ways}

    def convert(self, record: Record) -> Iterator[Due]:
        """Return what has become due."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + LOOK_EVERY_S
        due = last_due(self._settings, datetime.now().astimezone())
        for way, asked in self._asked.items():
            if due and (asked is None or asked < due):
                self._asked[way] = due
                yield Due(way, due, is_sent=asked is not None)

    def deliver(self, item: Due) -> None:
        """Make and send a report."""
        if item.is_sent:
            self._send(item)
        self._sent[item.way] = item.moment
        self._remember()

    def _send(self, item: Due) -> None:
        last = item.moment.date() - timedelta(days=1)
        days = DAYS[self._settings.every]
        about = ["--day", str(last), "--days", str(days), "--file", str(self._history), "--config", str(self._config)]
        status, said = self._run([sys.executable, "-m", "bowstream", "report", "--send", item.way, *about])
        if status == 2:  # something is wrong in the configuration
            raise PermanentError(said)
        if status:
            raise RetryableError(said)

    def _run(self, command: list[str]) -> tuple[int, str]:
        """Run a command at low priority; return its status and the last line that it complained with."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, errors="replace", **pipes) as self._process:  # type: ignore[call-overload]
            with suppress(OSError):  # it has ended
                os.setpriority(os.PRIO_PROCESS, self._process.pid, 10)
            try:
                _, said = self._process.communicate(timeout=LONGEST_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise RetryableError(f"not made within {LONGEST_S:g} s") from None
        last = said.strip().rpartition("\n")[2].removeprefix("bowstream: ")
        return self._process.returncode, last or f"status {self._process.returncode}"

    def _remember(self) -> None:
        """Keep when each way was used last."""
        part = self._file.with_name(f".{FILE_NAME}.part")
        make_folder(part.parent, False)
        part.write_text(json.dumps({way: moment.isoformat() for way, moment in self._sent.items()}))
        part.replace(self._file)

    def abort(self) -> None:
        """End the other process."""
        if self._process:
            self._process.kill()


def read(file: Path) -> dict[str, datetime]:
    """Return when each way was used last.

    Raises
    ------
    BowstreamError
        If the file cannot be read.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
        return {way: datetime.fromisoformat(moment) for way, moment in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BowstreamError(f"{file} cannot be read: {error}; delete it") from error

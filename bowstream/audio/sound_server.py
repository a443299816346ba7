"""Where a sound server takes our sound from, which it may change: PulseAudio, or PipeWire in its place.

Neither PortAudio nor ALSA tells. `pactl`, where it is there, does; without it a microphone is what its name says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading

# How long the server may take to answer.
ANSWERS_S = 2.0
ENTRY = re.compile(r"^Source Output #(\d+)\n(.*?)(?=^Source Output #|\Z)", re.M | re.S)
SOURCE = re.compile(r"^\s*Source: (\d+)$", re.M)
PROCESS = re.compile(r'^\s*application\.process\.id = "(\d+)"$', re.M)


class Route:
    """From which of the server's sources the newest stream of this process gets its sound.

    Attributes
    ----------
    source : the source's name; None if no sound server is in between, or none that can be asked
    """

    def __init__(self) -> None:
        streams = ours()
        self._stream = max(streams, default=-1)
        self.source = self._now = streams.get(self._stream)
        self._events: subprocess.Popen[str] | None = None
        if self.source is not None:
            self._follow()

    @property
    def moved_to(self) -> str | None:
        """The source that the stream was moved to since; None if it was not."""
        return self._now if self._now != self.source else None

    def accept(self) -> None:
        """Take the source that the stream was moved to as the one that is wanted."""
        self.source = self._now

    def close(self) -> None:
        """Follow the stream no longer."""
        if self._events:
            self._events.kill()
            self._events.wait()

    def _follow(self) -> None:
        try:
            self._events = subprocess.Popen(
                ["pactl", "subscribe"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=plain(),
                start_new_session=True,
            )
        except OSError:  # no descriptors or processes are left: not worth a microphone
            return
        threading.Thread(target=self._read, args=(self._events,), name="bowstream-route", daemon=True).start()

    def _read(self, events: subprocess.Popen[str]) -> None:
        for line in events.stdout or ():
            if line.endswith(f"'change' on source-output #{self._stream}\n"):
                self._now = ours().get(self._stream) or self._now


def ours() -> dict[int, str | None]:
    """Return the number of each stream of sound that this process has from the server, and the name of its source."""
    streams = {}
    for number, text in ENTRY.findall(ask("list", "source-outputs")):
        process, source = PROCESS.search(text), SOURCE.search(text)
        if process and source and int(process[1]) == os.getpid():
            streams[int(number)] = source[1]
    if not streams:
        return {}
    names = dict(line.split("\t")[:2] for line in ask("list", "short", "sources").splitlines() if "\t" in line)
    return {number: names.get(source) for number, source in streams.items()}


def ask(*words: str) -> str:
    """Return what `pactl` answers; empty if it is not there, or there is no server, or it hangs."""
    if not shutil.which("pactl"):
        return ""
    try:
        done = subprocess.run(
            ["pactl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWERS_S,
            env=plain(),
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def plain() -> dict[str, str]:
    """Return an environment in which `pactl` answers in English."""
    return {**os.environ, "LC_ALL": "C"}

"""The newest seconds of sound, in memory, and the way to them for 'bowstream learn --last': a socket of this user."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bowstream._types import Float32
from bowstream.config.settings import NEWEST_S
from bowstream.errors import BowstreamError, UsageError

SOCKET_NAME = "listen.sock"
# How long the other side may take.
PATIENCE_S = 5.0
LONGEST_LINE, LONGEST_ANSWER = 500, 1 << 16
# Bytes that the system takes for the path of a socket.
LONGEST_PATH = 107


class Newest:
    """Keeps the newest seconds; written by one thread, read by any."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._parts: deque[Float32] = deque()
        self._length = 0
        self._lock = threading.Lock()

    def push(self, samples: Float32) -> None:
        """Take samples, float32 [shape=(N,)]."""
        with self._lock:
            self._parts.append(samples)
            self._length += len(samples)
            while self._length - len(self._parts[0]) >= NEWEST_S * self.sample_rate:
                self._length -= len(self._parts.popleft())

    def clear(self) -> None:
        """Begin again: what follows does not follow directly."""
        with self._lock:
            self._parts.clear()
            self._length = 0

    def last(self, seconds: float) -> Float32:
        """Return the last seconds, or as many as there are, float32 [shape=(N,)]."""
        with self._lock:
            parts = list(self._parts)
        sound = np.concatenate([np.empty(0, np.float32), *parts])
        return sound[max(0, len(sound) - round(seconds * self.sample_rate)) :]


class Doorway:
    """Gives the newest seconds to who asks for them through a socket that only this user can open.

    Of several listeners that keep their state in one place, the first answers.

    Parameters
    ----------
    path : of the socket
    newest : what there is of each source, by its name
    warn : takes a line if nobody can ask
    """

    def __init__(self, path: Path, newest: Mapping[str, Newest], warn: Callable[[str], None]) -> None:
        self._path, self._newest, self._warn = path, newest, warn
        self._listener: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="bowstream-doorway", daemon=True)

    def __enter__(self) -> Doorway:
        try:
            self._listener = bound(self._path)
        except OSError as error:
            self._warn(f"'bowstream learn --last' cannot ask this listener: {self._path}: {error}")
        if self._listener:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._listener:
            self._path.unlink(missing_ok=True)
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self._listener.close()
            self._thread.join(PATIENCE_S)

    def _serve(self) -> None:
        assert self._listener
        while True:
            try:
                asker, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            # Who asks nonsense, or hangs up, gets nothing.
            with asker, suppress(OSError, ValueError, KeyError, TypeError):
                asker.settimeout(PATIENCE_S)
                self._answer(asker)

    def _answer(self, asker: socket.socket) -> None:
        with asker.makefile("rb") as questions:
            question = json.loads(questions.readline(LONGEST_LINE))
        seconds, source = question["last_s"], question["source"] or next(iter(self._newest))
        head: dict[str, Any] = {"source": source, "sources": list(self._newest), "samples": 0}
        samples = np.empty(0, "<f4")
        if 0.0 < seconds <= NEWEST_S and (newest := self._newest.get(source)):
            samples = newest.last(seconds).astype("<f4")
            head |= {"sample_rate": newest.sample_rate, "samples": len(samples)}
        asker.sendall(json.dumps(head).encode() + b"\n" + samples.tobytes())


def bound(path: Path) -> socket.socket | None:
    """Return a socket that listens, which only this user can open; None if another listener answers there already.

    Raises
    ------
    OSError
        If the path cannot be one of a socket.
    """
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        with short(path) as name:
            try:
                listener.bind(name)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if is_answered(name):
                    listener.close()
                    return None
                path.unlink(missing_ok=True)  # of a listener that was killed
                listener.bind(name)
        path.chmod(0o600)  # before it listens: until then nobody gets in
        listener.listen(4)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Yield a name of a socket that the system takes, however deep its folder lies: by way of the folder, opened."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def is_answered(name: str) -> bool:
    """Whether a listener answers at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return False
        return True


@dataclass(frozen=True)
class Answer:
    """The last seconds that a running listener has.

    Attributes
    ----------
    samples : float32 [shape=(N,)]
    sample_rate : in Hz
    source : that heard them; empty where only one is heard
    """

    samples: Float32
    sample_rate: int
    source: str


def ask(path: Path, seconds: float, source: str = "") -> Answer:
    """Return the last seconds that a source of a running listener has, by default the first.

    Raises
    ------
    OSError
        If none answers.
    UsageError
        If it has no such source.
    BowstreamError
        If the answer is none.
    """
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(PATIENCE_S)
        with short(path) as name:
            asker.connect(name)
        asker.sendall(json.dumps({"last_s": seconds, "source": source}).encode() + b"\n")
        with asker.makefile("rb") as answer:
            try:
                head = json.loads(answer.readline(LONGEST_ANSWER))
                if head["source"] not in head["sources"]:
                    raise UsageError(f"source must be {heard_by(head['sources'])} (got {source!r})")
                samples = np.frombuffer(answer.read(4 * head["samples"]), "<f4").astype(np.float32)
                return Answer(samples, int(head["sample_rate"]), head["source"])
            except (ValueError, KeyError, TypeError) as error:
                raise BowstreamError(f"{path}: an answer that cannot be understood") from error


def heard_by(sources: Sequence[str]) -> str:
    """Return which sources can be named."""
    return f"one of {', '.join(sources)}" if any(sources) else "left out: only one is heard"

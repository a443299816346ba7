"""The newest seconds of sound, in memory, and the way to them for 'bowstream learn --last': a socket of this user."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from bowstream._types import Float32
from bowstream.config.settings import NEWEST_S
from bowstream.errors import BowstreamError

SOCKET_NAME = "listen.sock"
# How long the other side may take.
PATIENCE_S = 5.0
LONGEST_LINE = 200


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
    newest : what there is
    warn : takes a line if nobody can ask
    """

    def __init__(self, path: Path, newest: Newest, warn: Callable[[str], None]) -> None:
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
            with asker, suppress(OSError, ValueError):  # who asks nonsense, or hangs up, gets nothing
                asker.settimeout(PATIENCE_S)
                self._answer(asker)

    def _answer(self, asker: socket.socket) -> None:
        with asker.makefile("rb") as questions:
            seconds = float(questions.readline(LONGEST_LINE))
        if 0.0 < seconds <= NEWEST_S:
            samples = self._newest.last(seconds)
            head = json.dumps({"sample_rate": self._newest.sample_rate, "samples": len(samples)})
            asker.sendall(head.encode() + b"\n" + samples.astype("<f4").tobytes())


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
        try:
            listener.bind(os.fspath(path))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if is_answered(path):
                listener.close()
                return None
            path.unlink(missing_ok=True)  # of a listener that was killed
            listener.bind(os.fspath(path))
        path.chmod(0o600)  # before it listens: until then nobody gets in
        listener.listen(4)
    except OSError:
        listener.close()
        raise
    return listener


def is_answered(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        return True


def ask(path: Path, seconds: float) -> tuple[Float32, int]:
    """Return the last seconds that a running listener has, float32 [shape=(N,)], and their sample rate.

    Raises
    ------
    OSError
        If none answers.
    BowstreamError
        If the answer is none.
    """
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(PATIENCE_S)
        asker.connect(os.fspath(path))
        asker.sendall(f"{seconds}\n".encode())
        with asker.makefile("rb") as answer:
            try:
                head = json.loads(answer.readline(LONGEST_LINE))
                samples = np.frombuffer(answer.read(4 * head["samples"]), "<f4").astype(np.float32)
            except (ValueError, KeyError, TypeError) as error:
                raise BowstreamError(f"{path}: no answer that could be understood") from error
            return samples, int(head["sample_rate"])

"""A process that does what another one asks of it: a decoder that hangs or crashes takes no one else along."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import Any

from bowstream.errors import BowstreamError

# A process with nothing to do ends; the next call starts another.
IDLE_S = 60.0
# How long it may take to start, and to load a bundle.
STARTING_S = 120.0
LOOK_EVERY_S = 1.0
Tell = Callable[[Any], None]


class CrashError(BowstreamError):
    """The process ended in the midst of its work: a decoder crashed, or the system wanted its memory."""


class StoppedError(BowstreamError):
    """No more is to be done."""


class HangingError(BowstreamError):
    """The process has not told anything for too long."""


class Child:
    """Another Python process, which carries out one call after another. Use it in one thread.

    It ends when this process does, however that ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def call(
        self, function: Callable[..., Any], *arguments: Any, patience_s: float | None = None, told: Tell | None = None
    ) -> Any:
        """Return `function(*arguments, tell)` as the process works it out; `told` gets what it tells meanwhile.

        Raises
        ------
        CrashError
            If the process ends.
        HangingError
            If it tells nothing for `patience_s`, or longer at first, as it has to start; it is killed.
        Exception
            What the function raises.
        """
        connection = self._connected()
        try:
            connection.send((function, arguments))
            wait_s = None if patience_s is None else max(patience_s, STARTING_S)
            while connection.poll(wait_s):
                wait_s = patience_s
                kind, value = connection.recv()
                if kind == "returned":
                    return value
                if kind == "raised":
                    raise value
                if told:
                    told(value)
        except (EOFError, ConnectionError) as error:
            self.kill()
            raise CrashError("its process ended: its decoder crashed, or the system wanted the memory") from error
        self.kill()
        raise HangingError(f"nothing was heard for {patience_s:g} s: its decoder hangs, or the disk")

    def end(self) -> None:
        """End the process, whatever it does; safe from another thread, whose call then fails."""
        if process := self._process:
            process.kill()

    def kill(self) -> None:
        """End the process, whatever it does, and let go of it."""
        self.end()
        if self._process:
            self._process.wait()
        if self._connection:
            self._connection.close()
        self._process = self._connection = None

    def _connected(self) -> Connection:
        if self._process and self._process.poll() is not None:  # it was idle
            self.kill()
        if not self._connection:
            self._connection, theirs = Pipe()
            environment = {
                **os.environ,
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            }
            command = [sys.executable, "-c", "from bowstream.archive.child import serve; serve()", str(theirs.fileno())]
            # Ctrl+C is for this process to answer.
            self._process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=environment, start_new_session=True
            )
            theirs.close()
        return self._connection


def serve() -> None:
    """Carry out calls that come through the descriptor that is named, until there are none; the process's main."""
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()

    def tell(value: Any) -> None:
        connection.send(("told", value))

    try:
        while connection.poll(IDLE_S):
            function, arguments = connection.recv()
            try:
                answer = "returned", function(*arguments, tell)
            except ConnectionError:
                raise
            except Exception as error:
                answer = "raised", error
            connection.send(answer)
    except (EOFError, ConnectionError):
        pass  # nobody asks any more


def end_with(parent: int) -> None:
    """End this process when its parent has ended, whatever it hangs in."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


class Children:
    """A child for each thread that calls."""

    def __init__(self) -> None:
        self._all: list[Child] = []
        self.reset()

    def reset(self) -> None:
        """Let go of those there were, whose threads have ended, and begin again."""
        for child in self._all:
            child.kill()
        self._local = threading.local()
        self._all = []
        self._is_stopped = False

    def mine(self) -> Child:
        """Return this thread's child; raise `StoppedError` once they were stopped."""
        if self._is_stopped:
            raise StoppedError("stopped")
        if not hasattr(self._local, "child"):
            self._local.child = Child()
            self._all.append(self._local.child)
        child: Child = self._local.child
        return child

    def stop(self) -> None:
        """End all of them, whatever they do, and let none be started."""
        self._is_stopped = True
        for child in self._all:
            child.end()

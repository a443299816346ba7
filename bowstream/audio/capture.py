"""A source that is opened and heard in its own thread, so that several can be heard at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, TypeAlias

from bowstream.audio.source import Block, Notice, Source
from bowstream.errors import BowstreamError

# What may wait for the one loop, of each source: half a second of sound. More waits in the source, which loses the
# oldest, and counts it.
WAITING = 5
LOOK_S = 0.25
CLOSE_S = 3.0


class Ended(BowstreamError):
    """A source yields nothing more; without a message if it is at its end."""


# What comes of a source.
Heard: TypeAlias = "Block | Notice | BowstreamError"


class Capture:
    """Hands on what a source yields, even if others are slow, hang or fail; its fields are a `Source`'s.

    The last that it hands on is an error: `Ended` without a message at the source's end, else what ended it.

    Parameters
    ----------
    name : of the source, in the configuration
    open_source : returns the source, to be entered
    inbox : takes what is heard, with the name
    """

    live = True
    duration_s: float | None = None

    def __init__(
        self,
        name: str,
        open_source: Callable[[], AbstractContextManager[Source]],
        inbox: SimpleQueue[tuple[str, Heard]],
    ) -> None:
        self.name = name
        self._open_source = open_source
        self._inbox = inbox
        self._source: Source | None = None
        self._room = threading.Semaphore(WAITING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"bowstream-{name}", daemon=True)

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._source.clipped if self._source else 0

    @property
    def overflows(self) -> int:
        """Times that the sound system reported lost sound."""
        return self._source.overflows if self._source else 0

    def __iter__(self) -> Any:
        raise TypeError("what is heard comes to the inbox")

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `join` waits for that."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the source is closed, or hangs: then it dies with the process."""
        self._thread.join(CLOSE_S)

    def taken(self) -> None:
        """Make room for more, after something was taken from the inbox."""
        self._room.release()

    def _listen(self) -> None:
        try:
            with self._open_source() as source:
                self._source = source
                self._pass_on(source)
            self._put(Ended())
        except BowstreamError as error:
            self._put(error)
        except Exception as error:  # a bug of one source must not end the others
            self._put(Ended(repr(error)))

    def _pass_on(self, blocks: Iterable[Block | Notice | None]) -> None:
        for block in blocks:
            if self._stopping.is_set():
                return
            if block is not None:
                self._put(block)

    def _put(self, heard: Heard) -> None:
        """Hand something on, once there is room for it."""
        while not self._room.acquire(timeout=LOOK_S):
            if self._stopping.is_set():
                return
        self._inbox.put((self.name, heard))

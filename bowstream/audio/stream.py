"""Sources that do not wait for us: another thread writes into a ring, and we drain it a column at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from bowstream._types import FORMAT, Float32, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.convert import Converter
from bowstream.audio.mix import CANCELLED_S, CANCELLING
from bowstream.audio.ring import RingBuffer
from bowstream.audio.source import Block, Notice

# Sound older than this when we get to it is stale: it is dropped, and counted.
RING_S = 4.0
# What is kept of it then: few long gaps leave whole windows between them, many short ones would leave none.
KEPT_S = 3.0
# Blocks whose arrival is remembered: more than the ring holds, unless they are shorter than 2 ms.
ARRIVALS = 2048
LONGEST_WAIT_S = 0.25
SHORTEST_WAIT_S = 0.005
PLAYER_BLOCK_S = 0.01


class StreamSource:
    """A ring that another thread fills, drained in columns.

    A subclass starts that thread in `__enter__`, calls `_write` from it, and says in `_ended` whether
    more will come.
    """

    live = True
    duration_s: float | None = None

    def __init__(self, name: str, native_rate: int, channels: int, format: Format) -> None:
        self.name = name
        self.overflows = 0
        self.kept_s = KEPT_S
        self.format = format
        self._failure: Exception | None = None
        self._begin(native_rate, channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.native_rate} Hz, channels={self.channels})"

    def _begin(self, native_rate: int, channels: int) -> None:
        """Make room for sound of this rate and so many channels."""
        self.native_rate, self.channels = native_rate, channels
        self._ring = RingBuffer(round(RING_S * native_rate), channels)
        self._converter = Converter(self.name, native_rate, self.format, chunk_columns=1)
        # When what was written came in: (frames written until then, steady time).
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=ARRIVALS)

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._converter.clipped

    @property
    def cancelled_s(self) -> float:
        """Seconds in which the channels cancelled each other, so that one of them was taken alone."""
        return self._converter.cancelled_s

    @property
    def began_s(self) -> float | None:
        """When the stream's first frame was heard, by the steady clock; None before it delivers, or if none knows."""
        return None

    @property
    def handed_on_s(self) -> float | None:
        """When the last sound that was handed on was heard, by the steady clock; None until it delivers."""
        if (began_s := self.began_s) is None:
            return None
        return began_s + self._ring.passed / self.native_rate - self._converter.behind_s

    def _write(self, frames: Float32) -> None:
        """Copy frames into the ring; called from the other thread, which must not see an exception."""
        try:
            self._ring.write(frames)
            self._arrivals.append((self._ring.written, steady_s()))
        except Exception as error:  # handed to the main thread, which raises it
            self._failure = error

    def _ended(self) -> bool:
        """Whether the other thread has written its last; may raise what it ended with."""
        raise NotImplementedError

    def _notices(self) -> Iterator[Notice]:
        """Yield what is to be said of where the sound comes from."""
        yield from ()

    def __enter__(self) -> StreamSource:
        """Start the other thread."""
        raise NotImplementedError

    def __exit__(self, *exc: object) -> None:
        """Stop the other thread."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Block | Notice | None]:
        told = False
        while True:
            ended = self._ended()  # asked first, so that nothing written before the end is missed
            # No more than the next column, so that what follows can still be dropped should it grow stale.
            lost, frames = self._ring.read(self._converter.missing, round(self.kept_s * self.native_rate))
            if self._failure:
                raise self._failure
            if lost:
                yield Block(np.empty(0, np.float32), self._converter.gap(lost))
            arrived_s = self._arrived_s()
            for samples in self._converter.push(frames):
                yield Block(samples, arrived_s=arrived_s)
            yield from self._notices()
            if not told and self.cancelled_s >= CANCELLED_S:
                told = True
                yield Notice("phase", f"{self.name}: {CANCELLING}")
            if ended and not self._ring.available:
                yield from map(Block, self._last())
                return
            if not self._wait():
                yield None

    def _last(self) -> list[Float32]:
        """Return the last columns, once the other thread has ended and all that it wrote was read."""
        return self._converter.finish()

    def _arrived_s(self) -> float | None:
        """Return when the newest frame that was read came in, by the steady clock."""
        arrivals, read_until = self._arrivals, self._ring.read_until
        while arrivals and arrivals[0][0] < read_until:
            arrivals.popleft()
        return arrivals[0][1] if arrivals else None

    def _wait(self) -> bool:
        """Sleep until a column should be complete, `LONGEST_WAIT_S` at most; return whether anything came."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        while (missing := self._converter.missing - self._ring.available) > 0 and time.monotonic() < deadline:
            time.sleep(min(max(missing / self.native_rate, SHORTEST_WAIT_S), LONGEST_WAIT_S))
            if self._ended():
                break
        return self._ring.available > 0


class Playable(Protocol):
    """What a `Player` plays: an `AudioFile`, or the demo scene."""

    name: str
    native_rate: int
    channels: int
    duration_s: float | None

    def blocks(self, block_s: float) -> Iterator[Float32]:
        """Yield float32 [shape=(n, channels)]."""


class Player(StreamSource):
    """A recording played at its own pace into the ring, as a microphone would deliver it."""

    def __init__(self, recording: Playable, format: Format = FORMAT) -> None:
        super().__init__(recording.name, recording.native_rate, recording.channels, format)
        self.duration_s = recording.duration_s
        self._recording = recording
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name="bowstream-player", daemon=True)

    def __enter__(self) -> Player:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _play(self) -> None:
        try:
            started_s, played, missed, missed_until = steady_s(), 0, 0, 0
            for frames in self._recording.blocks(PLAYER_BLOCK_S):
                played += len(frames)
                if played < missed_until:
                    missed += len(frames)
                    continue
                due_s = started_s + played / self.native_rate
                wait_s = due_s - steady_s()
                if self._stop.wait(max(0.0, wait_s)):
                    return
                late_s = steady_s() - due_s
                if late_s > self.kept_s and wait_s > 0.0:  # we were held up, or asleep with the machine: one gap
                    missed_until = played + round(late_s * self.native_rate)
                elif late_s > self.kept_s:  # the recording was held up: nothing of it is missed
                    started_s += late_s
                self._ring.skip(missed)
                missed = 0
                self._write(frames)
            self._ring.skip(missed)
        except Exception as error:  # handed to the main thread, which raises it
            self._failure = error

    def _ended(self) -> bool:
        return not self._thread.is_alive()

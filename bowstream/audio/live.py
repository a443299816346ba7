"""A live source that is opened, read and decoded by another thread: the network, standard input, a file that grows."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from bowstream._types import FORMAT, Float32, Format
from bowstream.audio.clock import steady_s
from bowstream.audio.source import Block, Notice
from bowstream.audio.stream import LONGEST_WAIT_S, StreamSource
from bowstream.audio.timeline import Timeline

# An input that blocks is not waited for longer than this when we leave; its thread ends when it can, or with us.
CLOSED_AFTER_S = 0.2
THREAD = "bowstream-stream"
# How often it is looked whether there is room in the ring. The input waits meanwhile, and with it who sends.
ROOM_EVERY_S = 0.02
# What is written at a time at the most: less than the ring holds.
WRITTEN_S = 0.5
# If we have been too slow for so long that sound comes so late, what is not live any more is dropped.
STALE_S, SLOW_FOR_S = 30.0, 10.0
# After so long, it is reported again that the stream's clock was set.
REPEAT_S = 600.0


@dataclass(frozen=True)
class Piece:
    """What an input has decoded.

    Attributes
    ----------
    frames : float32 [shape=(n, channels)], in -1 … 1
    sample_rate : in Hz; it may change from one piece to the next, as may the channels
    start_s : timestamp of the first frame, by the stream's own clock; None if it has none
    delay_s : from when the stream says that the last of them was until it came in; None if it does not say
    """

    frames: Float32
    sample_rate: int
    start_s: float | None = None
    delay_s: float | None = None


class Input(Protocol):
    """Where pieces come from; used by one thread.

    Attributes
    ----------
    name : for messages, without what is secret in its address
    damaged : packets so far that could not be decoded
    quiet_after_s : after so long without sound, that is reported
    calls_python : whether it waits in C that calls Python: Python must not end meanwhile, and the wait has a limit
    """

    name: str
    damaged: int
    quiet_after_s: float
    calls_python: bool

    def pieces(self) -> Generator[Piece | None, None, None]:
        """Open it and yield what comes; raise a `BowstreamError` if that cannot be, or ends before its time.

        None is yielded where there was nothing, so that it can be left.
        """


def is_held() -> bool:
    """Whether Python waits at its end for an input that was left."""
    return any(thread.name == THREAD and not thread.daemon for thread in threading.enumerate())


class LiveStream(StreamSource):
    """An `Input` as a live source.

    It is opened in the other thread: until then None is yielded. A burst is taken as fast as we are, without loss. When
    the rate or the channels change, so does the converter. What is missing is known by the stream's timestamps (see
    `Timeline`).

    Parameters
    ----------
    source : where sound comes from
    format : what sound is handed on in

    Raises
    ------
    BowstreamError
        While iterating, what the input raises, after the sound before it.
    """

    def __init__(self, source: Input, format: Format = FORMAT) -> None:
        super().__init__(source.name, format.sample_rate, 1, format)
        self._input = source
        self._stop = threading.Event()
        # Python waits at its end for a thread that is no daemon.
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=not source.calls_python)
        self._shape = (0, 0)  # rate and channels that the ring is made for
        self._next: tuple[int, int] | None = None  # rate and channels that it has to be made for
        self._paused = threading.Event()  # set while the other thread waits for that, and once it has ended
        self._resumed = threading.Event()
        self._ending: Exception | None = None
        self._timeline = Timeline()
        self._clipped = 0  # by converters before this one
        self._delay_s: float | None = None
        self._last_piece_s = steady_s()
        self._is_quiet = False
        self._jumps_told = 0
        self._jump_told_s = -REPEAT_S
        self._slow_since_s: float | None = None  # since when it has had to wait for room each time
        self._dropping = False

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._clipped + self._converter.clipped

    @property
    def began_s(self) -> float | None:
        """When the stream's first frame was captured, by the steady clock; None until it delivers."""
        return self._timeline.began_s

    def __enter__(self) -> LiveStream:
        self._last_piece_s = steady_s()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._resumed.set()
        self._thread.join(CLOSED_AFTER_S)
        # A thread that still waits keeps us, and a resampler that is there when Python ends complains of it.
        self._converter.close()

    def __iter__(self) -> Iterator[Block | Notice | None]:
        while (yield from self._opened()):
            for block in super().__iter__():
                yield replace(block, delay_s=self._delay_s) if isinstance(block, Block) else block
        if self._ending:
            raise self._ending

    def _opened(self) -> Generator[Block | Notice | None, None, bool]:
        """Wait for sound of another kind than before, and make room for it; return whether there will be any."""
        while not self._paused.wait(LONGEST_WAIT_S):
            yield from self._notices()
            yield None
        if self._next is None:
            return False
        if lost := self._converter.gap(0):
            yield Block(np.empty(0, np.float32), lost)
        self._clipped, self._shape = self.clipped, self._next
        self._begin(*self._shape)
        self._next = None
        self._paused.clear()
        self._resumed.set()
        return True

    def _ended(self) -> bool:
        return self._paused.is_set()

    def _last(self) -> list[Float32]:
        # What follows at once, or after a gap, begins a new column.
        return [] if self._ending or self._next else self._converter.finish()

    def _notices(self) -> Iterator[Notice]:
        now_s = steady_s()
        quiet_s = now_s - self._last_piece_s
        if self._is_quiet != (quiet_s > self._input.quiet_after_s):
            self._is_quiet = not self._is_quiet
            quiet = Notice("away", f"{self.name!r}: nothing has come for {quiet_s:.0f} s")
            yield quiet if self._is_quiet else Notice("back", f"{self.name!r}: there is sound again")
        if self._timeline.jumps > self._jumps_told and now_s - self._jump_told_s >= REPEAT_S:
            self._jumps_told, self._jump_told_s = self._timeline.jumps, now_s
            yield Notice("clock", f"{self.name!r} has set its clock by {self._timeline.jumped_s:+.1f} s")

    def _run(self) -> None:
        """Read until the end; of the other thread, as is all that follows."""
        try:
            with closing(self._input.pieces()) as pieces:
                for piece in pieces:
                    if self._stop.is_set() or (piece and not self._take(piece)):
                        return
        except Exception as error:  # handed to the main thread, which raises it
            self._ending = error
        finally:
            self._paused.set()

    def _take(self, piece: Piece) -> bool:
        """Write a piece, what is missing before it first; return whether to go on."""
        now_s, rate = steady_s(), piece.sample_rate
        self._last_piece_s = now_s
        self.overflows, self._delay_s = self._input.damaged, piece.delay_s
        shape = (rate, piece.frames.shape[1])
        if shape != self._shape and not self._reshape(shape):
            return False
        missing_s = self._timeline.missing_s(piece.start_s, len(piece.frames) / rate, now_s)
        self._ring.skip(round(missing_s * rate))
        if self._is_stale(now_s):
            self._ring.skip(len(piece.frames))
            return True
        return self._write_whole(piece.frames)

    def _reshape(self, shape: tuple[int, int]) -> bool:
        """Have the ring made for sound of another rate, or more or fewer channels; return whether to go on."""
        self._resumed.clear()
        self._next = shape
        self._paused.set()
        if not self._stop.is_set():  # set before `_resumed` is, which may have been cleared here since
            self._resumed.wait()
        self._timeline = Timeline()
        return not self._stop.is_set()

    def _is_stale(self, now_s: float) -> bool:
        """Whether we have been too slow for long, and have not caught up again."""
        late_s = self._timeline.late_s
        is_slow = self._slow_since_s is not None and now_s - self._slow_since_s > SLOW_FOR_S
        self._dropping = late_s > STALE_S / 2.0 if self._dropping else is_slow and late_s > STALE_S
        return self._dropping

    def _write_whole(self, frames: Float32) -> bool:
        """Write frames, without writing over what was not read yet; return whether to go on."""
        step = round(WRITTEN_S * self.native_rate)
        has_waited = False
        for start in range(0, len(frames), step):
            part = frames[start : start + step]
            while self._ring.room < len(part):
                has_waited = True
                if self._stop.wait(ROOM_EVERY_S):
                    return False
            self._write(part)
        if not has_waited:
            self._slow_since_s = None
        elif self._slow_since_s is None:
            self._slow_since_s = steady_s()
        return True

"""FLAC, decoded on past what is damaged: libsndfile gives up there, so it begins again at the next frame."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile

from bowstream._types import Float32
from bowstream.audio.containers.flac import LONGEST_HEADER, frame_after
from bowstream.audio.decode import Forward, SoundFileDecoder

# What is kept of the bytes that were read: libFLAC reads no more than half of it ahead.
KEPT_BYTES = 1 << 17
ENDLESS = 1 << 60
# The longest stretch that is taken for damaged, and not for a frame that is none.
LONGEST_GAP_S = 60


class FlacDecoder(SoundFileDecoder):
    """A FLAC file in pieces, the first of which is its beginning up to and with STREAMINFO.

    What cannot be decoded between two frames is silence, so that what follows stays where it was.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._info = next(pieces, b"")
        # As it is where no other block of metadata follows.
        self._last_info = self._info[:4] + b"\x80" + self._info[5:]
        self._feed = Feed(itertools.chain([self._info], pieces))
        super().__init__(self._feed)
        # A part of a stream begins with a later sample than the first.
        found = frame_after(bytes(self._feed.kept), len(self._info), self._info, 0, ENDLESS)
        self._begun = found[1] if found else 0
        self._tried = -1
        self._damage: str | None = None

    def read(self, frames: int) -> tuple[Float32, str | None]:
        """Return the next frames and what was damaged after them."""
        while True:
            block, damage = super().read(frames)
            self._damage = damage or self._damage
            if self._feed.failure:
                raise self._feed.failure
            if len(block):
                return block, None
            position = self._next_frame()
            while position is not None and not self._begin_again(position):
                position = self._next_frame()
            if position is None:
                damage, self._damage = self._damage, None
                return block, damage
            if missing := position - self._begun - self.decoded:
                self.decoded += missing
                damage, self._damage = self._damage or "no frame is whole", None
                silence = np.zeros((missing, self.channels), np.float32)
                return silence, f"{damage}: {missing / self.sample_rate:.3f} s are silence"

    def finish(self) -> int:
        """Take what was not taken of the pieces, and close."""
        for _ in self._pieces:
            pass
        return super().finish()

    def _next_frame(self) -> int | None:
        """Go on to the next frame that was not tried; return the sample that it begins with, None at the end."""
        first = max(self._begun + self.decoded, self._tried + 1)
        last, at = first + LONGEST_GAP_S * self.sample_rate, 0
        while not (found := frame_after(bytes(self._feed.kept), at, self._info, first, last)):
            at = max(0, len(self._feed.kept) - LONGEST_HEADER)
            if at > KEPT_BYTES:
                del self._feed.kept[:at]
                at = 0
            if not self._feed.take():
                return None
        del self._feed.kept[: found[0]]
        return found[1]

    def _begin_again(self, position: int) -> bool:
        """Decode from the frame on that the feed has been brought to; return whether that can be done."""
        self._tried = position
        feed = Feed(itertools.chain([self._last_info + bytes(self._feed.kept)], self._pieces))
        try:
            file = Forward(feed)
        except soundfile.LibsndfileError:
            self._feed = feed
            del feed.kept[: len(self._last_info)]
            return False
        self._file.close()
        self._file, self._feed = file, feed
        return True


class Feed:
    """Pieces as a file object that is read on, and back a little; what goes wrong is kept, since C is between.

    `kept` holds what has come since a while before the position.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.failure: Exception | None = None
        self.kept = bytearray()
        self._pieces = pieces
        self._position = 0
        self._kept_from = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; where nothing is kept, nothing will be read."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: ENDLESS}[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what has come; nothing at the end."""
        view = memoryview(buffer).cast("B")
        at = self._position - self._kept_from
        while 0 <= at >= len(self.kept) and self.take():
            pass
        content = self.kept[at : at + len(view)] if at >= 0 else b""
        view[: len(content)] = content
        self._position += len(content)
        if (surplus := at - KEPT_BYTES) > KEPT_BYTES:
            del self.kept[:surplus]
            self._kept_from += surplus
        return len(content)

    def take(self) -> bool:
        """Take the next piece; return whether there was one."""
        try:
            piece = next(self._pieces, b"")
        except Exception as error:  # raised once libsndfile has returned
            self.failure, piece = error, b""
        self.kept += piece
        return bool(piece)

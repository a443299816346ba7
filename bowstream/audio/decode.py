"""Decoders: the bytes of a recording become frames. libsndfile decodes what it knows, from the start to the end.

libsndfile asks a seekable file for its length and believes it. So a recording is handed to it through a pipe, or, since
it reads no FLAC from one, as a file that can only be read on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any, Protocol

import numpy as np
import soundfile

from bowstream._stderr import silenced
from bowstream._types import Float32

# Written to the pipe at a time, if there is so much: a second or less.
PUMPED_BYTES = 1 << 12
# A thread that waits for a pipe is not waited for longer than this.
PATIENCE_S = 0.2


class Decoder(Protocol):
    """One recording: frames, one block after another."""

    sample_rate: int
    channels: int

    def read(self, frames: int) -> tuple[Float32, str | None]:
        """Return the next frames, float32 [shape=(n, channels)], and what was damaged after them.

        None and no frames are the end.
        """

    def finish(self) -> int:
        """Take what was not taken, close, and return how many frames were decoded."""

    def close(self) -> None:
        """Let go of what it holds."""


class Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is only read on: python-soundfile then neither seeks nor takes its length as the truth."""

    def seekable(self) -> bool:
        """Return False."""
        return False


class SoundFileDecoder:
    """What libsndfile reads: from a descriptor, from pieces through a pipe (`pumped`), or from pieces (`fed`).

    Raises
    ------
    soundfile.LibsndfileError
        On opening, if it is nothing that libsndfile reads.
    """

    def __init__(self, file: Any, **arguments: Any) -> None:
        with silenced():  # mpg123 talks
            self._file = Forward(file, **arguments)
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.format: str = self._file.format
        # What the header says, or libsndfile guesses; a number that cannot be is none.
        self.stated_frames: int | None = self._file.frames if self._file.frames < 1 << 48 else None
        self.decoded = 0

    def read(self, frames: int) -> tuple[Float32, str | None]:
        """Return the next frames and what was damaged after them."""
        block: Float32 = np.full((frames, self.channels), np.nan, np.float32)
        with silenced() if self.format == "MP3" else nullcontext():
            try:
                block, damage = self._file.read(out=block), None
            except soundfile.LibsndfileError as error:
                # What was decoded before the damage is there; how much, it does not tell.
                filled = np.flatnonzero(~np.isnan(block[:, 0]))
                count = int(filled[-1]) + 1 if len(filled) else 0
                block, damage = block[:count], reason_of(error)
        self.decoded += len(block)
        return block, damage

    def finish(self) -> int:
        """Close the file and return how many frames were decoded."""
        self._file.close()
        return self.decoded

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def log(self) -> str:
        """What libsndfile noted about the file."""
        return str(self._file.extra_info)


def reason_of(error: soundfile.LibsndfileError) -> str:
    """Return libsndfile's reason, without its ornaments."""
    return str(error.error_string).removeprefix("Error : ").rstrip(".")


class Pumped(SoundFileDecoder):
    """Pieces that another thread writes into a pipe, at whose other end libsndfile reads.

    `at_once` bytes are written together at the least: many are soon decoded, few are decoded soon.
    """

    def __init__(self, pieces: Iterator[bytes], at_once: int = PUMPED_BYTES, **arguments: Any) -> None:
        self._pieces = pieces
        self._at_once = at_once
        self._failure: Exception | None = None
        reading, writing = os.pipe()
        self._thread = threading.Thread(target=self._pump, args=(writing,), name="bowstream-pump", daemon=True)
        self._thread.start()
        try:
            super().__init__(reading, closefd=True, **arguments)
        except BaseException:
            close_quietly(reading)
            self._thread.join()
            raise

    def _pump(self, writing: int) -> None:
        pending = bytearray()
        try:
            for piece in self._pieces:
                pending += piece
                if len(pending) >= self._at_once:
                    write_all(writing, pending)
                    pending.clear()
            write_all(writing, pending)
        except BrokenPipeError:
            pass  # the decoder has had enough, or is closed
        except Exception as error:  # handed to the main thread, which raises it
            self._failure = error
        finally:
            os.close(writing)

    def read(self, frames: int) -> tuple[Float32, str | None]:
        """Return the next frames and what was damaged after them."""
        block, damage = super().read(frames)
        if self._failure:
            raise self._failure
        return block, damage

    def close(self) -> None:
        """Close the pipe; the other thread ends when it writes to it next."""
        super().close()
        self._thread.join(PATIENCE_S)

    def finish(self) -> int:
        """Wait for the other thread, take what it has not taken of the pieces, and close."""
        self._file.close()
        self._thread.join()
        for _ in self._pieces:
            pass
        return self.decoded


def write_all(descriptor: int, content: bytearray) -> None:
    """Write all of it."""
    view = memoryview(bytes(content))
    while view:
        view = view[os.write(descriptor, view) :]


def close_quietly(descriptor: int) -> None:
    """Close a descriptor that may be closed already."""
    with suppress(OSError):
        os.close(descriptor)

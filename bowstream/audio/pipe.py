"""Sound that another program writes: to our standard input, or to a file that grows."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from bowstream._types import Format
from bowstream.audio.decode import PATIENCE_S, close_quietly, write_all
from bowstream.audio.file import AudioFile
from bowstream.audio.live import Piece
from bowstream.audio.raw import RawFormat
from bowstream.audio.reader import CHUNK_BYTES
from bowstream.errors import AudioError, DeviceAbsentError, DeviceError

# Nothing came for so long: that is reported.
QUIET_S = 10.0
# Decoded at a time.
BLOCK_S = 0.1
# How often it is looked whether a file has grown.
GROWN_EVERY_S = 0.1


class StandardInput:
    """What another program pipes into us: a recording of any kind that is heard through pipes, or headerless sound.

    Parameters
    ----------
    raw : the format of a headerless stream
    track : see `Format`
    """

    name = "standard input"
    damaged = 0
    quiet_after_s = QUIET_S
    calls_python = False

    def __init__(self, raw: RawFormat | None = None, track: str | None = None) -> None:
        self._raw, self._format = raw, Format(track=track)

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield what comes; raise an `AudioError` if it is no sound, or damaged."""
        if os.isatty(0):
            raise AudioError(f"{self.name} is a terminal: pipe sound into it")
        with AudioFile("-", self._format, self._raw) as recording:
            for frames in recording.blocks(BLOCK_S):
                yield Piece(frames, recording.native_rate)


class GrowingFile:
    """A file that another program is still writing: heard from its beginning to wherever it has come, and on.

    Parameters
    ----------
    path : of the file
    raw : its format, if it is headerless
    track : see `Format`
    """

    damaged = 0
    quiet_after_s = QUIET_S
    calls_python = False

    def __init__(self, path: Path, raw: RawFormat | None = None, track: str | None = None) -> None:
        self.name = str(path)
        self._path = path
        self._raw, self._format = raw, Format(track=track)
        self._replaced = False

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield what comes.

        Raises
        ------
        DeviceError
            If it cannot be read, is no sound or is cut short, deleted or replaced.
        """
        try:
            with self._followed() as pipe, AudioFile(self._path, self._format, self._raw, pipe) as recording:
                for frames in recording.blocks(BLOCK_S):
                    yield Piece(frames, recording.native_rate)
        except AudioError as error:
            if not self._replaced:
                raise DeviceError(str(error)) from error
        raise DeviceAbsentError(f"{self.name!r} was cut short, deleted or replaced")

    @contextmanager
    def _followed(self) -> Iterator[int]:
        """Yield the reading end of a pipe that all bytes of the file come through as they are written."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise DeviceAbsentError(f"{self.name}: no such file") from error
        except OSError as error:
            raise DeviceError(f"{self.name}: cannot be read: {error.strerror}") from error
        reading, writing = os.pipe()
        stop = threading.Event()
        thread = threading.Thread(target=self._follow, args=(file, writing, stop), name="bowstream-follow", daemon=True)
        thread.start()
        try:
            yield os.dup(reading)  # the recording closes its own
        finally:
            stop.set()
            close_quietly(reading)
            thread.join(PATIENCE_S)

    def _follow(self, file: int, writing: int, stop: threading.Event) -> None:
        """Copy a file into a pipe until it is another's, or nobody reads on."""
        try:
            while not stop.is_set():
                if piece := os.read(file, CHUNK_BYTES):
                    write_all(writing, bytearray(piece))
                elif self._is_gone(file):
                    self._replaced = True
                    return
                else:
                    stop.wait(GROWN_EVERY_S)
        except OSError:
            pass  # nobody reads on, or the disk has gone: the recording ends here
        finally:
            os.close(writing)
            os.close(file)

    def _is_gone(self, file: int) -> bool:
        """Whether the name is another file's by now, or the file shorter than what was read of it."""
        status = os.fstat(file)
        try:
            named = self._path.stat()
        except OSError:
            return True
        return (named.st_ino, named.st_dev) != (status.st_ino, status.st_dev) or status.st_size < os.lseek(file, 0, 1)

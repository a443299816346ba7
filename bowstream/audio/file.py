"""Recordings, and standard input, as sources of sound."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import soundfile

from bowstream._stderr import silenced
from bowstream._types import FORMAT, Float32, Format
from bowstream.audio.convert import Intake
from bowstream.audio.raw import RawFormat
from bowstream.audio.source import Heard
from bowstream.errors import AudioError

# Columns that are handed on at a time: a few seconds are fastest for a file; a pipe may be live.
FILE_COLUMNS, PIPE_COLUMNS = 40, 10
# Decoders may round a compressed file's length; less than this is not called truncated.
LENGTH_TOLERANCE_S = 0.1
# What writers that cannot seek back leave as a length: ffmpeg, arecord, GStreamer, sox.
UNKNOWN_LENGTHS = (0xFFFF_FFFF, 0x8000_0000, 0x7FFF_FFFF, 0x7FFF_F000)
# libsndfile's log on a file that is shorter than its header says, the bytes promised and found; and on an Ogg
# stream that stops before its last page.
SHORTER = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.M)
UNENDED = re.compile(r"^Ogg ?: Last page lacks an end-of-stream bit", re.M)
# File name endings beside the formats' own names.
SUFFIXES = frozenset(f".{name.lower()}" for name in soundfile.available_formats() if name != "RAW") | {
    ".aif",
    ".aifc",
    ".oga",
    ".opus",
    ".snd",
}


class AudioFile:
    """A recording, or standard input: read in blocks, in constant memory, as fast as it is asked for.

    Parameters
    ----------
    path : a file that soundfile reads; `-` for a WAV or raw stream on standard input
    raw : the format of a headerless stream

    Raises
    ------
    AudioError
        On opening, if the file is missing, unreadable, empty or truncated; while iterating, if it cannot be
        decoded further, ends early, is not finite, or has a header where it was said to have none.
    """

    live = False
    overflows = 0

    def __init__(self, path: Path | str, format: Format = FORMAT, raw: RawFormat | None = None) -> None:
        is_stdin = str(path) == "-"
        self.name = "standard input" if is_stdin else str(path)
        self._raw = raw
        self._file = self._open(0 if is_stdin else os.fspath(path), raw)
        self.native_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        # A pipe's header may promise any length.
        self.frames: int | None = self._file.frames if self._file.seekable() else None
        self.duration_s = self.frames / self.native_rate if self.frames is not None else None
        columns = FILE_COLUMNS if self.frames is not None else PIPE_COLUMNS
        self._intake = Intake(self.name, self.native_rate, format, columns)
        self._refuse_truncated()

    def _open(self, file: int | str, raw: RawFormat | None) -> soundfile.SoundFile:
        if problem := unreadable(file):
            raise AudioError(f"{self.name}: {problem}")
        # As bytes, since a name need not be text.
        opened = os.fsencode(file) if isinstance(file, str) else file
        try:
            with silenced():  # mpg123 talks
                return soundfile.SoundFile(opened, **(raw.arguments() if raw else {}))
        except (soundfile.LibsndfileError, OSError) as error:
            reason = getattr(error, "error_string", str(error)).rstrip(".")
            raise AudioError(
                f"{self.name}: wanted a recording that soundfile can read, found none: {reason}"
            ) from error
        except (ValueError, TypeError) as error:
            problem = f"no such raw format {raw}: {error}" if raw else "its format is not known: say it with --raw"
            raise AudioError(f"{self.name}: {problem}") from error

    def _refuse_truncated(self) -> None:
        """Raise if the file is shorter than it says; libsndfile only notes it in its log."""
        if self.frames is None:
            return
        log = self._file.extra_info
        problems = [f"{found} of {said} bytes are there" for said, found in SHORTER.findall(log) if short(said, found)]
        problems += ["its end is missing"] * bool(UNENDED.search(log))
        if problems:
            self.close()
            raise AudioError(f"{self.name}: truncated, {problems[0]}; copy or record it again")

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._intake.clipped

    def blocks(self, block_s: float = 1.0) -> Iterator[Float32]:
        """Yield the recording's own frames, float32 [shape=(n, channels)]."""
        block_frames = max(1, round(self.native_rate * block_s))
        heard = 0
        while True:
            try:
                frames: Float32 = self._file.read(block_frames, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                where_s, reason = heard / self.native_rate, error.error_string.removeprefix("Error : ").rstrip(".")
                raise AudioError(f"{self.name}: cannot be decoded after {where_s:.1f} s: {reason}") from error
            if not len(frames):
                break
            if self._raw and not heard and (header := self._raw.header_in(frames)):
                raise AudioError(
                    f"{self.name}: it is no headerless stream, it begins as {header} does: leave --raw out"
                )
            heard += len(frames)
            yield frames
        if not heard:
            raise AudioError(f"{self.name}: there is no audio in it (0 samples)")
        if self.frames is not None and heard < self.frames - LENGTH_TOLERANCE_S * self.native_rate:
            raise AudioError(
                f"{self.name}: truncated, {heard / self.native_rate:.1f} s of {self.duration_s:.1f} s could be decoded"
            )

    def __iter__(self) -> Iterator[Heard]:
        problem = None
        try:
            for frames in self.blocks():
                yield from map(Heard, self._intake.push(frames))
        except AudioError as error:
            problem = error  # what came before it is heard all the same
        yield from map(Heard, self._intake.finish())
        if problem:
            raise problem


def short(said: str, found: str) -> bool:
    """Whether a file that says it has so many bytes has fewer; a pipe's header says a number that is none."""
    return int(found) < int(said) and int(said) not in UNKNOWN_LENGTHS


def unreadable(file: int | str) -> str | None:
    """Say why a file cannot be read, where libsndfile would only speak of a system error; None if it can be."""
    try:
        status = os.stat(file)  # noqa: PTH116, takes a descriptor too
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISDIR(status.st_mode):
        return "there is no recording in this folder (looked for .wav, .flac, .ogg, .mp3 …)"
    if stat.S_ISREG(status.st_mode) and not status.st_size:
        return "the file is empty (0 bytes)"
    return "cannot be read: Permission denied" if isinstance(file, str) and not os.access(file, os.R_OK) else None

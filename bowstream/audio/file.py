"""Recordings, and standard input, as sources of sound."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from bowstream._given import PATH, check, check_if_any, one_of
from bowstream._types import FORMAT, Float32, Format
from bowstream.audio.convert import Converter, matched, no_sound, sound_until
from bowstream.audio.decode import Decoder
from bowstream.audio.kinds import RAW_SUFFIXES
from bowstream.audio.links import Links, links_in
from bowstream.audio.mix import CANCELLED_S, CANCELLING
from bowstream.audio.raw import RATES_HZ, RawFormat
from bowstream.audio.source import Block
from bowstream.errors import AudioError

# Columns that are handed on at a time: a few seconds are fastest for a file; a pipe may be live.
FILE_COLUMNS, PIPE_COLUMNS = 40, 10
# Full scale is 1: in a file of floats that is louder than this, something else is taken for sound.
LOUDEST = 1000.0
# Values, all channels counted, that are decoded at a time at the most.
LARGEST_BLOCK = 1 << 20
# A decoder that fails so often in a row, and decodes nothing, will not find the sound again.
MOST_FAILURES = 1000
SHOWN_PROBLEMS = 3


class AudioFile:
    """A recording, or standard input: read in blocks, in constant memory, as fast as it is asked for.

    A file is read to the end of what can be decoded, whatever length its header states.

    Parameters
    ----------
    path : a file, or `-` for a stream on standard input
    format : what sound is handed on in
    raw : the format of a headerless stream
    descriptor : open for reading, read in place of what the path names; it is closed with this

    Attributes
    ----------
    duration_s : the length that the file states or that its size comes to, in seconds; None if it states none
    heard_s : how much has been decoded so far, in seconds
    notes : what is odd about it, in words; nothing is left out for it
    problems : what is damaged or missing, in words, with its place

    Raises
    ------
    AudioError
        On opening, if the file is missing, unreadable, empty or no recording, has no such track or channel, or has a
        header where it was said to have none; while iterating, if it is not finite; at the end of iterating, if it is
        damaged or not all there: what could be decoded before, between and after has been handed on by then.
    UsageError
        If an argument is not of its type.
    """

    live = False
    overflows = 0

    def __init__(
        self, path: Path | str, format: Format = FORMAT, raw: RawFormat | None = None, descriptor: int | None = None
    ) -> None:
        check(PATH, path=path)
        check(one_of(Format), format=format)
        check_if_any(one_of(RawFormat), raw=raw)
        is_stdin = str(path) == "-"
        self.name = "standard input" if is_stdin else str(path)
        opened = 0 if is_stdin else descriptor
        self._raw, self._track = raw, format.track
        self._frames_read = 0
        if problem := unreadable(os.fspath(path) if opened is None else opened):
            raise AudioError(f"{self.name}: {problem}")
        try:
            # As bytes, since a name need not be text.
            self._descriptor = os.open(os.fsencode(path), os.O_RDONLY | os.O_CLOEXEC) if opened is None else opened
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read: {error.strerror}") from error
        try:
            self._links = self._open()
            self._decoder = self._first()
        except BaseException:
            self._close_descriptor()
            raise
        self.native_rate, self.channels = self._decoder.sample_rate, self._decoder.channels
        self.duration_s = self._links.duration_s
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.format = replace(format, channels=self._channels_of(format))
        self._columns = FILE_COLUMNS if is_file else PIPE_COLUMNS

    @cached_property
    def _converter(self) -> Converter:
        """Made when it is needed: a thread that takes `blocks` from a pipe may hang there when Python ends."""
        return Converter(self.name, self.native_rate, self.format, self._columns)

    def _channels_of(self, format: Format) -> tuple[int, ...]:
        """Return the channels that are heard; of a mono recording there is nothing to choose."""
        if (last := max(format.channels, default=1)) <= self.channels:
            return format.channels
        if self.channels > 1:
            self.close()
            raise AudioError(f"{self.name}: channels must be 1 … {self.channels}, as it has (got {last})")
        self.notes.append(f"it has one channel, which is used in place of channel {last}")
        return ()

    def _open(self) -> Links:
        try:
            return links_in(self._descriptor, self._raw, Path(self.name).suffix.lower() in RAW_SUFFIXES, self._track)
        except AudioError as error:
            raise AudioError(f"{self.name}: {error}") from error
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read: {error.strerror}") from error

    def _first(self) -> Decoder:
        """Return the decoder of the first recording in the file; refuse what no recording can be."""
        decoder = next(self._links.decoders)
        if decoder.sample_rate not in RATES_HZ:
            decoder.close()
            raise AudioError(
                f"{self.name}: its header is wrong: the sample rate must be {RATES_HZ[0]:,} to {RATES_HZ[-1]:,} Hz "
                f"(got {decoder.sample_rate:,} Hz)"
            )
        return decoder

    def __repr__(self) -> str:
        return f"AudioFile({self.name!r}, {self.native_rate} Hz, channels={self.channels})"

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        if self._descriptor > 0:
            os.close(self._descriptor)
        self._descriptor = -1

    @property
    def clipped(self) -> int:
        """Samples at full scale so far, all channels counted."""
        return self._converter.clipped

    @property
    def heard_s(self) -> float:
        """Seconds that have been decoded so far."""
        return self._frames_read / self.native_rate

    @property
    def notes(self) -> list[str]:
        """What is odd so far, in words."""
        return self._links.findings.notes

    @property
    def problems(self) -> list[str]:
        """What is damaged or missing so far, in words, with its place."""
        return [
            text if place_s is None else f"{text}, at {place_s:.1f} s"
            for place_s, text in self._links.findings.problems
        ]

    def blocks(self, block_s: float = 1.0) -> Iterator[Float32]:
        """Yield the recording's own frames, float32 [shape=(n, channels)], at the rate of the first."""
        while True:
            for frames in self._matched(self._decoded(block_s)):
                self._frames_read += len(frames)
                yield frames
            decoder = next(self._links.decoders, None)
            self._place_problems()
            if not decoder:
                break
            self._decoder = decoder
        if not self._frames_read:
            reason = "".join(f": {problem}" for problem in self.problems[:1])
            raise AudioError(f"{self.name}: there is no audio in it (0 samples){reason}")
        if problems := self.problems:
            more = f"; {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
            raise AudioError(f"{self.name}: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}; the rest was heard")

    def _decoded(self, block_s: float) -> Iterator[Float32]:
        """Yield what the decoder makes of one recording; note what is damaged."""
        decoder, failures = self._decoder, 0
        block_frames = max(1, min(round(decoder.sample_rate * block_s), LARGEST_BLOCK // decoder.channels))
        while failures < MOST_FAILURES:
            frames, damage = decoder.read(block_frames)
            if len(frames):
                end = sound_until(frames, LOUDEST)
                yield frames[:end]
                if end < len(frames):
                    raise AudioError(
                        f"{self.name}: {no_sound(frames[end])}: the sound is damaged at {self.heard_s:.1f} s"
                    )
            if damage:
                self._links.findings.problems.append((self.heard_s, f"damaged: {damage}"))
            elif not len(frames):
                break
            failures = 0 if len(frames) else failures + 1

    def _matched(self, blocks: Iterator[Float32]) -> Iterator[Float32]:
        """Yield blocks in the rate and number of channels of the first recording in the file."""
        rate, channels = self._decoder.sample_rate, self._decoder.channels
        if (rate, channels) == (self.native_rate, self.channels):
            return blocks
        return matched(blocks, rate, self.native_rate, self.channels)

    def _place_problems(self) -> None:
        """Note where we are with what has just been found."""
        problems = self._links.findings.problems
        problems[:] = [(self.heard_s if place_s is None else place_s, text) for place_s, text in problems]

    def __iter__(self) -> Iterator[Block]:
        problem = None
        try:
            for frames in self.blocks():
                yield from map(Block, self._converter.push(frames))
        except AudioError as error:
            problem = error  # what came before it is yielded all the same
        yield from map(Block, self._converter.finish())
        if 0.0 < (cancelled_s := self._converter.cancelled_s) >= min(CANCELLED_S, self.heard_s / 2):
            self.notes.append(f"{CANCELLING}, for {cancelled_s:.1f} s of {self.heard_s:.1f} s")
        if problem:
            raise problem


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

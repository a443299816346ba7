"""FLAC: a header that states the length, or 0 where it was written to a pipe, and frames that a decoder follows.

libFLAC finds the frames, and what is damaged in them; here the length is taken out of the header, so that none of them
is left out, and joined files are parted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bowstream.audio.containers.findings import Findings
from bowstream.audio.containers.tags import skip_tags, sound_end
from bowstream.audio.reader import CHUNK_BYTES, Reader

# How every file begins: the magic, and the header of its first block: STREAMINFO, 34 bytes.
BEGINNINGS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
BEGINNING_BYTES = 8
INFO_BYTES = BEGINNING_BYTES + 34


class Flac:
    """The recordings of a FLAC file, tags before and after them left out."""

    def __init__(self, reader: Reader) -> None:
        self.findings = Findings()
        self._reader = reader
        self._end = sound_end(reader) if reader.size else None
        skip_tags(reader)
        rate_hz, frames = rate_and_frames(reader.peek(INFO_BYTES))
        self.duration_s = frames / rate_hz if frames and rate_hz else None
        self.stated_frames = 0

    def links(self) -> Iterator[Iterator[bytes]]:
        """Yield each recording; `stated_frames` is then the length that its header states, 0 if none."""
        while self._reader.peek(BEGINNING_BYTES) in BEGINNINGS:
            info = self._reader.read(INFO_BYTES)
            self.stated_frames = rate_and_frames(info)[1]
            yield self._link(info)

    def _link(self, info: bytes) -> Iterator[bytes]:
        yield info[:21] + bytes([info[21] & 0xF0]) + bytes(4) + info[26:] if len(info) == INFO_BYTES else info
        while ahead := self._reader.peek_some(self._left()):
            if any(beginning.startswith(ahead[-n:]) for n in range(1, BEGINNING_BYTES) for beginning in BEGINNINGS):
                ahead = self._reader.peek(len(ahead) + BEGINNING_BYTES)  # another may begin here
            joins = [at for beginning in BEGINNINGS if (at := ahead.find(beginning)) >= 0]
            if joins and not min(joins):
                return
            yield self._reader.read(min(joins, default=len(ahead)))

    def _left(self) -> int:
        return CHUNK_BYTES if self._end is None else max(0, min(CHUNK_BYTES, self._end - self._reader.position))


def rate_and_frames(info: bytes) -> tuple[int, int]:
    """Return what a header states: Hz, and frames; zeros where it is cut."""
    if len(info) < INFO_BYTES:
        return 0, 0
    packed = int.from_bytes(info[18:26], "big")
    return packed >> 44, packed & 0xF_FFFF_FFFF


HEADER = re.compile(rb"\xff[\xf8\xf9]")
LONGEST_HEADER = 16


def frame_after(block: bytes, at: int, info: bytes, first: int, last: int) -> tuple[int, int] | None:
    """Find the next frame of a stream in a block.

    Parameters
    ----------
    at : where to look from
    info : how the file begins
    first, last : which of the stream's samples it may begin with

    Returns
    -------
    where the frame lies, and the sample that it begins with; None if there is none
    """
    for found in HEADER.finditer(block, at):
        begins = frame_begins(block[found.start() : found.start() + LONGEST_HEADER], info)
        if begins is not None and first <= begins <= last:
            return found.start(), begins
    return None


def frame_begins(head: bytes, info: bytes) -> int | None:
    """Return the sample that a frame begins with, by its header; None if it is no header, or not one of this stream."""
    if len(head) < 6 or head[3] & 1:
        return None
    size_code, rate_code, channel_code = head[2] >> 4, head[2] & 15, head[3] >> 4
    channels = (info[20] >> 1 & 7) + 1
    if not size_code or rate_code == 15 or (channel_code + 1 if channel_code < 8 else 2) != channels:
        return None
    # As UTF-8 has it, but for up to 36 bits: as many ones, then a zero, as there are bytes.
    ones = 8 - (head[4] ^ 0xFF).bit_length()
    more = max(ones - 1, 0)
    if channel_code > 10 or ones in (1, 8):
        return None
    number = head[4] & (0x7F >> ones)
    for byte in head[5 : 5 + more]:
        if byte >> 6 != 2:
            return None
        number = number << 6 | byte & 0x3F
    end = 5 + more + {6: 1, 7: 2}.get(size_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(head) <= end or crc8(head[:end]) != head[end]:
        return None
    return number if head[1] & 1 else number * int.from_bytes(info[8:10], "big")


def crc8(content: bytes) -> int:
    """Return FLAC's check sum of a frame's header."""
    value = 0
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value

"""FLAC: a header that states the length, or 0 where it was written to a pipe, and frames that a decoder follows.

libFLAC finds the frames, and what is damaged in them; here the length is taken out of the header, so that none of them
is left out, and joined files are parted.
"""

from __future__ import annotations

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

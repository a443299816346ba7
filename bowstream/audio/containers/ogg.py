"""Ogg: pages with check sums; a file may hold several recordings, one after another (chained) or beside others.

Source of the layout: RFC 3533.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from bowstream.audio.containers.findings import Findings
from bowstream.audio.reader import Reader

MAGIC = b"OggS"
HEADER = struct.Struct("<4sBBqIIIB")
BEGINS, ENDS = 2, 4
LONGEST_PAGE = 27 + 255 + 255 * 255
# The check sum is zlib's with every byte's bits the other way round.
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """A page: its flags, the sound's position at its end in the codec's own count, its stream and its bytes."""

    flags: int
    granule: int
    serial: int
    content: bytes
    body_at: int

    @property
    def body(self) -> bytes:
        """What it carries."""
        return self.content[self.body_at :]

    def ended(self) -> bytes:
        """Return its bytes with the mark of a last page."""
        content = bytearray(self.content)
        content[5] |= ENDS
        content[22:26] = bytes(4)
        content[22:26] = check_sum(bytes(content)).to_bytes(4, "little")
        return bytes(content)

    @property
    def is_sound(self) -> bool:
        """Whether its check sum is right."""
        stated = int.from_bytes(self.content[22:26], "little")
        return check_sum(self.content[:22] + bytes(4) + self.content[26:]) == stated


def check_sum(content: bytes) -> int:
    """Return Ogg's check sum: polynomial 0x04c11db7, bits as they come, nothing inverted."""
    reflected = zlib.crc32(content.translate(REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{reflected:032b}"[::-1], 2)


def granules_per_s(first_body: bytes) -> int | None:
    """Return the rate of positions in a stream of sound, from its first packet; None if it is none."""
    if first_body.startswith(b"\x01vorbis") and len(first_body) >= 16:
        return int.from_bytes(first_body[12:16], "little")
    if first_body.startswith(b"OpusHead"):
        return 48_000
    if first_body.startswith(b"\x7fFLAC") and len(first_body) >= 30:
        return int.from_bytes(first_body[27:30], "big") >> 4
    if first_body.startswith(b"Speex   ") and len(first_body) >= 40:
        return int.from_bytes(first_body[36:40], "little")
    return None


def last_granule_s(reader: Reader) -> float | None:
    """Return the position that a regular file's last page states, in seconds."""
    body = reader.peek(LONGEST_PAGE)[HEADER.size + 1 :]
    rate = granules_per_s(body)
    tail = reader.tail(LONGEST_PAGE) if rate and reader.size else b""
    at = tail.rfind(MAGIC)
    if not rate or at < 0 or len(tail) < at + HEADER.size:
        return None
    granule = HEADER.unpack(tail[at : at + HEADER.size])[3]
    return granule / rate if granule > 0 else None


class Ogg:
    """The recordings of an Ogg file: of each link the first stream of sound."""

    stated_frames = 0

    def __init__(self, reader: Reader) -> None:
        self.duration_s = last_granule_s(reader)
        self.findings = Findings()
        self._reader = reader
        self._next: Page | None = None
        self._at_s = 0.0

    def links(self) -> Iterator[Iterator[bytes]]:
        """Yield each link's recording."""
        self._next = self._read_page()
        while self._next:
            yield self._link()

    def _link(self) -> Iterator[bytes]:
        """Yield the pages of the next link's first stream of sound."""
        serial = rate = None
        last: Page | None = None
        begun_s, ended, in_head = self._at_s, False, True
        while page := self._next:
            if page.flags & BEGINS and not in_head:
                break
            in_head = bool(page.flags & BEGINS)
            if in_head and serial is None and (rate := granules_per_s(page.body)):
                serial = page.serial
            if page.serial == serial:
                if rate and page.granule > 0:
                    self._at_s = begun_s + page.granule / rate
                if last:
                    yield last.content
                last, ended = page, bool(page.flags & ENDS)
            self._next = self._read_page()
        if last:
            yield last.content if ended else last.ended()  # without an end mark, a decoder calls it malformed
        if serial is not None and not ended and not self.findings.problems:
            self.findings.notes.append(f"no end mark after {self._at_s:.1f} s: more may have followed")

    def _read_page(self) -> Page | None:
        """Return the next whole page; what lies before it, or is damaged, is a problem. None at the end."""
        reader, skipped = self._reader, 0
        while head := reader.peek(HEADER.size):
            if head.startswith(MAGIC) and len(head) == HEADER.size:
                _, _, flags, granule, serial, _, _, segments = HEADER.unpack(head)
                body_at = HEADER.size + segments
                length = body_at + sum(reader.peek(body_at)[HEADER.size :])
                content = reader.peek(length)
                page = Page(flags, granule, serial, content, body_at)
                if len(content) < length and content.rfind(MAGIC) == 0:
                    self._problem("truncated: its last page is cut short")
                    return None
                if page.is_sound:
                    if skipped:
                        self._problem(f"{skipped:,} bytes are damaged")
                    reader.read(length)
                    return page
            block = reader.peek(LONGEST_PAGE)
            step = block.find(MAGIC, 1)
            step = max(len(block) - len(MAGIC) + 1, 1) if step < 0 else step
            skipped += len(reader.read(step))
        if skipped:
            self._problem(f"its last {skipped:,} bytes are damaged")
        return None

    def _problem(self, text: str) -> None:
        self.findings.problems.append((self._at_s, text))

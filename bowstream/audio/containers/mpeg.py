"""MPEG audio (MP3, and layers I and II): frames one after another, perhaps with tags between, and no length at all.

What counts the frames, if anything does, is a first one without sound (Xing, Info). Decoders stop where it says, and
guess where there is none: so frames are followed to the end, and each recording of a joined file is one for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bowstream.audio.containers.findings import Findings
from bowstream.audio.containers.tags import skip_tags, sound_end, tag_length
from bowstream.audio.reader import CHUNK_BYTES, Reader

# By version and layer bits: kbit/s, then Hz and samples in a frame. Source: ISO/IEC 11172-3 and 13818-3, MPEG 2.5.
KBPS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
SAMPLES = {(3, 3): 384, (3, 2): 1152, (3, 1): 1152, (2, 3): 384, (2, 2): 1152, (2, 1): 576}
LONGEST_FRAME = 2881
HEADER = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x10-\xef]")
# Frames that have to follow one another before junk is taken for sound.
IN_A_ROW = 3
LAYER_III = 1


@dataclass(frozen=True)
class Frame:
    """A frame's header; frames of one `kind` can be decoded together."""

    length: int
    samples: int
    rate_hz: int
    kind: tuple[int, int, int, bool]
    side_bytes: int

    @classmethod
    def parse(cls, head: bytes) -> Frame | None:
        """Read a header of four bytes; None if it is none, or states no bit rate."""
        if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
            return None
        version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
        kbps_index, hz_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
        if version == 1 or not layer or kbps_index in (0, 15) or hz_index == 3:
            return None
        family = (3 if version == 3 else 2, layer)
        rate_hz, samples = HZ[version][hz_index], SAMPLES[family]
        slots = samples // 8 * 1000 * KBPS[family][kbps_index - 1] // rate_hz
        length = (slots // 4 + padding) * 4 if layer == 3 else slots + padding
        mono = head[3] >> 6 == 3
        side_bytes = {(3, False): 32, (3, True): 17, (2, False): 17, (2, True): 9}[family[0], mono]
        return cls(length, samples, rate_hz, (version, layer, rate_hz, mono), side_bytes)

    def counted(self, content: bytes) -> int | None:
        """Return how many frames this one states to follow, 0 if it leaves that open; None if it carries sound."""
        for at in (4 + self.side_bytes, 6 + self.side_bytes):
            if content[at : at + 4] in (b"Xing", b"Info"):
                has_count = content[at + 7 : at + 8] and content[at + 7] & 1
                return int.from_bytes(content[at + 8 : at + 12], "big") if has_count else 0
        return None


def frames_in_a_row(block: bytes, at: int) -> bool:
    """Whether frames follow one another from here, as far as the block goes."""
    first = Frame.parse(block[at : at + 4])
    frame, count = first, 0
    while first and frame and frame.kind[:3] == first.kind[:3]:
        at, count = at + frame.length, count + 1
        if count == IN_A_ROW or (at >= len(block) and count > 1) or (at == len(block)):
            return True
        if tag_length(block[at:]) or not any(block[at : at + 4]):
            return count > 1
        frame = Frame.parse(block[at : at + 4])
    return False


def start(block: bytes) -> int | None:
    """Return where in a block the first frame lies; None if there is none."""
    return next((found.start() for found in HEADER.finditer(block) if frames_in_a_row(block, found.start())), None)


class Mpeg:
    """The recordings of a file of MPEG audio frames, tags left out."""

    stated_frames = 0

    def __init__(self, reader: Reader) -> None:
        self.findings = Findings()
        self._reader = reader
        self._at_s = 0.0
        self._end = sound_end(reader) if reader.size else None
        skip_tags(reader)
        self.duration_s = self._estimate_s()

    def links(self) -> Iterator[Iterator[bytes]]:
        """Yield each recording's frames."""
        while frame := self._find():
            yield self._link(frame)

    def _link(self, frame: Frame) -> Iterator[bytes]:
        """Yield frames of one kind, up to where the first of them says, or another such count begins."""
        reader, counted, heard, is_first = self._reader, None, 0, True
        following: Frame | None = frame
        while following and following.kind == frame.kind:
            content = reader.peek(following.length)
            if len(content) < following.length:
                reader.read(following.length)
                if not counted:
                    self._problem("truncated: its last frame is cut short")
                break
            count = following.counted(content) if following.kind[1] == LAYER_III else None
            if is_first:
                counted = count
            elif count is not None or (counted and heard == counted):
                break
            is_first = False
            if count is None:
                heard += 1
                self._at_s += following.samples / following.rate_hz
            yield reader.read(following.length)
            following = Frame.parse(reader.peek(4))
        if counted and heard < counted - 1:
            self._problem(f"truncated: {heard:,} of {counted:,} frames are there")

    def _find(self) -> Frame | None:
        """Go to the next frame; other than tags and padding, what lies before it is a problem. None at the end."""
        skipped = 0
        while True:
            skip_tags(self._reader)
            if not self._reader.peek(1) or frames_in_a_row(self._reader.peek(2 * LONGEST_FRAME), 0):
                break
            is_tag = self._end is not None and self._reader.position >= self._end  # one whose mark is at its end
            skipped += self._skip_junk() * (not is_tag)
        if skipped > (0 if self._at_s else LONGEST_FRAME):
            self._problem(f"{skipped:,} bytes are damaged")
        return Frame.parse(self._reader.peek(4))

    def _skip_junk(self) -> int:
        """Go on to where frames may begin again; return how many bytes other than zeros were in between."""
        block = self._reader.peek(CHUNK_BYTES)
        at = start(block[1:])
        if at is not None:
            step = at + 1
        else:
            step = len(block) - LONGEST_FRAME * IN_A_ROW if len(block) == CHUNK_BYTES else len(block)
        return len(self._reader.read(step).strip(b"\0"))

    def _estimate_s(self) -> float | None:
        """Return what the count says, else what the first frame's bit rate comes to."""
        frame = Frame.parse(self._reader.peek(4))
        if not frame or self._reader.rest is None:
            return None
        counted = frame.counted(self._reader.peek(frame.length))
        return (counted or self._reader.rest / frame.length) * frame.samples / frame.rate_hz

    def _problem(self, text: str) -> None:
        self.findings.problems.append((self._at_s, text))

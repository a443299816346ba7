"""What the headers of WAV, RF64, W64, AIFF and CAF say of the sound that follows, and headers made from it.

Sources of the layouts: Multimedia Programming Interface 1.0 (RIFF), EBU Tech 3306 (RF64), Sony Wave64, AIFF-C draft
of 1991, Core Audio Format 1.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bowstream.audio.reader import Reader

MAGICS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b"riff\x2e\x91\xcf\x11")
W64_NAME = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"  # the end of every name but the first
# Chunks before the sound that are longer are another thing; a description is short.
LONGEST_HEADER, LONGEST_DESCRIPTION = 1 << 24, 1 << 12
# Of WAV: PCM, Microsoft's ADPCM, floats, A-law, µ-law, IMA's ADPCM, GSM, and what is said further on.
CODECS = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0x31, 0xFFFE)
AIFF_BITS = {b"ulaw": 8, b"ULAW": 8, b"alaw": 8, b"ALAW": 8, b"ima4": 34 * 8, b"GSM ": 33 * 8}


@dataclass(frozen=True)
class Description:
    """The chunk that describes the sound (`fmt `, COMM, desc), the size that is stated for it, and what they mean.

    family : RIFF, RIFX, W64, AIFF, AIFC or CAF
    stated : bytes
    block_bytes : what belongs together: a frame, or a packet of a compressed one; 0 where they differ in length
    blocks_per_s : of them in a second
    """

    family: str
    content: bytes
    fact: bytes
    stated: int
    block_bytes: int
    blocks_per_s: float

    def padding(self, size: int) -> int:
        """Return how many bytes fill up the sound's chunk."""
        return padding(self.family, size)

    def header(self, length: int) -> bytes:
        """Return a header for so many bytes of this sound."""
        if self.family == "CAF":  # libsndfile reads none from a pipe, but the same sound in an AU
            return au_header(self.content, length)
        if self.family in ("AIFF", "AIFC"):
            common = self.content[:2] + struct.pack(">I", length // self.block_bytes) + self.content[6:]
            body = self.family.encode() + chunk(b"COMM", common, ">") + b"SSND" + struct.pack(">III", length + 8, 0, 0)
            return b"FORM" + struct.pack(">I", len(body) + length) + body
        name, order = (b"RIFX", ">") if self.family == "RIFX" else (b"RIFF", "<")
        body = b"WAVE" + chunk(b"fmt ", self.content, order)
        body += chunk(b"fact", self.fact, order) if self.fact else b""
        body += b"data" + struct.pack(order + "I", length)
        return name + struct.pack(order + "I", len(body) + length) + body


def padding(family: str, size: int) -> int:
    """Return how many bytes fill up a chunk."""
    return -size % {"W64": 8, "CAF": 1}.get(family, 2)


def chunk(name: bytes, content: bytes, order: str) -> bytes:
    """Return a chunk of a RIFF or an AIFF."""
    return name + struct.pack(order + "I", len(content)) + content + b"\0" * (len(content) % 2)


def begins(head: bytes) -> bool:
    """Whether such a file begins here, by its first twelve bytes: many others are RIFFs, too."""
    form = {b"FORM": (b"AIFF", b"AIFC")}.get(head[:4], (b"WAVE",))
    return head.startswith(MAGICS) and (head[8:12] in form or head[:4] in (b"caff", b"riff"))


def describe(reader: Reader) -> Description | None:
    """Read up to the sound; None where there is none, or it is not described before it."""
    magic = reader.peek(12)
    family = {b"RIFX": "RIFX", b"riff": "W64", b"caff": "CAF", b"FORM": magic[8:].decode("latin-1")}.get(
        magic[:4], "RIFF"
    )
    order = ">" if family in ("RIFX", "AIFF", "AIFC", "CAF") else "<"
    reader.read({"W64": 40, "CAF": 8}.get(family, 12))
    content, fact, wide = b"", b"", None
    while reader.position < LONGEST_HEADER and (head := read_head(reader, family, order)):
        name, size = head
        if name in (b"data", b"SSND"):
            if family == "CAF":
                reader.read(4)
                size -= 4
            elif name == b"SSND":
                offset = int.from_bytes(reader.read(8)[:4], "big")
                reader.skip(offset)
                size -= 8 + offset
            stated = wide if wide is not None and size == 0xFFFF_FFFF else size
            return understood(family, order, content, fact, stated)
        padded = size + padding(family, size)
        kept = reader.read(min(max(padded, 0), LONGEST_DESCRIPTION))
        reader.skip(padded - len(kept))
        if name in (b"fmt ", b"COMM", b"desc"):
            content = kept[:size]
        elif name == b"fact":
            fact = kept[:size]
        elif name == b"ds64":
            wide = int.from_bytes(kept[8:16], "little")
    return None


def read_head(reader: Reader, family: str, order: str) -> tuple[bytes, int] | None:
    """Take a chunk's head: its name, and the size of what follows as it is stated; None at the end."""
    length = {"W64": 24, "CAF": 12}.get(family, 8)
    head = reader.read(length)
    if len(head) < length:
        return None
    if family == "W64":
        return head[:4], int.from_bytes(head[16:], "little", signed=True) - length
    size = int.from_bytes(head[4:], "little" if order == "<" else "big", signed=family == "CAF")
    return head[:4], size


def understood(family: str, order: str, content: bytes, fact: bytes, stated: int) -> Description | None:
    """Return what a description means; None if it is too short to."""
    if family == "CAF":
        if len(content) < 32:
            return None
        (blocks_per_s,) = struct.unpack(">d", content[:8])
        block_bytes = int.from_bytes(content[16:20], "big") if au_encoding(content) else 0
    elif family in ("AIFF", "AIFC"):
        if len(content) < 18:
            return None
        channels, _, bits = struct.unpack(">hIh", content[:8])
        block_bytes = max(channels, 0) * -(-AIFF_BITS.get(content[18:22], bits) // 8)
        blocks_per_s = extended(content[8:18])
    else:
        if len(content) < 14:
            return None
        bytes_per_s, block_bytes = struct.unpack(order + "IH", content[8:14])
        if struct.unpack(order + "H", content[:2])[0] not in CODECS:
            block_bytes = 0
        blocks_per_s = bytes_per_s / max(block_bytes, 1)
    return Description(family, content, fact, stated, block_bytes, blocks_per_s)


def au_encoding(desc: bytes) -> int:
    """Return AU's number for the encoding of a CAF; 0 if it has none."""
    kind, is_float, bits = desc[8:12], desc[15] & 1, int.from_bytes(desc[28:32], "big")
    numbers = {(0, 8): 2, (0, 16): 3, (0, 24): 4, (0, 32): 5, (1, 32): 6, (1, 64): 7}
    return {b"ulaw": 1, b"alaw": 27}.get(kind, numbers.get((is_float, bits), 0) if kind == b"lpcm" else 0)


def au_header(desc: bytes, length: int) -> bytes:
    """Return an AU's header for so many bytes of the sound of a CAF."""
    is_little = desc[15] & 2 and desc[8:12] == b"lpcm"
    rate_hz, channels = round(struct.unpack(">d", desc[:8])[0]), int.from_bytes(desc[24:28], "big")
    numbers = struct.pack("<5I" if is_little else ">5I", 24, length, au_encoding(desc), rate_hz, channels)
    return (b"dns." if is_little else b".snd") + numbers


def extended(content: bytes) -> float:
    """Return a float of 80 bits, as AIFF has them for the rate; 0 if it is none that a rate can be."""
    exponent, mantissa = struct.unpack(">HQ", content)
    return float(mantissa) * 2.0 ** (exponent - 16_446) if exponent < 16_450 else 0.0

"""Recordings as programs and devices in the field write them: by soundfile, and by hand."""

import io
import struct

import numpy as np
import soundfile

from bowstream.audio.file import AudioFile
from bowstream.errors import AudioError


def encoded(samples, rate=16_000, kind="WAV", subtype="PCM_16"):
    """Return the bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind)
    return file.getvalue()


def flac(samples, rate=16_000, stated=None):
    """Return a FLAC file that states another length, in frames."""
    content = bytearray(encoded(samples, rate, "FLAC"))
    if stated is not None:
        packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | stated
        content[18:26] = packed.to_bytes(8, "big")
    return bytes(content)


def mp3(samples, rate=16_000):
    return encoded(samples, rate, "MP3", "MPEG_LAYER_III")


def without_count(content):
    """Return an MP3 without its first frame, which counts the others."""
    at = content.index(b"\xff", 1)
    while content[at + 1] & 0xE0 != 0xE0 or content[at + 1] != content[1]:
        at = content.index(b"\xff", at + 1)
    assert b"Info" in content[:at] or b"Xing" in content[:at]
    return content[at:]


def ogg(samples, rate=16_000):
    return encoded(samples, rate, "OGG", "VORBIS")


def opus(samples, rate=16_000):
    return encoded(samples, rate, "OGG", "OPUS")


def pages(content):
    """Return an Ogg file's pages."""
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


def with_check_sum(page):
    """Return an Ogg page with the right check sum, worked out bit by bit."""
    page = page[:22] + bytes(4) + page[26:]
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x8000_0000 else 0)) & 0xFFFF_FFFF
    return page[:22] + struct.pack("<I", value) + page[26:]


def without_end_mark(content):
    """Return an Ogg file whose last page does not say that it is the last."""
    *before, last = pages(content)
    return b"".join(before) + with_check_sum(last[:5] + bytes([last[5] & ~4]) + last[6:])


def with_size(content, size, name=b"data", form="<I"):
    """Return a file in which a chunk states another size."""
    at = content.index(name) + len(name)
    return content[:at] + struct.pack(form, size) + content[at + struct.calcsize(form) :]


def sound(seconds=1.5, rate=16_000, seed=0):
    """Return noise that is somewhat different everywhere."""
    count = round(seconds * rate)
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(count) * np.linspace(0.02, 0.2, count)).astype(np.float32)


JOINED = {"mp3": mp3, "ogg": ogg, "opus": opus, "flac": flac}


def heard(path):
    """Return what is decoded of a file, (n, channels), its notes, and its complaint, if any."""
    with AudioFile(path) as recording:
        blocks, complaint = [], ""
        try:
            blocks.extend(recording.blocks(0.3))
        except AudioError as error:
            complaint = str(error).removeprefix(f"{path}: ")
        return np.concatenate(blocks), recording.notes, complaint

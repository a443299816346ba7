"""The spectrogram of a clip as a PNG, without a package for pictures."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.audio.file import AudioFile
from bowstream.model.front_end import FrontEnd
from bowstream.model.log_mel import DB_PER_NEPER, LogMel

# From quiet to loud, dark blue over red to light yellow: every step is lighter than the last, as print needs.
COLOURS = ("#0b0724", "#3b0f6f", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf")
# What lies further below the loudest is black.
RANGE_DB = 60.0
# A longer clip is shown by the loudest frames of so many pieces.
WIDEST = 600


def spectrogram_png(clip: Path) -> bytes:
    """Return a clip's log-mel spectrogram as a PNG, low frequencies at the bottom.

    Raises
    ------
    AudioError
        If the clip cannot be read.
    """
    front_end = FrontEnd()
    log_mel = LogMel(front_end)
    with AudioFile(clip, front_end.format) as file:
        frames = np.concatenate([log_mel.push(block.samples) for block in file])
    return png(shades(frames), palette())


def shades(log_mel: Float32) -> NDArray[np.uint8]:
    """Return log-mel frames (T, M) as rows of shades, uint8 [shape=(M, at most 600)]."""
    pieces = np.linspace(0, len(log_mel), min(len(log_mel), WIDEST), endpoint=False).astype(int)
    narrow = np.maximum.reduceat(log_mel, pieces) * DB_PER_NEPER
    loudness = 1.0 + (narrow - narrow.max()) / RANGE_DB
    rows: NDArray[np.uint8] = np.rint(np.clip(loudness, 0.0, 1.0) * 255.0).astype(np.uint8).T[::-1]
    return rows


def palette() -> bytes:
    """Return 256 colours, three bytes each."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in COLOURS])
    places = np.linspace(0.0, len(stops) - 1.0, 256)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    colours: NDArray[np.uint8] = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return colours.tobytes()


def png(rows: NDArray[np.uint8], colours: bytes) -> bytes:
    """Return rows of palette indices, uint8 (height, width), as a PNG."""
    height, width = rows.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    unfiltered = np.hstack([np.zeros((height, 1), np.uint8), rows]).tobytes()
    chunks = (b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(unfiltered, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in chunks)


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a part of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

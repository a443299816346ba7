"""Which of bowstream's code makes scores of sound, so that codes and scores are made again when it changes."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import bowstream

# `tagger` and `audio.file`, and all that they import but messages.
ON_THE_PATH = (
    *("_types", "scores", "tagger"),
    *("audio/convert", "audio/decode", "audio/feed", "audio/ffmpeg", "audio/file", "audio/kinds", "audio/links"),
    *("audio/flac", "audio/mix", "audio/raw", "audio/reader", "audio/source", "audio/tracks"),
    *(f"audio/containers/{name}" for name in ("chunks", "description", "findings", "flac", "mpeg", "ogg", "tags")),
    *(f"model/{name}" for name in ("additions", "archive", "bundle", "codebook", "columns", "context", "encoder")),
    *(f"model/{name}" for name in ("front_end", "head", "highpass", "level", "log_mel", "memory", "onset")),
    *(f"model/{name}" for name in ("patches", "probe", "sensitivity", "sliding", "sparse", "tags", "tflite")),
)


@functools.cache
def device_code() -> str:
    """Return a hash of the code on the path from a recording to its scores."""
    folder = Path(bowstream.__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in ON_THE_PATH)).hexdigest()

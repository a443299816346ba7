"""Which of bowstream's code makes scores of sound, so that codes and scores are made anew when it changes."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import bowstream

# `tagger` and `sources`, and all that they import but messages.
ON_THE_PATH = (
    *("bundle", "codebook", "coder", "context", "frontend", "heard", "intake"),
    *("level", "patches", "raw", "sources", "tagger", "tflite"),
)


@functools.cache
def device_code() -> str:
    """Return a hash of the code on the path from a recording to its scores."""
    folder = Path(bowstream.__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in ON_THE_PATH)).hexdigest()

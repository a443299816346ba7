"""What the user's own room sounds like: a few windows of codes, drawn while it listens. No sound is kept.

It is a sample of fixed size in which each window so far is as likely as any other, the last few months somewhat more.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.errors import BundleError
from bowstream.model.archive import read_arrays, read_file
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.scores import Scores

FILE_NAME = "room.npz"
# Windows that are kept, and how far apart they are: 1 MB before it is packed, and three hours at least.
MOST, APART_S = 1000, 10.0
# From so many on, later ones are as likely to be kept as these.
REMEMBERED = 20 * MOST


class Room:
    """Draws windows from those that a session scores.

    Parameters
    ----------
    bundle : SHA-256 of the bundle
    codes : int [shape=(context, P)] each, those that were drawn before
    seen : of how many
    """

    def __init__(self, bundle: str, codes: Sequence[Codes] = (), seen: int = 0) -> None:
        self.bundle, self.seen = bundle, seen
        self.codes = list(codes)
        self._rng = np.random.default_rng()
        self._due_s: dict[str, float] = {}  # by source

    def score(self, scores: Scores) -> None:
        """Take a hop; keep its window perhaps."""
        if scores.end_s < self._due_s.get(scores.source, 0.0):
            return
        self._due_s[scores.source] = scores.end_s + APART_S
        self.seen = min(self.seen + 1, REMEMBERED)
        place = int(self._rng.integers(self.seen))
        if len(self.codes) < MOST:
            self.codes.append(scores.codes)
        elif place < MOST:
            self.codes[place] = scores.codes

    def snapshot(self) -> Room:
        """Return it as it is now."""
        return Room(self.bundle, self.codes, self.seen)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return it as the arrays of a file."""
        bundle = np.frombuffer(bytes.fromhex(self.bundle), np.uint8)
        return {"codes": np.array(self.codes, np.uint16), "seen": np.array(self.seen), "bundle": bundle}


def write_room(path: Path, room: Room) -> None:
    """Write it to a file of this user, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            np.savez_compressed(file, **room.arrays())  # type: ignore[arg-type]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_room(path: Path, bundle: Bundle) -> Room:
    """Return what was drawn before with this bundle; an empty one if nothing was.

    Raises
    ------
    BundleError
        If the file is damaged.
    """
    ours = bundle.description["sha256"]
    if not path.exists():
        return Room(ours)
    arrays = read_arrays(read_file(path), str(path))
    try:
        if arrays["bundle"].astype(np.uint8).tobytes().hex() != ours:
            return Room(ours)
        codes, seen = arrays["codes"].astype(np.intp), int(arrays["seen"])
        n_counts = sum(len(encoder.codebook) for encoder in bundle.encoders.values())
        fits = codes.shape[1:] == (bundle.head.context, bundle.codes_per_window) and 0 < len(codes) <= MOST
        if not fits or codes.max() >= n_counts or seen < len(codes):
            raise ValueError(f"codes (got shape {codes.shape} of {seen})")
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{path} lacks or misstates {error}: it is damaged, delete it") from error
    return Room(ours, [*codes], seen)

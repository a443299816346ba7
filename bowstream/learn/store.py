"""The file of what was learned: where it is, and how it changes without ever being half written."""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.config.file import Config, default_files
from bowstream.config.paths import expanded
from bowstream.errors import BowstreamError
from bowstream.model.archive import LARGEST_ARRAYS_BYTES
from bowstream.model.bundle import Bundle
from bowstream.model.learned import Learned, nothing_learned
from bowstream.model.learned_file import encoded, read_learned

FILE_NAME = "learned.npz"
# Below what is read, with room for what an archive adds.
LARGEST_BYTES = LARGEST_ARRAYS_BYTES - (1 << 20)
# How long another process may be writing.
PATIENCE_S, LOOK_EVERY_S = 10.0, 0.05


def place(config: Config) -> Path:
    """Return where the file is: as configured, else beside the configuration, else where the user's would be."""
    if config.settings.learned:
        return expanded(config.settings.learned).absolute()
    beside = config.file or next(default_files())
    return beside.absolute().parent / FILE_NAME


def before(path: Path) -> Path:
    """Return where the file is kept as it was before its last change."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def read(path: Path, bundle: Bundle) -> Learned:
    """Return what was learned for a bundle; nothing if there is no file.

    Raises
    ------
    BundleError
        If the file is damaged.
    BowstreamError
        If it belongs to another bundle.
    """
    if not path.exists():
        return nothing_learned(bundle)
    learned = read_learned(path)
    if learned.bundle != bundle.description["sha256"]:
        raise ForeignError(
            f"{path} was learned with another bundle than {bundle.name!r} as it is now: name that one in the "
            "configuration, or 'bowstream learn --again' learns all with this one of which the sound was kept"
        )
    return learned


class ForeignError(BowstreamError):
    """What was learned belongs to another bundle."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold on to the file while it is read, changed and written; other processes wait for their turn.

    Raises
    ------
    BowstreamError
        If another process holds on to it for long.
    """
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until_s:
                    raise BowstreamError(f"{path}: another bowstream is changing it: try again") from error
                time.sleep(LOOK_EVERY_S)
        yield
    finally:
        os.close(descriptor)  # and unlock


def write(path: Path, learned: Learned) -> None:
    """Write the file, and keep it as it was; call it `alone`. What goes wrong leaves the old one whole."""
    old = path.read_bytes() if path.exists() else content_of(Learned(learned.bundle))
    replace(path, content_of(learned), before(path), old)


def undo(path: Path) -> None:
    """Change the file back to what it was before its last change, so that a second time changes it again.

    Raises
    ------
    BowstreamError
        If there is nothing to undo.
    """
    kept = before(path)
    if not kept.exists() or not path.exists():
        raise BowstreamError(f"{path}: there is nothing to undo")
    replace(path, kept.read_bytes(), kept, path.read_bytes())


def content_of(learned: Learned) -> bytes:
    """Return the file's content; raise `BowstreamError` if it were larger than what is read."""
    file = io.BytesIO()
    arrays: dict[str, Any] = encoded(learned)
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST_BYTES:
        raise BowstreamError(
            f"what is taught must take at most {LARGEST_BYTES / 1e6:.0f} MB (got {size / 1e6:.0f}): forget something, "
            "or keep no sound of it"
        )
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def replace(path: Path, new: bytes, kept: Path, old: bytes) -> None:
    """Write two files beside those that are there, and put both in their places once both are safe."""
    names = [(path.with_name(f".{each.name}.new"), each, content) for each, content in ((kept, old), (path, new))]
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        for name, _, content in names:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        for name, each, _ in names:
            name.replace(each)
    finally:
        for name, _, _ in names:
            name.unlink(missing_ok=True)

"""Files and folders of sinks, which are private unless a setting says otherwise."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bowstream.sinks.worker import RetryableError

# How long to wait for another process that writes to the same file.
LOCK_S = 1.0
LOCK_EVERY_S = 0.01
# What file systems without locks answer, some network shares among them: there a line may still be torn.
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def make_folder(folder: Path, shared: bool) -> None:
    """Make a folder and its missing parents; other users may open them only if they are shared."""
    if not folder.is_dir():
        make_folder(folder.parent, shared)
        folder.mkdir(0o777 if shared else 0o700, exist_ok=True)


def open_file(path: Path, flags: int, shared: bool) -> int:
    """Open a file for writing, create it if needed, never wait for the reader of a pipe; return its descriptor."""
    flags |= os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(path, flags, 0o666 if shared else 0o600)


@contextmanager
def opened_alone(path: Path, shared: bool) -> Iterator[int]:
    """Open a file for appending while no other bowstream writes to it; yield its descriptor.

    Raises
    ------
    RetryableError
        If another process locks it for longer than a second.
    """
    while True:
        descriptor = open_file(path, os.O_APPEND, shared)
        try:
            lock(descriptor, path)
            if is_still(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)  # and unlock


def lock(descriptor: int, path: Path) -> None:
    """Lock a file, where the file system can; raise `RetryableError` if another process keeps it locked for long."""
    until_s = time.monotonic() + LOCK_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until_s:
                raise RetryableError(f"{path} is locked by another process") from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return None
        time.sleep(LOCK_EVERY_S)


def is_still(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file: another process may have put it aside before we had the lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False

"""Bytes of a file or pipe, read forward once, with a look ahead."""

from __future__ import annotations

import os
import stat

CHUNK_BYTES = 1 << 16


class Reader:
    """Reads a descriptor from its start to its end, in constant memory.

    Parameters
    ----------
    descriptor : open for reading; stays the caller's to close

    `size` is the length of a regular file in bytes; None for a pipe, whose end shows when it is there.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.position = 0
        self._ahead = bytearray()
        self._ended = False
        status = os.fstat(descriptor)
        self.size = status.st_size if stat.S_ISREG(status.st_mode) else None
        if self.size is not None:
            os.lseek(descriptor, 0, os.SEEK_SET)

    @property
    def rest(self) -> int | None:
        """Bytes that follow; None where that is not known."""
        if self.size is None:
            return len(self._ahead) if self._ended else None
        return max(self.size - self.position, len(self._ahead))

    def peek(self, count: int) -> bytes:
        """Return the next bytes without taking them; fewer at the end."""
        self._fill(count)
        return bytes(self._ahead[:count])

    def peek_some(self, most: int = CHUNK_BYTES) -> bytes:
        """Return what has come of the next bytes, without waiting for more than one; nothing at the end."""
        self._fill(min(most, 1))
        return bytes(self._ahead[:most])

    def read(self, count: int) -> bytes:
        """Take the next bytes; fewer at the end."""
        taken = self.peek(count)
        del self._ahead[: len(taken)]
        self.position += len(taken)
        return taken

    def skip(self, count: int) -> None:
        """Pass over bytes; in a regular file without reading them."""
        if self.size is None or count <= len(self._ahead):
            while count > 0 and (taken := self.read(min(count, CHUNK_BYTES))):
                count -= len(taken)
        else:
            self.seek(self.position + count)

    def seek(self, position: int) -> None:
        """Go to a position in a regular file, to its end if that comes first."""
        self._ahead.clear()
        self._ended = False
        self.position = min(position, self.size or 0)
        os.lseek(self.descriptor, self.position, os.SEEK_SET)

    def tail(self, count: int) -> bytes:
        """Return the last bytes of a regular file."""
        assert self.size is not None
        return os.pread(self.descriptor, count, max(0, self.size - count))

    def ahead(self, offset: int, count: int) -> bytes:
        """Return bytes that lie further on in a regular file."""
        return os.pread(self.descriptor, count, self.position + offset)

    def _fill(self, count: int) -> None:
        while len(self._ahead) < count and not self._ended:
            more = os.read(self.descriptor, max(CHUNK_BYTES, count - len(self._ahead)))
            self._ahead += more
            self._ended = not more

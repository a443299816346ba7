"""WAV, RF64, W64, AIFF and CAF, whose headers state a size that a program writes last, if it lives, and 32 bits lose.

Where it is right, libsndfile reads the file as it is. Where it is not, the sound goes on to where the next chunk
begins, or the file ends: it is handed on in pieces, each with a header that is right.
"""

from __future__ import annotations

from collections.abc import Iterator

from bowstream.audio.containers.description import W64_NAME, Description, begins, describe
from bowstream.audio.containers.findings import Findings
from bowstream.audio.reader import CHUNK_BYTES, Reader

# What writers that cannot seek back leave as a size: 0, or about as much as the field holds.
UNKNOWN_SIZES = (range(0x7F00_0000, 0x8001_0000), range(0xFFFF_0000, 0x1_0000_0000), range(1 << 62, 1 << 64))
PIECE_BYTES = 1 << 30
# Zeros after the sound that fill a disk's block.
LONGEST_PADDING = CHUNK_BYTES


class Chunks:
    """The recording of such a file.

    `is_right` says whether libsndfile can read the file as it is.
    """

    stated_frames = 0
    _begun_s = 0.0

    def __init__(self, reader: Reader) -> None:
        self.findings = Findings()
        self.duration_s: float | None = None
        self.is_right = reader.size is not None
        self._reader = reader
        self._begin()
        if self._description and self._left is not None and self._description.blocks_per_s > 0:
            self.duration_s = self._seconds(self._left)

    def _begin(self) -> None:
        """Read a header."""
        self._at_bytes = 0
        self._left: int | None = None
        self._description = describe(self._reader)
        if self._description and self._description.block_bytes:
            self._left = self._length(self._description)

    def links(self) -> Iterator[Iterator[bytes]]:
        """Yield the sound in pieces with a header each, and that of files that are joined to it."""
        while self._description and self._description.block_bytes:
            while size := self._next_piece(self._description):
                yield self._piece(self._description, size)
            self._reader.read(self._left or 0)
            if not begins(self._reader.peek(12)):
                return
            self._begun_s = self._seconds(self._at_bytes)
            self._begin()

    def _length(self, description: Description) -> int | None:
        """Return how many bytes of sound there are; None where that shows at the end."""
        rest, stated, block = self._reader.rest, description.stated, description.block_bytes
        is_unknown = stated <= 0 or any(stated in sizes for sizes in UNKNOWN_SIZES)
        if self._reader.size is None or rest is None:
            return None if is_unknown else stated  # a program that writes to a pipe cannot know
        after = (
            self._reader.ahead(max(stated, 0) + description.padding(stated), LONGEST_PADDING) if stated < rest else b""
        )
        if begins(after):
            self.is_right = False
            return stated
        if is_unknown and stated != rest and not is_chunk(after, rest):
            self.is_right = not rest
            self.findings.notes.append("its header states no length: it is heard to its end")
        elif stated > rest:
            if stated - rest >= block:
                self.is_right = False
                self._problem_at(rest, f"truncated: {rest} of {stated} bytes are there")
        elif not (is_over := is_other(after, rest - stated)) or stated % block:
            self.is_right = False
            whole = min(rest, stated + -stated % block) if is_over else rest
            self.findings.notes.append(f"its header states {stated:,} bytes of sound, {whole:,} are there")
            return whole
        else:
            return stated
        return rest

    def _next_piece(self, description: Description) -> int:
        """Return how many bytes come next, whole blocks of them."""
        block = description.block_bytes
        if self._reader.size is not None:
            assert self._left is not None
            return min(self._left, PIECE_BYTES) // block * block
        if self._left is not None and self._left < block:
            if not self._goes_on():
                return 0
            self._left = None
        most = CHUNK_BYTES // block * block or block
        come = len(self._reader.peek_some(most)) // block * block or len(self._reader.peek(block)) // block * block
        if not come and self._left:
            self._problem_at(self._at_bytes, f"truncated: {self._left:,} more bytes were to come")
        return come if self._left is None else min(come, self._left // block * block)

    def _goes_on(self) -> bool:
        """Whether sound follows its stated end in a pipe."""
        after = self._reader.peek(8 + (self._left or 0) % 2)
        if len(after) < 8 or is_chunk(after, None) or is_chunk(after[1:], None):
            return False  # another file's beginning is a chunk, too
        self.findings.notes.append("more sound follows than its header states")
        return True

    def _piece(self, description: Description, size: int) -> Iterator[bytes]:
        yield description.header(size)
        if self._left is not None:
            self._left -= size
        while size and (content := self._reader.read(min(size, CHUNK_BYTES))):
            size -= len(content)
            self._at_bytes += len(content)
            yield content

    def _seconds(self, at_bytes: int) -> float:
        assert self._description
        per_s = self._description.block_bytes * self._description.blocks_per_s
        return self._begun_s + (at_bytes / per_s if per_s > 0 else 0.0)

    def _problem_at(self, at_bytes: int, text: str) -> None:
        self.findings.problems.append((self._seconds(at_bytes), text))


def is_other(after: bytes, rest: int) -> bool:
    """Whether what follows the stated end of the sound in a regular file, so many bytes, is something else."""
    return rest < 8 or is_chunk(after, rest) or (rest < LONGEST_PADDING and not after.strip(b"\0"))


def is_chunk(head: bytes, rest: int | None) -> bool:
    """Whether a chunk, or a tag, begins here, with no more than so many bytes."""
    if head.startswith(b"TAG") and rest is not None and rest <= 129:
        return True
    if head[4:16] == W64_NAME:
        return True
    name, size = head[:4], min(int.from_bytes(head[4:8], "little"), int.from_bytes(head[4:8], "big"))
    is_name = len(head) >= 8 and name.isascii() and name.decode("latin-1").isprintable()
    return is_name and (rest is None or size <= rest)

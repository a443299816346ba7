"""The files of a bundle, read without trust in them: sizes are looked at before anything is read or unpacked."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import BundleError

# Many times what a bundle has; and what a Pi has memory for.
LARGEST_FILE_BYTES = 32 << 20
LARGEST_ARRAYS_BYTES = 32 << 20
MOST_ARRAYS = 64
LONGEST_REASON = 100
# What a damaged archive, or one that lies, makes Python's reader raise.
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, TypeError, KeyError, IndexError),
    *(NotImplementedError, RuntimeError, SyntaxError, ArithmeticError, AttributeError, MemoryError, RecursionError),
)


def reason_of(error: Exception) -> str:
    """Return why an archive cannot be read; Python's reader quotes what it found at any length."""
    text = str(error)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def read_file(path: Path) -> bytes:
    """Return a file's content.

    Raises
    ------
    BundleError
        If it is missing, unreadable, no regular file or a link to one, or too large to be one of a bundle's.
    """
    try:
        # A pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path} must be a regular file: copy the bundle again")
            if status.st_size > LARGEST_FILE_BYTES:
                raise BundleError(f"{path} must have at most {LARGEST_FILE_BYTES:,} bytes (got {status.st_size:,})")
            return file.read(status.st_size)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}; copy the bundle again") from error


def read_arrays(content: bytes, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an npz file: of plain numbers, and of no more than they take up in the file."""
    try:
        if content.count(b"PK\x01\x02") > MOST_ARRAYS:  # before a list is made of them
            raise ValueError(f"it has more than {MOST_ARRAYS} entries")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise ValueError("it is compressed in a way that takes any amount of memory")
            total = sum(member.file_size for member in members)
            if len(members) > MOST_ARRAYS or total > LARGEST_ARRAYS_BYTES:
                raise BundleError(
                    f"{name} must hold at most {MOST_ARRAYS} arrays of {LARGEST_ARRAYS_BYTES:,} bytes in all "
                    f"(got {len(members)} of {total:,})"
                )
            return {member.filename.removesuffix(".npy"): read_array(archive, member) for member in members}
    except UNREADABLE as error:
        raise BundleError(f"{name} must be an npz file of plain arrays: {reason_of(error)}") from error


def read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    """Return an array; raise `ValueError` if its header says another size than it has, before memory is taken."""
    content = archive.read(member)
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{member.filename} has version {version}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read_header(file)
    if dtype.kind not in "fiu":
        raise ValueError(f"{member.filename} holds {dtype}")
    count = 1
    for length in shape:
        count *= length
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{member.filename} is not as large as its shape {shape} says")
    array = np.frombuffer(content, dtype, count, file.tell()) if count else np.empty(0, dtype)
    return array.reshape(shape, order="F" if in_columns else "C").copy()

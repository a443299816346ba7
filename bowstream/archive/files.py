"""Files of results: each is written whole or not at all, whenever the process or the machine stops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bowstream.errors import UsageError

# How the names of files end that are being written.
PART = ".part"


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a name to write a file by; it takes its place when it is whole and on the disk."""
    part = path.with_name(f".{path.name}{PART}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def pyarrow_modules() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet; raise `UsageError` if it is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'bowstream[archive]'") from error
    return pyarrow, parquet

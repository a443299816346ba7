"""Recordings that are elsewhere: in a bucket, on another machine, in a zip file, through fsspec."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from bowstream.audio.ffmpeg import is_there
from bowstream.audio.kinds import FOREIGN_SUFFIXES, HEARD_SUFFIXES
from bowstream.errors import AudioError, UsageError

CHUNK_BYTES = 1 << 20


def is_address(path: str) -> bool:
    """Whether it is an address, as in s3://bucket/folder, not the name of a file here."""
    return "://" in path


def listed(address: str) -> list[tuple[str, int]]:
    """Return the addresses of the recordings below an address, by the endings of their names, and their sizes.

    Raises
    ------
    UsageError
        If fsspec, or what it needs for this kind of address, is missing, or nothing is there.
    """
    core = modules().core
    own, colons, chain = address.partition("::")
    own += "/" * (not own.endswith("/") and own.count("/") == 2)  # of a host alone, all
    try:
        system, path = core.url_to_fs(f"{own}{colons}{chain}")
        found = system.find(path, detail=True)
    except Exception as error:  # each kind of address has a library, with errors of its own
        raise UsageError(f"{address} cannot be listed: {error}") from error
    suffixes = HEARD_SUFFIXES | (FOREIGN_SUFFIXES if is_there() else frozenset())
    return [
        (f"{address_of(name, own, system, path)}{colons}{chain}", int(entry.get("size") or 0))
        for name, entry in sorted(found.items())
        if PurePath(name).suffix.lower() in suffixes and not PurePath(name).name.startswith("._")
    ]


def address_of(name: str, folder: str, system: Any, path: str) -> str:
    """Return the address of a file below that of a folder, which is at this path of its file system."""
    root, top = folder if folder.endswith("://") else folder.rstrip("/"), path.rstrip("/")
    # Of a path, a file system tells the protocol again, but not the host.
    return root.removesuffix(top) + name if root.endswith(top) else str(system.unstrip_protocol(name))


@contextmanager
def fetched(path: str, pulse: Callable[[float], None]) -> Iterator[Path]:
    """Yield a file here with what is at an address, for as long as it is needed; the file itself if it is here."""
    if not is_address(path):
        yield Path(path)
        return
    opened = modules().open
    with tempfile.TemporaryDirectory(prefix="bowstream-") as folder:
        file = Path(folder, PurePath(path.partition("::")[0]).name)
        try:
            with opened(path, "rb") as there, file.open("wb") as here:
                while content := there.read(CHUNK_BYTES):
                    here.write(content)
                    pulse(0.0)
        except Exception as error:  # as above
            raise AudioError(f"{path}: cannot be fetched: {error}") from error
        yield file


def modules() -> Any:
    """Return fsspec; raise `UsageError` if it is missing."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise UsageError("addresses need fsspec: pip install 'bowstream[cluster]'") from error
    return fsspec

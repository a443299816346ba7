"""Names of tags in the form that topics, ids and file names allow."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

# File names have at most 255 bytes, including the time, the suffix and a number.
LONGEST = 100


def plain(text: str, joint: str) -> str:
    """Return a name in Latin letters and digits, with `joint` for each run of other characters.

    If letters are lost, a checksum of the name is added, so that different names stay different.
    """
    kept = re.sub(r"[^A-Za-z0-9]+", joint, text).strip(joint)
    is_whole = kept and text.isascii() and len(kept) <= LONGEST
    return kept if is_whole else marked(kept[:LONGEST], text, joint)


def marked(kept: str, text: str, joint: str) -> str:
    """Return the kept part of a name with the checksum of the whole name."""
    return f"{kept}{joint}{zlib.crc32(text.encode()):08x}".strip(joint)


def slug(text: str) -> str:
    """Return a name for topics and ids: lower case, digits and single underscores."""
    return plain(text, "_").lower()


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return a unique slug for each name: if several names have the same one, the first keeps it."""
    found: dict[str, str] = {}
    for name in names:
        short = slug(name)
        found[name] = marked(short, name, "_") if short in found.values() else short
    return found

"""Names of tags as topics, ids and files can bear them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

# File names have 255 bytes, of which the time, the ending and a number take some.
LONGEST = 100


def plain(text: str, joint: str) -> str:
    """Return a name in Latin letters and digits, with `joint` for each run of what else there is.

    Where letters may get lost, a checksum of the name is added, so that no two such names become one.
    """
    kept = re.sub(r"[^A-Za-z0-9]+", joint, text).strip(joint)
    is_whole = kept and text.isascii() and len(kept) <= LONGEST
    return kept if is_whole else marked(kept[:LONGEST], text, joint)


def marked(kept: str, text: str, joint: str) -> str:
    """Return what was kept of a name, with the checksum of all of it."""
    return f"{kept}{joint}{zlib.crc32(text.encode()):08x}".strip(joint)


def slug(text: str) -> str:
    """Return a name as topics and ids can bear it: lower case, digits and single underscores."""
    return plain(text, "_").lower()


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return the slug of each name, no two the same: the first keeps one that several would have."""
    found: dict[str, str] = {}
    for name in names:
        one = slug(name)
        found[name] = marked(one, name, "_") if one in found.values() else one
    return found

"""Ids of events, which sort by their onset."""

from __future__ import annotations

import zlib
from datetime import datetime, timezone

# Crockford's base 32, without letters that are read as digits.
ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def event_id(onset: datetime, source: str, tag: str) -> str:
    """Return 13 letters and digits: 9 for the millisecond of an onset (UTC), 4 for where and what was heard.

    The same event has the same id each time that a dated recording is heard.
    """
    digits = round(onset.timestamp() * 1000.0) << 20 | zlib.crc32(f"{source}\0{tag}".encode()) & 0xFFFFF
    return "".join(ID_DIGITS[digits >> shift & 31] for shift in range(60, -1, -5))


def onset_of(event: str) -> datetime:
    """Return when an event began, by its id, to the millisecond.

    Raises
    ------
    ValueError
        If it is no id.
    """
    milliseconds = sum(ID_DIGITS.index(digit) << 5 * place for place, digit in enumerate(reversed(event[:9])))
    return datetime.fromtimestamp(milliseconds / 1000.0, timezone.utc)

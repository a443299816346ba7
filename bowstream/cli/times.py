"""When recordings began, as it is typed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

from bowstream.audio.started import in_zone, offset_of
from bowstream.errors import UsageError

OFFSET = re.compile(r"[+-]\d\d:?\d\d")


def parse_zone(text: str | None) -> tzinfo | None:
    """Read `--timezone`; raise `UsageError` if there is no such zone."""
    if text is None:
        return None
    if text.upper() in ("UTC", "Z"):
        return timezone.utc
    from zoneinfo import ZoneInfo

    try:
        return offset_of(text) if OFFSET.fullmatch(text) else ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfo's, for a name that is none, or a folder's
        raise UsageError(f"--timezone must be like UTC, +10:00 or Europe/Berlin (got {text!r})") from error


def parse_start(text: str | None, zone: tzinfo | None, recordings: int) -> datetime | None:
    """Read `--start`; raise `UsageError` if it is no time, or there are several recordings that it might be of."""
    if text is None:
        return None
    if recordings != 1:
        raise UsageError(f"--start is for one recording (got {recordings})")
    try:
        at = in_zone(datetime.fromisoformat(re.sub("Z$", "+00:00", text)), zone)
        at + timedelta(days=366)  # times in it are dates, too
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--start must be like 2026-11-28T06:00 or 2026-11-28T06:00:00Z (got {text!r})") from error
    return at

"""When a recording began, as its recorder wrote it into the file or its name.

What names a zone comes first: GUANO's timestamp and AudioMoth's comment. Then the file's name, then the date of a
broadcast WAV (bext), then the creation time of an MP4, a Matroska or the like.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import PurePath

from bowstream.audio.containers.description import begins, padding, read_head
from bowstream.audio.ffmpeg import creation_time, is_there
from bowstream.audio.kinds import foreign_kind
from bowstream.audio.reader import Reader

# A clock that was never set says 1970 or 1904; a recorder's name of eight digits is older than AudioMoth.
EARLIEST, FIRST_AUDIOMOTH = 1990, 2017
LONGEST_TEXT = 1 << 16
MOST_CHUNKS = 1000
DATE = r"(?P<year>\d{4})(?P<d>[-._:]?)(?P<month>\d\d)(?P=d)(?P<day>\d\d)"
TIME = r"(?P<hour>\d\d)(?P<t>[-.:]?)(?P<minute>\d\d)(?P=t)(?P<second>\d\d)(?:[._,](?P<fraction>\d{3,6}))?"
ZONE = r"(?P<zone>Z|[+-](?:0\d|1[0-4]):?(?:00|15|30|45))?"
# 20260601_060000 (AudioMoth), SITE_20260601_060000_000 (Song Meter), 20260601T060000+1000_site, 2026-06-01 06-00-00.
IN_NAME = re.compile(rf"(?<!\d){DATE}[T _-]{{0,2}}{TIME}{ZONE}(?!\d)")
IN_TEXT = re.compile(rf"{DATE}[T ]{TIME}\s*{ZONE}")
GUANO = re.compile(rf"^Timestamp:\s*{IN_TEXT.pattern}", re.M)
AUDIOMOTH = re.compile(
    r"Recorded at (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{3}))? "
    r"(?P<day>\d\d)/(?P<month>\d\d)/(?P<year>\d{4}) \(UTC(?P<zone>[+-]\d{1,2}(?::\d\d)?)?\)"
)
# Seconds since 1970, as AudioMoth named its files at first.
HEXADECIMAL = re.compile(r"[0-9A-F]{8}")


def started_at(path: str, zone: tzinfo | None = None) -> datetime | None:
    """Return when a recording began, with the offset of its zone; None if nothing says so.

    Parameters
    ----------
    zone : where the recorder's clock was, if neither file nor name says it, and what UTC is told in; None for this
        machine's
    """
    chunks = dict(texts_in(path))
    return (
        of_match(GUANO.search(chunks.get("guan", "")), zone)
        or of_match(AUDIOMOTH.search(chunks.get("ICMT", "")), zone, otherwise="Z")
        or in_name(path, zone)
        or of_match(IN_TEXT.match(chunks.get("bext", "")), zone)
        or of_match(IN_TEXT.match(created(path)), zone)
    )


def in_name(path: str, zone: tzinfo | None = None) -> datetime | None:
    """Return when a recording began by its name; None if that does not say it."""
    name = PurePath(path).stem
    found = (of_match(one, zone) for one in IN_NAME.finditer(name))
    if at := next(filter(None, found), None):
        return at
    if HEXADECIMAL.fullmatch(name):
        at = in_zone(datetime.fromtimestamp(int(name, 16), timezone.utc), zone)
        return at if is_plausible(at, FIRST_AUDIOMOTH) else None
    return None


def site_in_name(path: str) -> str:
    """Return what stands before the date in a recording's name, such as a recorder's; empty if nothing does."""
    name = PurePath(path).stem
    found = IN_NAME.search(name)
    return name[: found.start()].strip(" _-.") if found else ""


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment with a zone's offset then; one without any offset is taken to be told in the zone."""
    if moment.tzinfo is None and zone is not None:
        moment = moment.replace(tzinfo=zone)
    there = moment.astimezone(zone)
    return there.replace(tzinfo=timezone(there.utcoffset() or timedelta(0)))


def of_match(found: re.Match[str] | None, zone: tzinfo | None, otherwise: str | None = None) -> datetime | None:
    """Return the date in a match; None if that is none. `otherwise` is the zone if it does not say it."""
    if not found:
        return None
    parts = found.groupdict()
    try:
        at = datetime.fromisoformat("{year}-{month}-{day}T{hour}:{minute}:{second}".format(**parts))
        at += timedelta(microseconds=int(f"{parts['fraction'] or '':0<6}"))
        offset = parts["zone"] or otherwise
        if offset and offset != "Z":
            at = at.replace(tzinfo=offset_of(offset))  # the clock there and then
        else:
            at = in_zone(at.replace(tzinfo=timezone.utc) if offset else at, zone)
    except (ValueError, OverflowError):
        return None
    return at if is_plausible(at, EARLIEST) else None


def offset_of(text: str) -> timezone:
    """Return the zone of `+1`, `+01:00` or `-0330`; raise `ValueError` if that is none."""
    digits = text[1:].replace(":", "")
    hours, minutes = (digits, "0") if len(digits) < 3 else (digits[:-2], digits[-2:])
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if text[0] == "-" else offset)


def is_plausible(moment: datetime, earliest: int) -> bool:
    """Whether a clock that was set says so."""
    return earliest <= moment.year and moment <= datetime.now(timezone.utc) + timedelta(days=2)


def texts_in(path: str) -> Iterator[tuple[str, str]]:
    """Yield the chunks of a WAV that may have a date: `guan`, `ICMT` of the list of comments, the date of `bext`."""
    try:
        descriptor = os.open(os.fsencode(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return  # that is reported when it is replayed
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            yield from chunks_of(Reader(descriptor))
    except OSError:
        return
    finally:
        os.close(descriptor)


def chunks_of(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield what `texts_in` does."""
    head, wide = reader.peek(12), 0
    if not begins(head) or head[:4] not in (b"RIFF", b"RF64", b"BW64"):
        return
    reader.read(12)
    for _ in range(MOST_CHUNKS):
        if not (found := read_head(reader, "RIFF", "<")):
            return
        name, size = found
        size = wide if name == b"data" and size == 0xFFFF_FFFF and wide else size
        kept = reader.read(min(size, LONGEST_TEXT)) if name in (b"guan", b"LIST", b"bext", b"ds64") else b""
        reader.skip(size + padding("RIFF", size) - len(kept))
        if name == b"ds64":
            wide = int.from_bytes(kept[8:16], "little")
        elif name == b"guan":
            yield "guan", kept.decode("utf-8", "replace")
        elif name == b"bext":
            yield "bext", kept[320:338].decode("latin-1")[:10] + " " + kept[330:338].decode("latin-1")
        elif (at := kept.find(b"ICMT")) > 0:
            yield "ICMT", kept[at + 8 :].split(b"\0")[0].decode("latin-1")


def created(path: str) -> str:
    """Return the creation time that FFmpeg finds in what libsndfile does not read; empty if there is none."""
    try:
        if not is_there() or not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116, a name need not be text
            return ""
        with open(path, "rb") as file:  # noqa: PTH123
            kind = foreign_kind(file.read(4096))
    except OSError:
        return ""
    return creation_time(path) if kind else ""

"""Which files are recordings: those that are named, and in folders all that have sound in them."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bowstream._text import printable
from bowstream.audio.ffmpeg import INSTALL, has_sound, is_there
from bowstream.audio.kinds import FOREIGN_SUFFIXES, HEARD_SUFFIXES, RAW_SUFFIXES, foreign_kind, kind_of
from bowstream.audio.reader import Reader

HEAD_BYTES = 4096
# How the files begin that macOS puts beside others, of the same name but for `._`: they have no sound.
COMPANION = b"\x00\x05\x16\x07"
# Folders that a system keeps for itself beside recordings.
SYSTEM_FOLDERS = frozenset(("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"))
# Endings that only sound without a header has.
HEADERLESS = RAW_SUFFIXES | {".sd2"}
SOUND, NOTHING = "sound", "nothing"
SAME = "the same file as "


@dataclass
class Found:
    """What to hear, in order, and the rest: files that are passed over, each with the reason.

    in_folders : whether a folder was looked into
    """

    paths: list[str] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)
    in_folders: bool = False

    @property
    def lines(self) -> list[str]:
        """What is passed over, a line for each."""
        return [f"passed over: {printable(f'{path}: {reason}')}" for path, reason in self.passed_over]

    def summary(self, heard: int) -> str:
        """Return how many were heard, and how many passed over for which reason, in one line."""
        line = f"recordings heard: {heard}, files passed over: {len(self.passed_over)}"
        reasons = Counter(f"{SAME}another" if reason.startswith(SAME) else reason for _, reason in self.passed_over)
        parts = (f"{count} × {printable(reason)}" for reason, count in reasons.most_common())
        return f"{line} ({'; '.join(parts)})" if len(self.passed_over) > len(reasons) else line


def find_recordings(paths: Sequence[str]) -> Found:
    """Return the files that are named, and those with sound in folders, sorted, however deep; each of them once.

    A folder without a recording is returned itself, for the complaint that it brings.
    """
    found, seen = Found(), dict[tuple[int, int], str]()
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112, Path's raises for a name that is too long
            if is_companion(path):
                found.passed_over.append((path, "macOS's companion of another file, without sound"))
            elif is_first(path, seen, found):
                found.paths.append(path)
            continue
        found.in_folders = True
        before = len(found.paths) + len(found.passed_over)
        for file in files_in(path, found):
            what = kind_in(file)
            if what == NOTHING:
                continue
            if what != SOUND:
                found.passed_over.append((file, what))
            elif is_first(file, seen, found):
                found.paths.append(file)
        if len(found.paths) + len(found.passed_over) == before:
            found.paths.append(path)
    return found


def files_in(folder: str, found: Found) -> list[str]:
    """Return all files in a folder and those beneath, sorted; what cannot be opened is reported."""

    def unread(error: OSError) -> None:
        found.passed_over.append((error.filename, f"cannot be read: {error.strerror}"))

    files = []
    for place, folders, names in os.walk(folder, onerror=unread):
        folders[:] = [name for name in folders if name not in SYSTEM_FOLDERS]
        files += [os.path.join(place, name) for name in names]  # noqa: PTH118, a name need not be text
    return sorted(file for file in files if os.path.isfile(file))  # noqa: PTH113


def is_first(path: str, seen: dict[tuple[int, int], str], found: Found) -> bool:
    """Whether a file is not one that was found before, by whatever name."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return True  # that is reported when it is replayed
    identity = status.st_dev, status.st_ino
    if not stat.S_ISREG(status.st_mode) or identity not in seen:
        seen[identity] = path
        return True
    if (first := seen[identity]) != path:
        found.passed_over.append((path, f"{SAME}{first}"))
    return False


def is_companion(path: str) -> bool:
    """Whether a file is one that macOS puts beside another."""
    return os.path.basename(path).startswith("._") and head_of(path).startswith(COMPANION)  # noqa: PTH119


def head_of(path: str) -> bytes:
    """Return how a file begins; nothing if it cannot be read, which is reported when it is replayed."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def kind_in(path: str) -> str:
    """Say what a file in a folder is: `SOUND`, `NOTHING`, or sound that is not heard, and how it would be."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
    if is_companion(path):
        return NOTHING
    if is_heard(path):
        return SOUND
    if os.path.basename(path).startswith("._"):  # noqa: PTH119
        return NOTHING
    kind = foreign_kind(head_of(path))
    if kind and not is_there():
        return f"{kind}: {INSTALL} to hear it"
    if kind:
        return SOUND if has_sound(path) else NOTHING
    if suffix in HEARD_SUFFIXES:
        return SOUND
    if suffix in HEADERLESS:
        return "it has no header: give its format with --raw"
    return SOUND if suffix in FOREIGN_SUFFIXES and head_of(path) else NOTHING


def is_heard(path: str) -> bool:
    """Whether a file begins as one that libsndfile reads."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return kind_of(Reader(file.fileno())) != "other"
    except OSError:
        return False

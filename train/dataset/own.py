"""One's own recordings: a folder a tag, or a table of files and tags."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bowstream.audio.kinds import HEARD_SUFFIXES

from ..common.progress import say
from .data import Clip, DataSet, data_set
from .deal import deal
from .errors import DataError
from .licences import NONE_STATED
from .tables import ambiguous, read_rows, readable, stop_at

OWN_LICENCE = "not stated: trained on its maker's own recordings"
TABLE_LICENCE = "clip by clip, as its table states"
# The columns of one's own table that may be left out.
OPTIONAL = ("fold", "group", "id", "source", "licence", "free", "esc50_id")
# What they may have been called.
MEANT_BY = {
    "fold": re.compile(r"folds?([ _-]?(id|no|nr))?|splits?|subset", re.IGNORECASE),
    "group": re.compile(r"groups?([ _-]?(id|no|nr))?", re.IGNORECASE),
}
TAG_SEPARATOR = ";"


def folder(root: Path) -> DataSet:
    """A folder of folders, each named after the tag that its recordings have."""
    if not root.is_dir():
        raise DataError([f"{root} is no folder"])
    kinds = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not kinds:
        raise DataError([f"{root}: there must be a folder for each tag with recordings in it (got none)"])
    files = {kind: visible_files(kind) for kind in kinds}
    found = {kind: list(filter(is_recording, of_kind)) for kind, of_kind in files.items()}
    stop_at(odd_folders(root, found))
    say_what_is_left_out(path for of_kind in files.values() for path in of_kind if not is_recording(path))
    rows = [(path, (readable(kind.name),), "") for kind, recordings in found.items() for path in recordings]
    return data_set(root.resolve().name, deal(root, rows), OWN_LICENCE)


def odd_folders(root: Path, found: Mapping[Path, Sequence[Path]]) -> Iterator[str]:
    """Say what is wrong with tags' folders, given the recordings in each."""
    times = Counter(readable(kind.name) for kind in found)
    yield from (f"{kind}: there are no recordings in it" for kind in found if not found[kind])
    loose = sorted(path.name for path in root.iterdir() if is_recording(path))
    yield from (f"{root / name}: a recording outside of any tag's folder" for name in loose)
    yield from (f"{kind}: another folder's tag is the same" for kind in found if times[readable(kind.name)] > 1)
    yield from (f"{kind}: must have a name that says a tag" for kind in found if not readable(kind.name))
    for recordings in found.values():
        yield from names_that_are_no_text(recordings)


def say_what_is_left_out(paths: Iterable[Path]) -> None:
    """Say how many files of each ending cannot be read, and folders that are links."""
    left_out = Counter(
        "folders elsewhere" if path.is_dir() else f"files of {path.suffix or 'no ending'}" for path in paths
    )
    for what, number in sorted(left_out.items()):
        say(f"note: left out, as no recordings that can be read: {number} {what}")


def table(file: Path) -> DataSet:
    """A CSV with columns `file` and `tags` (separated by `;`), and perhaps others.

    Files are relative to the CSV. Rows of one `group` (clips cut from one recording, say) stay in one fold.
    Folds named train, val and eval are the set's own split; all others are rotated over. `id` is a clip's name where it
    has one, `source` where it is from, `licence` what is stated of it and `free` (0 or 1) whether that allows
    passing on and commercial use; `esc50_id` (0 or 1) is whether ESC-50 has the same recording.
    """
    rows = read_rows(file, "file", "tags")
    stop_at([*almost(file, rows[0]), *ambiguous(file, rows, "group", "fold")])
    if unused := [column for column in rows[0] if column and column not in ("file", "tags", *OPTIONAL)]:
        say(f"note: {file}: not used: {', '.join(unused)}")
    stop_at(f"{file}: {row['file']} has no tag" for row in rows if not row["tags"].strip(" ;"))
    stop_at(
        f"{file}: {row['file']} has {column} {row[column]!r}: must be 0 or 1"
        for row in rows
        for column in ("free", "esc50_id")
        if row.get(column, "0") not in ("0", "1")
    )
    tags = [
        tuple(dict.fromkeys(tag.strip() for tag in row["tags"].split(TAG_SEPARATOR) if tag.strip())) for row in rows
    ]
    if "fold" in rows[0]:
        stop_at(f"{file}: {row['file']} has no fold" for row in rows if not row["fold"])
        names = [Path(row["file"]).as_posix() for row in rows]
        clips = [Clip(name, file.parent / name, of, row["fold"]) for name, row, of in zip(names, rows, tags)]
    else:
        dealt = deal(
            file.parent, [(file.parent / row["file"], of, row.get("group", "")) for row, of in zip(rows, tags)]
        )
        by_path = {(clip.path, clip.tags): clip for clip in dealt}
        clips = [by_path[file.parent / row["file"], of] for row, of in zip(rows, tags)]
    single = all(len(clip.tags) == 1 for clip in clips)
    licence = TABLE_LICENCE if "licence" in rows[0] else OWN_LICENCE
    return data_set(file.stem, map(described, clips, rows), licence, single_label=single)


def described(clip: Clip, row: Mapping[str, str]) -> Clip:
    """Return a clip with what its row says of where it is from."""
    return replace(
        clip,
        name=row.get("id") or clip.name,
        source=row.get("source", ""),
        group=row.get("group", ""),
        licence=row["licence"] or NONE_STATED if "licence" in row else "",
        free=row.get("free") == "1",
        twin="ESC-50" if row.get("esc50_id") == "1" else "",
    )


def almost(file: Path, row: Mapping[str, str]) -> Iterator[str]:
    """Name columns that look like one that would be used and is not there."""
    for column in row:
        for wanted in MEANT_BY:
            if wanted not in row and MEANT_BY[wanted].fullmatch(column):
                yield f"{file}: there is a column {column!r}: call it {wanted!r} if it is that, else something else"


def visible_files(folder: Path) -> list[Path]:
    """Return what is in a folder, however deep, but for hidden things; folders that are links stay closed."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in (*files, *links) if not name.startswith(".")]
    return sorted(found)


def is_recording(path: Path) -> bool:
    """Whether it is a file, or something like one, with the ending of a recording."""
    return path.suffix.lower() in HEARD_SUFFIXES and not path.is_dir()


def names_that_are_no_text(paths: Iterable[Path]) -> Iterator[str]:
    """Name files whose names no record or report can hold."""
    for path in paths:
        try:
            path.as_posix().encode()
        except UnicodeEncodeError:
            yield f"{path}: must have a name in UTF-8: rename it"

"""Negatives: recordings of none of the tags, and made-up sounds that are nothing either.

They are dealt out by file into as many parts as there are splits. A split's model learns from the
others and shows on its own part how often it raises a tag for nothing.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.parallel import parallel
from ..common.store import artefact
from .data import DataSet, Split
from .deal import hashed
from .errors import DataError
from .made_up import fingerprint, without_level, write_made_up
from .own import is_recording, names_that_are_no_text, visible_files
from .problems import content_hash, look_at
from .tables import read_rows, readable, stop_at

# A set with one split deals in two: half to learn from, half to measure with.
FEWEST_PARTS = 2
# A folder's own note of tags that may sound in a recording all the same, and how its cells separate them.
NOTE = "negatives.csv"
# What the kinds of made-up sounds begin with.
MADE = "made "
SEPARATORS = re.compile(r"[;,/]")
IN_BRACKETS = re.compile(r"\(.*?\)")


@dataclass(frozen=True)
class Negative:
    """A recording of none of the tags.

    kind : speech, music …: its file's name up to the first `_`
    part : the split whose model does not learn from it
    content : the file's SHA-256
    may : tags that may sound in it all the same
    tags : those of them that do: speech, music …, if its kind is such a tag
    name : its file as seen from the folder, by which a teacher may know it; of a made-up sound nothing
    """

    path: Path
    kind: str
    part: int
    content: str
    made: bool = False
    may: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()
    name: str = ""


def find_negatives(root: Path, folder: Path, data: DataSet, hashes: Mapping[str, str]) -> tuple[Negative, ...]:
    """Return a folder's recordings and the made-up sounds, dealt out.

    Parameters
    ----------
    root : the folder of all artefacts
    hashes : SHA-256 of each clip of the data set, by the clip's name

    Raises
    ------
    DataError
        If there are too few, or one cannot be heard, is there twice or is a clip of the data set.
    """
    if not folder.is_dir():
        raise DataError([f"{folder} is no folder: wanted one with recordings as negatives"])
    paths = [path for path in visible_files(folder) if is_recording(path)]
    parts = max(FEWEST_PARTS, len(data.splits()))
    if len(paths) < parts:
        raise DataError([f"{folder}: wanted at least {parts} recordings as negatives, one a part, found {len(paths)}"])
    looked = list(parallel(functools.partial(look_at, whole=True), paths))
    problems = [problem for problem, _ in looked if problem]
    problems += names_that_are_no_text(paths)
    contents = {path: content for path, (_, content) in zip(paths, looked) if content}
    problems += twins(contents, {content: name for name, content in hashes.items()})
    if problems:
        raise DataError(problems)
    may = tags_that_may_sound(folder, paths, data.tags)
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    recorded = [
        Negative(path, kind_of(path), part, contents[path], may=may.get(names[path], frozenset()), name=names[path])
        for path, part in into_parts(paths, parts)
    ]
    return tuple(in_words(negative, data) for negative in (*recorded, *made_up(root, parts)))


def in_words(negative: Negative, data: DataSet) -> Negative:
    """Return a negative with what its kind means, by the vocabulary if there is one, and what a teacher hears in it.

    Nothing is in a made-up sound but what its kind is the name of.
    """
    kind, heard = negative.kind.removeprefix(MADE), None
    tags, may = tuple(tag for tag in data.tags if tag == kind), frozenset[str]()
    if negative.made:
        heard = dict.fromkeys(data.tags, 0.0)
    elif data.vocabulary and data.teacher:
        scores, asked = data.teacher.of([negative.name])
        if asked.any():
            of_tags = data.vocabulary.heard(data.teacher.labels, scores)
            heard = {tag: float(score[0]) for tag, score in of_tags.items()}
    if data.vocabulary:
        tags = tuple(tag for tag in data.vocabulary.tags_of([kind]) if tag in data.tags)
        beside = {data.vocabulary.by_tag[tag].group for tag in tags}
        may = data.vocabulary.may([kind], tags, heard, beside)
    may = negative.may.union(tags, may).intersection(data.tags)
    return replace(negative, tags=() if negative.made else tags, may=may)


def twins(contents: Mapping[Path, str], clips: Mapping[str, str]) -> Iterator[str]:
    """Name negatives that are there twice, and those that are clips of the data set."""
    seen: dict[str, Path] = {}
    for path, content in contents.items():
        if content in clips:
            yield f"{path}: a negative with the content of clip {clips[content]}"
        if content in seen:
            yield f"{path}: a negative with the content of {seen[content].name}"
        seen[content] = path


def tags_that_may_sound(folder: Path, paths: Sequence[Path], tags: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return which of the tags may sound in each file, by what `negatives.csv`, if it is there, says.

    Its columns are `path` and `may_contain`. A tag is written as in the data set, or with underscores for
    spaces and a remark in brackets; what is no tag of the set does not matter.
    """
    note = folder / NOTE
    if not note.is_file():
        return {}
    rows = read_rows(note, "path")
    if "may_contain" not in rows[0]:
        raise DataError([f"{note}: wanted columns path, may_contain, may_contain not found"])
    there = {path.relative_to(folder).as_posix() for path in paths}
    times = Counter(row["path"] for row in rows)
    stop_at(f"{note}: {path} is listed {number} times" for path, number in times.items() if number > 1)
    stop_at(f"{note}: there is no recording {row['path']}" for row in rows if row["path"] not in there)
    known = {plain(tag): tag for tag in tags} | {tag: tag for tag in tags}

    def named(cell: str) -> Iterator[str]:
        for words in SEPARATORS.split(cell):
            for written in (words.strip(), plain(words)):
                if written in known:
                    yield known[written]

    return {row["path"]: frozenset(named(row["may_contain"])) for row in rows}


def plain(tag: str) -> str:
    """Return a tag without a remark in brackets and with spaces for underscores."""
    return readable(IN_BRACKETS.sub("", tag))


def kind_of(path: Path) -> str:
    """Return the file's name up to the first `_`; `other` where there is none."""
    kind, underscore, _ = path.stem.partition("_")
    return kind if underscore else "other"


def into_parts(paths: Iterable[Path], parts: int) -> list[tuple[Path, int]]:
    """Deal files out kind by kind, in the order of a hash of the name: the same on every machine."""
    in_order = sorted(paths, key=lambda path: (kind_of(path), hashed(path.stem), path))
    return [(path, place % parts) for place, path in enumerate(in_order)]


def made_up(root: Path, parts: int) -> list[Negative]:
    """Return the made-up sounds, dealt out; one at several levels is in one part, as level is what is taken away."""
    folder = artefact(root, "made_up", {"fingerprint": fingerprint()}, write_made_up)
    sounds = {path: path.with_stem(without_level(path.stem)) for path in sorted(folder.glob("*.flac"))}
    part_of = dict(into_parts(set(sounds.values()), parts))
    return [
        Negative(path, MADE + kind_of(path), part_of[sound], content_hash(path), True) for path, sound in sounds.items()
    ]


def to_learn_from(negatives: Sequence[Negative], split: Split) -> list[Negative]:
    """Return the negatives that a split's model learns from."""
    return [negative for negative in negatives if negative.part != split.part]


def held_back(negatives: Sequence[Negative], split: Split) -> list[int]:
    """Return which of the negatives a split's model is tried on."""
    return [number for number, negative in enumerate(negatives) if negative.part == split.part]

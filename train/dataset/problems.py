"""What is wrong with a data set, found before any training."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable
from pathlib import Path

from bowstream.audio.file import AudioFile
from bowstream.errors import AudioError

from ..common.parallel import parallel
from ..common.progress import say, track
from .data import OWN_SPLIT, TRAIN, DataSet
from .errors import DataError

# What the folds of a set's own split are called elsewhere.
LIKE_A_SPLIT = re.compile("train(ing)?|dev(elopment)?|val(id(ation)?)?|test(ing)?|eval(uation)?", re.IGNORECASE)
NUMBER = re.compile(r"\d+(\.\d*)?")


def check(data: DataSet, whole: bool = False) -> dict[str, str]:
    """Look at every file of a data set; say what is odd, raise if something is wrong.

    Parameters
    ----------
    whole : decode each file to its end; else what is damaged inside shows when its features are computed

    Returns
    -------
    hashes : SHA-256 of each clip's file, by the clip's name

    Raises
    ------
    DataError
        With a line for each problem.
    """
    paths = [clip.path for clip in data.clips]
    look = functools.partial(look_at, whole=whole)
    looked = list(track(parallel(look, paths), len(paths), "checking files"))
    thin = list(thin_tags(data))
    problems = [*repeated(data), *unusable_folds(data), *(problem for problem, _ in looked if problem)]
    if not data.vocabulary:
        problems += thin
    hashes = {clip.name: content for clip, (_, content) in zip(data.clips, looked) if content}
    twins = list(same_content(data, hashes))
    if not data.published:
        problems += twins
    if problems:
        raise DataError(problems)
    for line in (*twins, *(thin if data.vocabulary else ()), *everywhere(data)):
        say(f"note: {line}")
    return hashes


def look_at(path: Path, whole: bool) -> tuple[str, str]:
    """Return what is wrong with a recording ('' if nothing) and the SHA-256 of its content."""
    try:
        if path.exists() and not path.is_file():
            return f"{path}: wanted a file, found something else", ""
        with AudioFile(path) as source:
            if source.problems:
                return f"{path}: {source.problems[0]}", ""
            if whole:
                deque(source, maxlen=0)
        return "", content_hash(path)
    except AudioError as error:
        return str(error), ""
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}", ""
    except ValueError as error:  # a name with a NUL in it
        return f"{str(path)!r}: cannot be read: {error}", ""


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return content.hexdigest()


def repeated(data: DataSet) -> Iterable[str]:
    """Name clips that are listed more than once."""
    names = Counter(clip.name for clip in data.clips)
    return (f"{name}: listed {times} times" for name, times in names.items() if times > 1)


def unusable_folds(data: DataSet) -> Iterable[str]:
    """Name folds that may be misread, or leave nothing to try on."""
    parts = {clip.fold for clip in data.clips}
    if parts != OWN_SPLIT and any(map(LIKE_A_SPLIT.fullmatch, parts)):
        yield f"{data.name}: folds are {', '.join(sorted(parts))}, wanted train, val and eval, or others to rotate over"
    elif len(numbers_of(parts)) < len(parts):
        yield f"{data.name}: folds are {', '.join(sorted(parts))}: wanted each number written in one way"
    elif len(parts) < 2:
        yield f"{data.name}: all clips are in one fold, so nothing is left to try a model on"


def thin_tags(data: DataSet) -> Iterable[str]:
    """Name tags that leave nothing to learn, to train or to try on."""
    folds = defaultdict(set)
    for clip in data.clips:
        for tag in clip.tags:
            folds[tag].add(clip.fold)
    if any(unusable_folds(data)):
        return
    if len({frozenset(clip.tags) for clip in data.clips}) == 1:
        yield f"{data.name}: all clips have the tag {', '.join(data.clips[0].tags)}: there is nothing to tell it from"
    for tag in data.tags:
        if data.own_split and TRAIN not in folds[tag]:
            yield f"tag {tag!r} has no clip in the training part"
        elif not data.own_split and len(folds[tag]) < 2:
            yield f"tag {tag!r} has clips in fewer than two folds: it cannot be both learned and tried; record more"


def everywhere(data: DataSet) -> Iterable[str]:
    """Name tags that tell nothing of a clip."""
    for tag in sorted(frozenset.intersection(*(frozenset(clip.tags) for clip in data.clips))):
        yield f"all clips have the tag {tag!r}: only negatives could tell when it is not there"


def numbers_of(parts: Collection[str]) -> set[str | float]:
    """Return the folds as numbers where they are some."""
    return {float(part) if NUMBER.fullmatch(part) else part for part in parts}


def same_content(data: DataSet, hashes: dict[str, str]) -> Iterable[str]:
    """Name files with the same content in different folds or with different tags."""
    groups = defaultdict(list)
    for clip in data.clips:
        if clip.name in hashes:
            groups[hashes[clip.name]].append(clip)
    for clips in groups.values():
        names = ", ".join(clip.name for clip in clips)
        if len({clip.fold for clip in clips}) > 1:
            yield f"the same recording in different folds flatters the scores: {names}"
        if len({clip.tags for clip in clips}) > 1:
            yield f"the same recording with different tags: {names}"

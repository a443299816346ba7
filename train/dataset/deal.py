"""Folds for clips that have none: each tag evenly, and clips of one recording together."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from .data import Clip

# Folds that clips without any are dealt into.
FOLDS = 5


def deal(root: Path, rows: Iterable[tuple[Path, tuple[str, ...], str]]) -> list[Clip]:
    """Deal recordings into folds, the same on every machine.

    The rarest tag comes first, and each of its recordings goes where least of it is (Sechidis, Tsoumakas and
    Vlahavas 2011, "On the Stratification of Multi-Label Data"). Where each has one tag, no tag moves another's.

    Parameters
    ----------
    rows : a file, its tags, and the group that is to stay together with, if it has any
    """
    groups = defaultdict(list)
    for path, tags, group in rows:
        groups[group or path.as_posix()].append((path, tags))
    tags_of = {name: Counter(tag for _, tags in members for tag in tags) for name, members in groups.items()}
    of_tag = Counter[str]()
    for counts in tags_of.values():
        of_tag.update(counts)
    dealt: dict[str, int] = {}
    there: Counter[tuple[int, str]] = Counter()
    for tag in sorted(of_tag, key=lambda tag: (of_tag[tag], tag)):
        waiting = [name for name in groups if tag in tags_of[name] and name not in dealt]
        first = hashed(tag)[0] % FOLDS
        for name in sorted(waiting, key=lambda name: hashed(Path(name).name)):
            others = tags_of[name]
            dealt[name] = fold = min(
                range(FOLDS),
                key=lambda fold: (there[fold, tag], sum(there[fold, tag] for tag in others), (fold - first) % FOLDS),
            )
            for other, count in others.items():
                there[fold, other] += count
    return [
        Clip(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix(), path, tags, fold)
        for name, members in groups.items()
        for fold in [str(dealt[name] + 1)]
        for path, tags in members
    ]


def hashed(name: str) -> bytes:
    """Return what an order by chance goes by."""
    return hashlib.sha256(name.encode()).digest()

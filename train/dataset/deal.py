"""Folds for clips that have none: each tag evenly, and clips of one recording together."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from .data import Clip

# Folds that clips without any are dealt into.
FOLDS = 5


def deal(root: Path, rows: Iterable[tuple[Path, tuple[str, ...], str]]) -> list[Clip]:
    """Deal recordings into folds, the same on every machine.

    Parameters
    ----------
    rows : a file, its tags, and the group that is to stay together with, if it has any
    """
    groups = defaultdict(list)
    for path, tags, group in rows:
        groups[group or path.as_posix()].append((path, tags))
    dealt = folds_of({name: Counter(tag for _, tags in members for tag in tags) for name, members in groups.items()})
    return [
        Clip(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix(), path, tags, fold)
        for name, members in groups.items()
        for fold in [dealt[name]]
        for path, tags in members
    ]


def folds_of(groups: Mapping[str, Counter[str]]) -> dict[str, str]:
    """Return the fold of each group, by how many clips of each tag it has.

    The rarest tag comes first, and each of its groups goes where least of it is (Sechidis, Tsoumakas and
    Vlahavas 2011, "On the Stratification of Multi-Label Data"). Where each has one tag, no tag moves another's. A
    group without tags goes anywhere.
    """
    of_tag = Counter[str]()
    for counts in groups.values():
        of_tag.update(counts)
    dealt = {name: hashed(Path(name).name)[1] % FOLDS for name, counts in groups.items() if not counts}
    there: Counter[tuple[int, str]] = Counter()
    for tag in sorted(of_tag, key=lambda tag: (of_tag[tag], tag)):
        waiting = [name for name in groups if tag in groups[name] and name not in dealt]
        first = hashed(tag)[0] % FOLDS
        for name in sorted(waiting, key=lambda name: hashed(Path(name).name)):
            others = groups[name]
            dealt[name] = fold = min(
                range(FOLDS),
                key=lambda fold: (there[fold, tag], sum(there[fold, tag] for tag in others), (fold - first) % FOLDS),
            )
            for other, count in others.items():
                there[fold, other] += count
    return {name: str(fold + 1) for name, fold in dealt.items()}


def hashed(name: str) -> bytes:
    """Return what an order by chance goes by."""
    return hashlib.sha256(name.encode()).digest()

"""The vocabulary: which tags a model names, which group each belongs to, and which labels of data sets mean it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .tables import read_rows, readable, stop_at

# The one that comes with the package: the sounds of the everyday world.
EVERYDAY = Path(__file__).with_name("everyday.csv")
BUILT_IN: Mapping[str, Path] = {"everyday": EVERYDAY}
SEPARATOR = ";"
COLUMNS = ("labels", "near", "unless", "implies", "ambient")
# A teacher's score from which a tag that is not named is unknown: low where it is often there without being named.
HEARD_AMBIENT, HEARD = 0.1, 0.3
# The same of a tag that sounds beside others of its group: a teacher overhears the drums in music.
HEARD_BESIDE = 0.02


@dataclass(frozen=True)
class Entry:
    """A tag and what says that it is there.

    labels : labels of data sets and of teachers that mean this tag
    near : labels that leave open whether it is there
    unless : labels that rule it out where one of `labels` is too wide
    implies : tags that are there whenever this one is: a snare drum is a drum
    ambient : whether it often sounds in recordings that do not name it, as birds do outdoors
    """

    tag: str
    group: str
    labels: frozenset[str]
    near: frozenset[str]
    unless: frozenset[str]
    implies: tuple[str, ...]
    ambient: bool


@dataclass(frozen=True)
class Vocabulary:
    """Tags in the order of their table."""

    name: str
    entries: tuple[Entry, ...]

    @cached_property
    def by_tag(self) -> Mapping[str, Entry]:
        """Each tag's entry."""
        return {entry.tag: entry for entry in self.entries}

    @cached_property
    def known(self) -> frozenset[str]:
        """All labels that say something, tags among them."""
        return frozenset(self.by_tag).union(*(one.labels | one.near | one.unless for one in self.entries))

    def tags_of(self, labels: Collection[str]) -> tuple[str, ...]:
        """Return the tags that a clip with these labels has, the special before the general.

        A label is an entry's, or a tag itself, with underscores for spaces if it likes.
        """
        said = {readable(label) for label in labels} | set(labels)
        found = [
            entry.tag
            for entry in self.entries
            if entry.tag in said or (not entry.labels.isdisjoint(said) and entry.unless.isdisjoint(said))
        ]
        for tag in found:  # grows while it is gone through
            found += [general for general in self.by_tag[tag].implies if general not in found]
        return tuple(sorted(found, key=lambda tag: -self._depth(tag)))

    def may(
        self,
        labels: Collection[str],
        tags: Collection[str],
        heard: Mapping[str, float] | None = None,
        beside: Collection[str] = (),
    ) -> frozenset[str]:
        """Return the tags that may sound in a clip with these labels though they do not say so: unknown, not absent.

        Those whose `near` names one of the labels, and those that imply one of its tags (a siren may be an
        ambulance's). Without a teacher, those that are ambient, too; with one, those that it hears.

        Parameters
        ----------
        heard : the teacher's score of each tag that it has a label for
        beside : groups whose tags often sound beside one another without being named, as instruments do in music
        """
        said, asked = set(labels), heard or {}

        def may_be_heard(entry: Entry) -> bool:
            often = entry.ambient or entry.group in beside
            if entry.tag not in asked:
                return often
            return asked[entry.tag] >= (HEARD_BESIDE if entry.group in beside else HEARD_AMBIENT if often else HEARD)

        return frozenset(
            entry.tag
            for entry in self.entries
            if entry.tag not in tags
            and (not entry.near.isdisjoint(said) or not set(tags).isdisjoint(entry.implies) or may_be_heard(entry))
        )

    def heard(
        self, labels: Sequence[str], scores: NDArray[np.float32], near: bool = True
    ) -> dict[str, NDArray[np.float32]]:
        """Return the scores of each tag that a tagger with these labels has a label for: the highest of its labels.

        Parameters
        ----------
        scores : float32 [shape=(n, L)]
        near : whether labels that are near a tag stand for it where there is none of its own

        Returns
        -------
        heard : float32 [shape=(n,)] a tag
        """
        place = {label: index for index, label in enumerate(labels)}
        found = {}
        for entry in self.entries:
            columns = [place[label] for label in sorted(entry.labels) if label in place]
            if near and not columns:
                columns = [place[label] for label in sorted(entry.near) if label in place]
            if columns:
                found[entry.tag] = scores[:, columns].max(axis=1)
        return found

    def means(self, label: str) -> bool:
        """Whether a label is one that the vocabulary knows."""
        return label in self.known or readable(label) in self.by_tag

    def groups(self) -> dict[str, str]:
        """Return each tag's group."""
        return {entry.tag: entry.group for entry in self.entries}

    def _depth(self, tag: str) -> int:
        """How many tags this one implies, one through another."""
        return max((1 + self._depth(general) for general in self.by_tag[tag].implies), default=0)


def read_vocabulary(name: str) -> Vocabulary:
    """Return the vocabulary of this name, or that of a CSV.

    Its columns are `tag` and `group`, and any of `labels`, `near`, `unless` and `implies` (separated by `;`) and
    `ambient` (yes or nothing); see `Entry`.

    Raises
    ------
    DataError
        If the table is not what it should be; with a line for each problem.
    """
    file = BUILT_IN.get(name, Path(name))
    rows = read_rows(file, "tag", "group")
    stop_at(problems(file, rows))
    entries = [
        Entry(
            row["tag"],
            row["group"],
            frozenset(cells(row.get("labels", ""))),
            frozenset(cells(row.get("near", ""))),
            frozenset(cells(row.get("unless", ""))),
            tuple(cells(row.get("implies", ""))),
            row.get("ambient", "") == "yes",
        )
        for row in rows
    ]
    return Vocabulary(file.stem, tuple(entries))


def cells(text: str) -> list[str]:
    """Return the parts of a cell that holds several."""
    return [part.strip() for part in text.split(SEPARATOR) if part.strip()]


def problems(file: Path, rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Name what is wrong with a vocabulary's table."""
    implied: dict[str, list[str]] = {}
    for row in rows:
        tag = row["tag"]
        if tag in implied:
            yield f"{file}: tag {tag!r} is listed twice"
        implied[tag] = cells(row.get("implies", ""))
        if row.get("ambient", "") not in ("", "yes"):
            yield f"{file}: ambient of {tag!r} must be yes or nothing (got {row['ambient']!r})"
        if odd := [column for column in row if column and column not in ("tag", "group", *COLUMNS)]:
            yield f"{file}: unknown columns {', '.join(odd)}; there are tag, group, {', '.join(COLUMNS)}"
            return
    for tag, general in implied.items():
        unknown = [name for name in general if name not in implied]
        if unknown:
            yield f"{file}: {tag!r} implies {', '.join(unknown)}, which is no tag of it"
    if all(name in implied for general in implied.values() for name in general):
        yield from (f"{file}: {tag!r} implies itself" for tag in implied if tag in followed(tag, implied))


def followed(tag: str, implied: Mapping[str, list[str]]) -> set[str]:
    """Return all tags that one implies, one through another."""
    found: set[str] = set()
    waiting = list(implied[tag])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += implied[name]
    return found

"""Thresholds and mutes that the page sets: in force at once, and kept in a file of their own.

The file is in the form of the configuration's tables `[tags.NAME]`, and wins over them; tags have their shown names.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bowstream.config.file import text_of
from bowstream.config.sample import key, literal
from bowstream.config.settings import TagSettings
from bowstream.config.toml import Document, tables
from bowstream.errors import UsageError
from bowstream.model.tags import Tag

FILE_NAME = "tags.toml"
HEAD = "# Written by the page of 'bowstream listen --web'; wins over the configuration. Delete it to undo all.\n"
NEVER = 2.0

Retune: TypeAlias = "Callable[[int, float, float], None]"


@dataclass(frozen=True)
class Tuned:
    """A tag as it is now: `own` is what the page has set."""

    tag: Tag
    own: TagSettings

    @property
    def on(self) -> float:
        """Score at which its events begin."""
        return self.tag.on if self.own.on is None else self.own.on

    @property
    def off(self) -> float:
        """Score below which they end."""
        return min(self.on, self.tag.off if self.own.off is None else self.own.off)

    @property
    def is_changed(self) -> bool:
        """Whether the page has set anything."""
        return self.own != TagSettings()


class Tuning:
    """The tags of a session, or of several, tuned while they run: what is set of a tag is so for all that have it.

    Parameters
    ----------
    tags : as configured, in the order of the scores
    retune : takes a tag's place, `on` and `off`; called by `apply` only
    file : where it is kept; None to keep it nowhere
    source : name of what the session hears, where there are several

    Raises
    ------
    UsageError
        If the file cannot be read, or something in it is wrong.
    """

    def __init__(self, tags: Sequence[Tag], retune: Retune, file: Path | None, source: str = "") -> None:
        self.file = file
        self._retunes: dict[str, Retune] = {}  # by source, as the next
        self._tags: dict[str, dict[str, tuple[int, Tag]]] = {}  # place and tag, by the tag's name
        self._own = read(file) if file and file.is_file() else {}
        self._lock = threading.Lock()
        self.add(tags, retune, source)

    def add(self, tags: Sequence[Tag], retune: Retune, source: str) -> None:
        """Tune another session's tags, too."""
        self._retunes[source] = retune
        self.retag(tags, source)

    def retag(self, tags: Sequence[Tag], source: str = "") -> None:
        """Go on with other tags, which `apply` tunes; called by the session's thread."""
        self._tags[source] = {tag.name: (place, tag) for place, tag in enumerate(tags)}
        self._by_name = {name: tag for known in reversed(self._tags.values()) for name, (_, tag) in known.items()}
        self._pending = deque(name for name in self._own if name in self._by_name)

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The tags as configured, of all sessions; each as the first that has it."""
        return tuple(self._by_name.values())

    def apply(self) -> None:
        """Put changes in force; called by the session's thread, between two records."""
        while self._pending:
            name = self._pending.popleft()
            own = self._own.get(name, TagSettings())
            for source, known in self._tags.items():
                if name in known:
                    place, tag = known[name]
                    now = Tuned(tag, own)
                    self._retunes[source](place, *((NEVER, NEVER) if own.muted else (now.on, now.off)))

    def __getitem__(self, name: str) -> Tuned:
        return Tuned(self._by_name[name], self._own.get(name, TagSettings()))

    @property
    def changed(self) -> list[str]:
        """Names of the tags that the page has set."""
        return [tag.name for tag in self.tags if self[tag.name].is_changed]

    def set(self, name: str, own: TagSettings) -> Tuned:
        """Tune a tag, and keep that; return it as it was.

        Raises
        ------
        UsageError
            If there is no such tag.
        OSError
            If it cannot be kept; then nothing changes.
        """
        if name not in self._by_name:
            raise UsageError(f"there is no tag {name[:40]!r}")
        with self._lock:
            before = self[name]
            changed = {**self._own, name: own}
            changed = {tag: each for tag, each in changed.items() if each != TagSettings()}
            if self.file:
                write(self.file, changed)
            self._own = changed
            self._pending.append(name)
        return before


def tag_fields(tuning: Tuning) -> list[dict[str, Any]]:
    """Return the tags as they are now; `own` is the threshold that the page has set, `usual` the one without it."""
    found = []
    for tag in tuning.tags:
        now = tuning[tag.name]
        found.append(
            {
                "tag": tag.name,
                "group": tag.group,
                "on": now.on,
                "off": now.off,
                "usual": tag.on,
                "own": now.own.on,
                "muted": now.own.muted,
            }
        )
    return found


def read(file: Path) -> dict[str, TagSettings]:
    """Return what is kept in a file, by tag; raise `UsageError` if it is wrong."""
    document = Document(str(file), text_of(file))
    found = {name: document.table(("tags", name), TagSettings, values) for name, values in tables(document, "tags")}
    document.check()
    return {name: own for name, own in found.items() if own is not None}


def write(file: Path, tags: dict[str, TagSettings]) -> None:
    """Keep tags in a file, whole or not at all."""
    lines = [HEAD]
    for name, own in tags.items():
        lines += [f"\n[tags.{key(name)}]\n"]
        values = {"on": own.on, "off": own.off, "muted": own.muted or None}
        lines += [f"{field} = {literal(value)}\n" for field, value in values.items() if value is not None]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.writelines(lines)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)

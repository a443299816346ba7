"""What the verbs that look back have in common: which history, which time, which tags."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bowstream.cli.parser import Once
from bowstream.config.toml import suggestion

if TYPE_CHECKING:
    from sqlite3 import Connection

    from bowstream.config.file import Config
    from bowstream.history.spans import Span


@dataclass(frozen=True)
class HistoryFile:
    """Which history to read.

    file : the one that is named; None for the one that the configuration names, or the default one
    config : the configuration that is named; None for the default one
    """

    file: Path | None = None
    config: Path | None = None

    @classmethod
    def of(cls, arguments: Namespace) -> HistoryFile:
        """Return what parsed arguments say."""
        file, config = arguments.file, arguments.config
        return cls(Path(file) if file else None, Path(config) if config else None)

    @contextmanager
    def opened(self, writable: bool = False, source: str | None = None) -> Iterator[Connection]:
        """Yield a connection to the history, or to what one source heard; raise `UsageError` if it has none of it."""
        import sqlite3

        from bowstream.errors import BowstreamError
        from bowstream.history.store import open_history

        path = self.path()
        try:
            with open_history(path, writable) as connection:
                if source is not None:
                    only(connection, source)
                yield connection
        except sqlite3.Error as error:
            raise BowstreamError(f"{path}: {error}") from error

    def path(self) -> Path:
        """Return where it is; raise `BowstreamError` if there is none."""
        from bowstream.history.place import found_at

        return found_at(str(self.file) if self.file else self.configured())

    def configured(self) -> str:
        """Return the path in the configuration; empty for the default."""
        return self.configuration().history_path

    def configuration(self) -> Config:
        """Return the configuration."""
        from bowstream.config.file import load

        return load(self.config)


def only(connection: Connection, source: str) -> None:
    """Ask about one source alone from now on; raise `UsageError` if there is none of that name."""
    from bowstream.errors import UsageError
    from bowstream.history.sources import narrow, sources

    if source not in (known := sources(connection)):
        raise UsageError(f"nothing was heard by {source!r}{suggestion(source, known)}")
    narrow(connection, source)


@dataclass(frozen=True)
class Chosen:
    """Which events.

    since, until : as people name times; see `Span.parse`
    tags : all if empty
    source : that heard them; None for all
    groups : of tags, which `with_groups` makes tags of
    """

    since: str
    until: str | None = None
    tags: tuple[str, ...] = ()
    source: str | None = None
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, arguments: Namespace) -> Chosen:
        """Return what parsed arguments ask for."""
        tags, groups = tuple(arguments.tag), tuple(arguments.group)
        return cls(arguments.since, arguments.until, tags, arguments.source, groups)

    def with_groups(self, history: HistoryFile) -> Chosen:
        """Return the same with the tags of the groups, as the configuration calls them.

        Raises
        ------
        UsageError
            If there is no such group.
        """
        if not self.groups:
            return self
        from bowstream.errors import UsageError
        from bowstream.tagger import load_bundle

        settings = history.configuration().settings
        every = load_bundle(settings.bundle).tags
        known = sorted({tag.group for tag in every if tag.group})
        for group in self.groups:
            if group not in known:
                raise UsageError(f"--group must be one of {', '.join(known) or 'none'} (got {group!r})")
        own = ((tag, settings.tags.get(tag.name)) for tag in every if tag.group in self.groups)
        named = (tag.name if config is None else config.alias or tag.name for tag, config in own)
        return replace(self, tags=(*self.tags, *named), groups=())

    def span(self) -> Span:
        """Return the time that is asked for; raise `UsageError` if it is none."""
        from bowstream.history.spans import Span

        return Span.parse(self.since, self.until)

    def check_tags(self, connection: Connection) -> None:
        """Say which of the tags that are named were never heard: they may be misspelt."""
        from bowstream.cli.say import say
        from bowstream.history.queries import tags_heard

        known = tags_heard(connection) if self.tags else []
        for tag in self.tags:
            if tag not in known:
                say(f"{tag!r} was never heard{suggestion(tag, known)}")


def add_history_file(parser: ArgumentParser) -> None:
    """Add what says where the history is."""
    parser.add_argument(
        "--file",
        metavar="FILE",
        action=Once,
        help="history file (default: the configured one, else the newest)",
    )
    parser.add_argument("--config", metavar="FILE", action=Once, help="configuration; see 'bowstream config'")


def add_chosen(parser: ArgumentParser, since: str) -> None:
    """Add what says which events, by default those since a time."""
    forms = "24h, 7d (today and six days before), yesterday, 2026-11-28, 2026-11-28T14:30"
    parser.add_argument(
        "--since", metavar="TIME", action=Once, default=since, help=f"start: {forms} … (default: {since})"
    )
    parser.add_argument("--until", metavar="TIME", action=Once, help="end (default: now)")
    parser.add_argument("--tag", metavar="TAG", action="append", default=[], help="only this tag; can be repeated")
    parser.add_argument(
        "--group",
        metavar="GROUP",
        action="append",
        default=[],
        help="only this group of tags, such as animals; can be repeated",
    )
    add_source(parser)


def add_source(parser: ArgumentParser) -> None:
    """Add what says which of several sources it is about."""
    parser.add_argument("--source", metavar="NAME", action=Once, help="only this one of several sources")

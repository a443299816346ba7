"""The configuration: one TOML file, checked line by line; flags of the command line override it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bowstream.audio.source import Source
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.toml import Document, suggestion
from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle, Tag
from bowstream.session import Session
from bowstream.sinks import SETTINGS
from bowstream.sinks.settings import SinkSettings

FILE_NAME = "bowstream.toml"
SYSTEM_FILE = Path("/etc/bowstream") / FILE_NAME
TABLES = frozenset({"tags", "sinks"})


@dataclass(frozen=True)
class Config:
    """Settings, and the file that they come from, to name its lines; `document` is None without one.

    What is wrong in the file is raised, all of it, by `personalise`.
    """

    settings: Settings
    document: Document | None = None

    def session(self, source: Source, bundle: Bundle) -> Session:
        """Return a session as configured, with a bundle that `personalise` returned."""
        settings = self.settings
        return Session(source, bundle, settings.hop_columns, settings.hold_s, settings.confirm_hops, settings.silence_s)

    def personalise(self, bundle: Bundle) -> Bundle:
        """Return the bundle with the configured thresholds and names, and without the muted tags.

        All that is shown, written or sent follows from the bundle's tags, so this is the only place to change them.

        Raises
        ------
        UsageError
            If a tag that is named does not exist, two tags share a name, or none is left; or the file is wrong.
        """
        names = [tag.name for tag in bundle.tags]
        for name in self.settings.tags:
            if name not in names:
                self._complain(("tags", name), f"bundle {bundle.name!r} has no tag {name!r}{suggestion(name, names)}")
        kept = [i for i, name in enumerate(names) if not self.settings.tags.get(name, TagSettings()).muted]
        if not kept:
            self._complain(("tags",), "every tag is muted: nothing is left to listen for")
        tags = tuple(self._personal(bundle.tags[index]) for index in kept)
        self._check_off([(tag.on, names[index]) for index, tag in zip(kept, tags)])
        shown = [tag.name for tag in tags]
        for index, name in zip(kept, shown):
            if shown.count(name) > 1 and name != names[index]:
                self._complain(("tags", names[index], "alias"), f"alias {name!r} is the name of another tag, too")
        self._check_sinks(shown)
        self.check()
        return replace(bundle, tags=tags, outputs=tuple(kept))

    def _personal(self, tag: Tag) -> Tag:
        """Return a tag as configured. A lowered `on` takes the bundle's `off` with it; a stated one must fit."""
        own = self.settings.tags.get(tag.name, TagSettings())
        on = next(value for value in (own.on, self.settings.on, tag.on) if value is not None)
        off = next((value for value in (own.off, self.settings.off) if value is not None), None)
        if own.off is not None and own.off > on:
            self._complain(
                ("tags", tag.name, "off"), f"off wants at most on, which is {on:g} for {tag.name}, found {own.off:g}"
            )
        return Tag(own.alias or tag.name, on, min(on, tag.off if off is None else off))

    def _check_off(self, begins: list[tuple[float, str]]) -> None:
        """Complain of an `off` for all tags that is above the `on` of one that states no `off` of its own."""
        own, off = self.settings.tags, self.settings.off
        bound = [(on, name) for on, name in begins if name not in own or own[name].off is None]
        on, name = min(bound, default=(1.0, ""))
        if off is not None and off > on:
            remedy = "lower it, raise that tag's on, or give it an off of its own"
            self._complain(("off",), f"off wants at most {on:g}, at which {name!r} begins, found {off:g}: {remedy}")

    def _check_sinks(self, shown: list[str]) -> None:
        """Complain of tags that a sink's settings name and that are not shown."""
        for sink, settings in self.settings.sinks.items():
            for knob_field in fields(settings):
                if not knob_field.metadata["knob"].of_tags:
                    continue
                for name in getattr(settings, knob_field.name):
                    if name not in shown:
                        message = f"{knob_field.name} names {name!r}, which is no tag, or muted or renamed"
                        self._complain(("sinks", sink, knob_field.name), message + suggestion(name, shown))

    def _complain(self, path: tuple[str, ...], message: str) -> None:
        if not self.document:
            raise UsageError(message)
        self.document.complain(path, message)

    def check(self) -> None:
        """Raise `UsageError` if something in the file is wrong, as far as is known without the bundle."""
        if self.document:
            self.document.check()


def read(file: Path) -> Config:
    """Read a configuration file.

    Raises
    ------
    UsageError
        If it cannot be read or is no TOML. What else is wrong in it waits for `Config.personalise`.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{file}: the configuration cannot be read: {reason}") from error
    document = Document(str(file), text)
    settings = document.table((), Settings, document.values, TABLES) or Settings()
    tags: dict[str, TagSettings] = {}
    for name, table in tables(document, "tags"):
        if tag := document.table(("tags", name), TagSettings, table):
            tags[name] = tag
    sinks: dict[str, SinkSettings] = {}
    for name, table in tables(document, "sinks"):
        if name not in SETTINGS:
            document.complain(("sinks", name), f"there is no sink {name!r}{suggestion(name, SETTINGS)}")
        elif sink := document.table(("sinks", name), SETTINGS[name], table):
            sinks[name] = sink
    return Config(replace(settings, tags=tags, sinks=sinks), document)


def tables(document: Document, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the tables `[name.KEY]` with their keys."""
    values = document.values.get(name, {})
    if isinstance(values, dict):
        yield from values.items()
    else:
        document.complain((name,), f"{name} wants tables [{name}.NAME]")


def default_files() -> Iterator[Path]:
    """Yield where a configuration is looked for: the user's own first, then the system's."""
    yield Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "bowstream" / FILE_NAME
    yield SYSTEM_FILE


def load(arguments: Namespace) -> Config:
    """Return what applies: the file that `--config` names or a default one, overridden by the flags.

    It says on standard error which file was used.
    """
    named = getattr(arguments, "config", None)
    file = Path(named) if named else next((file for file in default_files() if file.is_file()), None)
    config = read(file) if file else Config(Settings())
    if file:
        print(f"bowstream: configured by {file}", file=sys.stderr)
    given = {one.name: getattr(arguments, one.name, None) for one in fields(Settings)}
    return replace(
        config, settings=replace(config.settings, **{name: value for name, value in given.items() if value is not None})
    )

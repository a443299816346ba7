"""The configuration: one TOML file, checked line by line; flags of the command line override it."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import SETTINGS, SinkSettings
from bowstream.config.toml import Document, suggestion
from bowstream.errors import UsageError

FILE_NAME = "bowstream.toml"
SYSTEM_FILE = Path("/etc/bowstream") / FILE_NAME
TABLES = frozenset({"tags", "sinks"})


@dataclass(frozen=True)
class Config:
    """Settings, and the file that they come from, to name its lines; `document` is None without one.

    What is wrong in the file is raised, all of it, by `check`.
    """

    settings: Settings
    document: Document | None = None

    def complain(self, path: tuple[str, ...], message: str) -> None:
        """Note what is wrong with the value at this path of the file; without a file, raise it at once."""
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
        If it cannot be read or is no TOML. What else is wrong in it waits for `Config.check`.
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

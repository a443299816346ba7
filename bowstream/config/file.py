"""The configuration: one TOML file, checked line by line; flags of the command line override it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bowstream.config.fields import flag, meaning, settings_of
from bowstream.config.paths import expanded
from bowstream.config.report import ReportSettings
from bowstream.config.settings import Settings, SourceSettings
from bowstream.config.sinks import SETTINGS, HistorySettings, SinkSettings
from bowstream.config.sources import read_sources, read_tags
from bowstream.config.toml import Document, quoted, suggestion, tables
from bowstream.config.web import WebSettings
from bowstream.errors import UsageError

FILE_NAME = "bowstream.toml"
SYSTEM_FILE = Path("/etc/bowstream") / FILE_NAME
TABLES = frozenset({"tags", "sources", "sinks", "report", "web"})
# What names one microphone, where `[sources]` name several.
ONE_DEVICE = ("device", "sample_rate", "raw", "reconnect")
# A complete sample has 6 kB.
LARGEST_BYTES = 1_000_000


@dataclass(frozen=True)
class Config:
    """Settings, and the file that they come from, to name its lines; `document` is None without one.

    What is wrong in the file is raised, all of it, by `check`.
    """

    settings: Settings
    document: Document | None = None

    @property
    def file(self) -> Path | None:
        """The file that the settings come from."""
        return Path(self.document.name) if self.document else None

    @property
    def history_path(self) -> str:
        """The path of the history that is configured; empty for the default."""
        history = self.settings.sinks.get("history")
        return history.path if isinstance(history, HistorySettings) else ""

    def complain(self, path: tuple[str, ...], message: str) -> None:
        """Note what is wrong with the value at this path of the file; without a file, raise it at once."""
        if not self.document:
            raise UsageError(message)
        self.document.complain(path, message)

    def check(self) -> None:
        """Raise `UsageError` if something in the file is wrong, as far as is known without the bundle."""
        if self.document:
            self.document.check()

    def exposed(self) -> tuple[str, str] | None:
        """Return which secret in the file every user of this machine can read, and what to do; None if there is none.

        A file of root's stays readable for the service, which is in the group audio.
        """
        if not self.file or not (status := self.file.stat()).st_mode & stat.S_IROTH:
            return None
        tables: dict[tuple[str, ...], Any] = {("sources", name): table for name, table in self.settings.sources.items()}
        tables |= {("sinks", name): table for name, table in self.settings.sinks.items()}
        tables |= {("report",): self.settings.report, ("web",): self.settings.web}
        for path, table in {(): self.settings, **tables}.items():
            for name in self._stated(path) & settings_of(table).keys() if table else ():
                if meaning(settings_of(table)[name]).is_secret(getattr(table, name)):
                    title = f"[{'.'.join(path)}] " if path else ""
                    to_audio = f"chgrp audio {self.file} && chmod 640 {self.file}"
                    what = f"every user can read {title}{name} in {self.file}"
                    return what, f"chmod 600 {self.file}" if status.st_uid else to_audio
        return None

    def _stated(self, path: tuple[str, ...]) -> AbstractSet[str]:
        """Return the names that a table of the file has; the command line may have given others."""
        table: Any = self.document.values if self.document else {}
        for step in path:
            table = table.get(step, {})
        return set(table)


def load(named: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Return what applies: the file that is named or a default one, overridden by settings of the command line.

    Raises
    ------
    UsageError
        If the file cannot be read or is not TOML, or an override contradicts it. What else is wrong in it waits
        for `Config.check`.
    """
    file = named or next((file for file in default_files() if file.is_file()), None)
    config = read(file) if file else Config(Settings())
    return replace(config, settings=overridden(config.settings, overrides or {}))


def overridden(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Return settings with what the command line says instead, of each source, too."""
    named = [flag(name) for name in ONE_DEVICE if name in overrides]
    if named and settings.sources:
        raise UsageError(
            f"{named[0]} is about one microphone, and the configuration has sources: leave it out, or set it in "
            f"[sources.{next(iter(settings.sources))}]"
        )
    known = settings_of(SourceSettings)
    common = {name: value for name, value in overrides.items() if name in known}
    sources = {name: replace(source, **common) for name, source in settings.sources.items()}
    return replace(settings, **overrides, sources=sources)


def default_files() -> Iterator[Path]:
    """Yield where a configuration is looked for: the user's first, where there is a home, then the system's."""
    try:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or expanded("~/.config"))
    except UsageError:  # no home: a container's user, say
        pass
    else:
        yield folder / "bowstream" / FILE_NAME
    yield SYSTEM_FILE


def read(file: Path) -> Config:
    """Read a configuration file.

    Raises
    ------
    UsageError
        If it cannot be read or is not TOML. What else is wrong in it waits for `Config.check`.
    """
    document = Document(str(file), text_of(file))
    settings = document.table((), Settings, document.values, TABLES) or Settings()
    settings = replace(settings, tags=read_tags(document, ("tags",)))
    sources = read_sources(document, settings)
    sinks: dict[str, SinkSettings] = {}
    for name, table in tables(document, "sinks"):
        if name not in SETTINGS:
            document.complain(("sinks", name), f"there is no sink {quoted(name)}{suggestion(name, SETTINGS)}")
        elif sink := document.table(("sinks", name), SETTINGS[name], table):
            sinks[name] = sink
    report = None
    if "report" in document.values:
        report = document.table(("report",), ReportSettings, document.values["report"])
    web = document.table(("web",), WebSettings, document.values["web"]) if "web" in document.values else None
    return Config(replace(settings, sources=sources, sinks=sinks, report=report, web=web), document)


def text_of(file: Path) -> str:
    """Return a configuration file's text; raise `UsageError` if it cannot be read or is too large to be one."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise UsageError(f"{file}: a configuration must be at most {LARGEST_BYTES / 1e6:g} MB")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:  # a name with NUL in it is a ValueError, too
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{file}: the configuration cannot be read: {reason}") from error

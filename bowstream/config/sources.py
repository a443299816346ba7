"""The tables `[sources.NAME]`: what is heard at the same time, each with settings and tags that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bowstream._text import UNPRINTABLE
from bowstream.config.fields import SettingError, settings_of
from bowstream.config.lines import Steps
from bowstream.config.settings import Settings, SourceSettings, TagSettings
from bowstream.config.toml import Document, quoted, tables

LONGEST_NAME = 40
NO_TAGS: Mapping[str, TagSettings] = {}


def read_sources(document: Document, settings: Settings) -> dict[str, SourceSettings]:
    """Return what the tables `[sources.NAME]` say; what one does not say is as outside of it."""
    common = {name: getattr(settings, name) for name in settings_of(SourceSettings)}
    found: dict[str, SourceSettings] = {}
    for name, values in tables(document, "sources"):
        path = ("sources", name)
        if not name.strip() or len(name) > LONGEST_NAME or UNPRINTABLE.search(name) or "/" in name:
            complaint = (
                f"a source's name must be 1 … {LONGEST_NAME} printable characters without / (got {quoted(name)})"
            )
            document.complain(path, complaint)
        elif stated := document.table(path, SourceSettings, values, frozenset({"tags"})):
            own = {key: getattr(stated, key) for key in values if key in common}
            tags = read_tags(document, (*path, "tags"), settings.tags)
            try:
                found[name] = SourceSettings(**{**common, **own}, tags=tags)
            except SettingError as error:  # it does not go with what is said outside
                document.complain((*path, error.field), str(error))
    return found


def read_tags(document: Document, path: Steps, common: Mapping[str, TagSettings] = NO_TAGS) -> dict[str, TagSettings]:
    """Return what the tables of tags below this path say; what one does not say of a tag is as in `common`."""
    found = dict(common)
    for name, values in tables(document, *path):
        if stated := document.table((*path, name), TagSettings, values):
            own = {key: getattr(stated, key) for key in values if key in settings_of(TagSettings)}
            try:
                found[name] = replace(found.get(name, TagSettings()), **own)
            except SettingError as error:
                document.complain((*path, name, error.field), str(error))
    return found

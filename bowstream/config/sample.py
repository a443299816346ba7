"""A configuration as a commented TOML file.

It says the same when it is read, except for what may hold a secret, which is masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from bowstream._text import MASK, UNPRINTABLE
from bowstream.config.fields import meaning, settings_of
from bowstream.config.report import ReportSettings
from bowstream.config.settings import Settings, SourceSettings, TagSettings
from bowstream.config.sinks import SETTINGS
from bowstream.config.web import WebSettings

HEAD = """\
# bowstream's configuration, for 'listen' and 'replay': given by --config, else ~/.config/bowstream/bowstream.toml,
# else /etc/bowstream/bowstream.toml. Flags override it. A line that begins with # sets nothing.
"""
TAGS_HEAD = """\
# One table per tag, by the name that it has in the bundle ('bowstream check' lists them)."""
SOURCES_HEAD = """\
# One table per source, if there are several: each is heard at the same time, as above where its table says nothing.
# In [sources.NAME.tags.TAG] a tag may be as in [tags.TAG], for that source only."""
SINKS_HEAD = """\
# One table per sink: where 'listen' delivers what it detects, beside the screen. A sink that has a table is on.
# Tags are named as in all output: by their alias if they have one."""
REPORT_HEAD = """\
# Who gets the report of a day or week; 'bowstream report --send' tries it."""
WEB_HEAD = """\
# The page for a browser; needs the extra "web". 'listen' serves it if this table is there, or with --web."""
MASKED = f"# It may hold a secret and is not shown in full: replace {MASK} before you use this as a configuration."
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
SAMPLE_TAG, SAMPLE_SOURCE = "clock alarm", "kitchen"


def as_toml(settings: Settings) -> str:
    """Return settings as TOML, each with what it does; what is not set is there as a comment."""
    lines = [HEAD, *table(settings), "", TAGS_HEAD]
    lines += tag_tables("tags", settings.tags)
    if not settings.tags:
        lines += ["", *commented([f"[tags.{key(SAMPLE_TAG)}]", *table(TagSettings)])]
    lines += ["", SOURCES_HEAD]
    for name, source in settings.sources.items():
        lines += ["", f"[sources.{key(name)}]", *table(source), *tag_tables(f"sources.{key(name)}.tags", source.tags)]
    if not settings.sources:
        lines += ["", *commented([f"[sources.{SAMPLE_SOURCE}]", *sample_source()])]
    lines += ["", SINKS_HEAD]
    for name, kind in SETTINGS.items():
        sink = settings.sinks.get(name)
        title = f"[sinks.{name}]"
        lines += ["", *([title, *table(sink)] if sink else commented([title, *table(kind)]))]
    lines += ["", REPORT_HEAD, ""]
    lines += (
        ["[report]", *table(settings.report)] if settings.report else commented(["[report]", *table(ReportSettings)])
    )
    lines += ["", WEB_HEAD, ""]
    lines += ["[web]", *table(settings.web)] if settings.web else commented(["[web]", *table(WebSettings)])
    return "\n".join(lines) + "\n"


def tag_tables(path: str, tags: Mapping[str, TagSettings]) -> Iterator[str]:
    """Yield the lines of tags' tables, below a path."""
    for name, tag in tags.items():
        yield from ("", f"[{path}.{key(name)}]", *table(tag))


def sample_source() -> Iterator[str]:
    """Yield a source's settings in short: all of them have been explained above."""
    yield f"# {', '.join(settings_of(SourceSettings))}: as above"
    yield f"device = {literal(meaning(settings_of(SourceSettings)['device']).example)}"


def table(settings: Any) -> Iterator[str]:
    """Yield a table's lines, from a settings dataclass, or from its type for the defaults."""
    for name, field in settings_of(settings).items():
        traits = meaning(field)
        yield f"# {traits.help}{f' ({traits.span})' if traits.span else ''}"
        value = field.default if isinstance(settings, type) else getattr(settings, name)
        unset = value is None or value is MISSING
        shown = traits.example if unset else traits.shown(value)
        if not unset and shown != value:
            yield MASKED
        yield f"{'# ' if unset else ''}{name} = {literal(shown)}"


def commented(lines: list[str]) -> Iterator[str]:
    """Yield lines as comments, explanations with one more space before them."""
    for line in lines:
        yield f"#  {line[1:]}" if line.startswith("# ") and " = " not in line else f"# {line.removeprefix('# ')}"


def key(name: str) -> str:
    """Return a name as a TOML key."""
    return name if BARE_KEY.fullmatch(name) else literal(name)


def literal(value: Any) -> str:
    """Return a value as TOML writes it.

    A string of JSON is one of TOML once the control characters are escaped that JSON lets be.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(literal, value))}]"
    text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

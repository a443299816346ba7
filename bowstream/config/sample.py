"""A configuration as a commented TOML file.

It says the same when it is read, except for secrets, which are masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from bowstream.config.fields import Knob, number
from bowstream.config.file import TABLES
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import SETTINGS

HEAD = """\
# bowstream's configuration, for 'listen' and 'replay': given by --config, else ~/.config/bowstream/bowstream.toml,
# else /etc/bowstream/bowstream.toml. Flags override it. A line that begins with # sets nothing.
"""
TAGS_HEAD = """\
# A table a tag, by the name that it has in the bundle ('bowstream check' lists them)."""
SINKS_HEAD = """\
# A table a sink: where 'listen' delivers what it hears, beside the screen. A sink that has a table is on.
# Tags are named as they are shown, by their alias if they have one."""
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
SAMPLE_TAG = "clock alarm"
MASK = "…"


def as_toml(settings: Settings) -> str:
    """Return settings as TOML, each with what it does; what is not set is there as a comment."""
    lines = [HEAD, *table(settings, skip=TABLES), "", TAGS_HEAD]
    for name, tag in settings.tags.items():
        lines += ["", f"[tags.{key(name)}]", *table(tag)]
    if not settings.tags:
        lines += ["", *commented([f"[tags.{key(SAMPLE_TAG)}]", *table(TagSettings)])]
    lines += ["", SINKS_HEAD]
    for name, kind in SETTINGS.items():
        sink = settings.sinks.get(name)
        title = f"[sinks.{name}]"
        lines += ["", *([title, *table(sink)] if sink else commented([title, *table(kind)]))]
    return "\n".join(lines) + "\n"


def table(settings: Any, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield a table's lines, from a dataclass of knobs, or from its type for the defaults."""
    for field in fields(settings):
        if field.name in skip:
            continue
        meaning: Knob = field.metadata["knob"]
        span = "" if meaning.low is None else f" ({number(meaning.low)} … {number(meaning.high)})"
        yield f"# {meaning.help}{span}"
        value = default(field) if isinstance(settings, type) else getattr(settings, field.name)
        unset = value is None or value is MISSING
        if meaning.secret and value:
            yield f'# It is set, but not shown: write it over the "{MASK}" before you use this as a configuration.'
            value = MASK
        yield f"{'# ' if unset else ''}{field.name} = {literal(meaning.example if unset else value)}"


def default(field: Field[Any]) -> Any:
    """Return a field's default; `MISSING` if its table has to give it."""
    return field.default_factory() if field.default_factory is not MISSING else field.default


def commented(lines: list[str]) -> Iterator[str]:
    """Yield lines as comments, explanations with one more space before them."""
    for line in lines:
        yield f"#  {line[1:]}" if line.startswith("# ") and " = " not in line else f"# {line.removeprefix('# ')}"


def key(name: str) -> str:
    """Return a name as a TOML key."""
    return name if BARE_KEY.fullmatch(name) else literal(name)


def literal(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)

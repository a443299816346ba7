"""From TOML to frozen dataclasses, with errors that name file and line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from bowstream._text import redacted
from bowstream.config.fields import KINDS, SettingError, meaning, number, settings_of, types_of
from bowstream.config.lines import Steps, lines_of, parse
from bowstream.config.paths import expanded
from bowstream.errors import UsageError

Table = TypeVar("Table")
TYPES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


class Document:
    """A parsed TOML file that knows in which line something is, and gathers complaints.

    Parameters
    ----------
    name : of the file, for messages
    text : its content

    Raises
    ------
    UsageError
        If it is not TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        self._problems: list[tuple[int, str]] = []
        try:
            self.values: dict[str, Any] = parse(text)
        except (ValueError, RecursionError) as error:  # a number or a nesting that Python itself will not read, too
            reason, _, where = str(error).partition(" (at ")
            line = (
                where.removeprefix("line ").split(",")[0]
                if where.startswith("line ")
                else str(text.rstrip("\n").count("\n") + 1)
            )
            raise UsageError(f"{name}:{line}: this is not TOML: {reason[:1].lower()}{reason[1:]}") from error

    @cached_property
    def _lines(self) -> Mapping[Steps, int]:
        return lines_of(self._text)

    def line(self, path: Iterable[str]) -> int:
        """Return the line, from 1, in which the value or table at this path begins, or else what it would be in."""
        steps = tuple(path)
        while steps and steps not in self._lines:
            steps = steps[:-1]
        return self._lines.get(steps, 1)

    def complain(self, path: Iterable[str], message: str) -> None:
        """Note what is wrong with the value at this path; `check` tells."""
        self._problems.append((self.line(path), message))

    def check(self) -> None:
        """Raise a `UsageError` that has a line for each complaint since the last call, if there are any."""
        problems, self._problems = self._problems, []
        if problems:
            raise UsageError(*(f"{self.name}:{line}: {message}" for line, message in sorted(problems)))

    def table(self, path: Steps, kind: type[Table], values: Any, skip: frozenset[str] = frozenset()) -> Table | None:
        """Return the table at this path as a dataclass of settings; `skip` are read elsewhere.

        It complains of keys that are unknown or missing, and of values of another type or out of range. What it
        complained of has its default; None is returned where that has none.
        """
        title = f"[{'.'.join(path)}] " if path else ""
        if not isinstance(values, Mapping):
            self.complain(path, f"{title}must be a table (got {found(values)})")
            return None
        known, types = settings_of(kind), types_of(kind)
        needed = {key for key, one in known.items() if one.default is MISSING}
        given: dict[str, Any] = {}
        for key in values.keys() - skip:
            if key not in known:
                what = f"{title}has no setting" if path else "there is no setting"
                self.complain((*path, key), f"{what} {quoted(key)}{suggestion(key, known)}")
            elif self._fits((*path, key), types[key], values[key], meaning(known[key]).hides):
                given[key] = self._value(types[key], values[key])
        for key in needed - values.keys():
            self.complain(path, f"{title}must have {key}: {meaning(known[key]).help}")
        return self._made(path, kind, given, needed)

    def _made(self, path: Steps, kind: type[Table], given: dict[str, Any], needed: set[str]) -> Table | None:
        """Return the dataclass, without the values that it refuses; None if one of them is needed."""
        while needed <= given.keys():
            try:
                return kind(**given)
            except SettingError as error:
                self.complain((*path, error.field), str(error))
                if given.pop(error.field, None) is None:
                    break
        return None

    def _fits(self, path: Steps, kind: Any, value: Any, hides: bool) -> bool:
        """Whether a value is of a setting's type; complains if it is not."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        fits: bool = {
            bool: isinstance(value, bool),
            float: (isinstance(value, float) or is_whole) and abs(value) <= sys.float_info.max,
            int: is_whole,
            str: isinstance(value, str),
            Path: isinstance(value, str),
            tuple: isinstance(value, list) and all(isinstance(item, str) for item in value),
            tuple[int, ...]: isinstance(value, list) and all(type(item) is int for item in value),
        }[kind]
        if not fits:
            got = type_name(value) if hides else found(value)
            self.complain(path, f"{path[-1]} must be {KINDS[kind]} (got {got})")
        return fits

    def _value(self, kind: Any, value: Any) -> Any:
        """Return a value as the setting's type; a path as seen from the file's folder."""
        return Path(self.name).parent / expanded(value) if kind is Path else kind(value)


def tables(document: Document, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield the tables `[path.NAME]` with their names."""
    values: Any = document.values
    for step in path:
        values = values.get(step, {}) if isinstance(values, dict) else {}
    if isinstance(values, dict):
        yield from values.items()
    else:
        document.complain(path, f"{path[-1]} must be tables [{'.'.join(path)}.NAME]")


def type_name(value: Any) -> str:
    """Return what a value is, in TOML's words."""
    return TYPES.get(type(value), "a date or time")


def found(value: Any) -> str:
    """Return a value as an error message shows it: in TOML's words, and not too long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return number(value)
    return quoted(value) if isinstance(value, str) else type_name(value)


def quoted(text: str) -> str:
    """Return a text in quotes, cut off where it is long, without what is secret in an address."""
    text = redacted(text)
    return repr(text if len(text) < 40 else text[:37] + "…")


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return `; did you mean …` if a known word is close, else all known words if they are few."""
    import difflib  # takes longer to import than all else here

    words = list(known)
    close = difflib.get_close_matches(wrong.casefold()[:80], [word.casefold() for word in words], 1)
    if close:
        return f"; did you mean {next(word for word in words if word.casefold() == close[0])!r}?"
    return f"; there {'is' if len(words) == 1 else 'are'} {', '.join(words)}" if len(words) <= 12 else ""

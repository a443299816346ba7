"""From TOML to frozen dataclasses, with errors that name file and line."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

from .errors import UsageError
from .knobs import KINDS, number, wanted_kind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = TypeVar("Table")
FOUND = {bool: "true or false", list: "a list", dict: "a table", str: "a string"}


class Document:
    """A parsed TOML file that remembers its text, to say in which line something is.

    Parameters
    ----------
    name : of the file, for messages
    text : its content

    Raises
    ------
    UsageError
        If it is no TOML.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines(keepends=True)
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            reason, _, where = str(error).partition(" (at ")
            line = where.removeprefix("line ").split(",")[0] if where.startswith("line ") else str(len(self._lines))
            raise UsageError(f"{name}:{line}: this is no TOML: {reason[:1].lower()}{reason[1:]}") from error

    def line(self, path: Iterable[str]) -> int:
        """Return the line, from 1, in which the value or table at this path begins; 1 if there is none.

        It is the first line that makes the path appear when the file is read line by line, however it is written.
        """
        steps, begin = tuple(path), 0
        for end in range(1, len(self._lines) + 1):
            try:
                values: Any = tomllib.loads("".join(self._lines[:end]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a value of several lines
            for step in steps:
                values = values.get(step) if isinstance(values, dict) else None
            if values is not None:
                return begin + 1
            begin = end
        return 1

    def refuse(self, path: Iterable[str], message: str) -> NoReturn:
        """Raise a `UsageError` about the value at this path."""
        raise UsageError(f"{self.name}:{self.line(path)}: {message}")

    def table(self, path: tuple[str, ...], kind: type[Table], values: Any, skip: frozenset[str] = frozenset()) -> Table:
        """Return the table at this path as a dataclass whose fields are knobs; `skip` are read elsewhere.

        Raises
        ------
        UsageError
            If a key is unknown or missing, or a value is of another type or out of range.
        """
        title = f"[{'.'.join(path)}] " if path else ""
        what = f"{title}has no setting" if path else "there is no setting"
        if not isinstance(values, Mapping):
            self.refuse(path, f"{title}wants a table, found {found(values)}")
        known: dict[str, Field[Any]] = {field.name: field for field in fields(kind) if field.name not in skip}  # type: ignore[arg-type]
        hints = get_type_hints(kind)
        given = {}
        for key, value in values.items():
            if key in skip:
                continue
            if key not in known:
                self.refuse((*path, key), f"{what} {key!r}{suggestion(key, known)}")
            given[key] = self._value((*path, key), hints[key], value)
        for key, field in known.items():
            if key not in given and field.default is MISSING and field.default_factory is MISSING:
                self.refuse(path, f"{title}wants {key}: {field.metadata['knob'].help}")
        return self.built(path, lambda: kind(**given))

    def built(self, path: tuple[str, ...], build: Callable[[], Table]) -> Table:
        """Return what `build` returns; its `UsageError` is about the key that it begins with, else about the table."""
        try:
            return build()
        except UsageError as error:
            key = str(error).split()[0].rstrip(":")
            self.refuse((*path, key) if self._has(path, key) else path, str(error))

    def _has(self, path: tuple[str, ...], key: str) -> bool:
        values: Any = self.values
        for step in path:
            values = values.get(step, {})
        return key in values

    def _value(self, path: tuple[str, ...], hint: Any, value: Any) -> Any:
        """Return a value as the field's type, if it is of that type."""
        kind = wanted_kind(hint)
        fits: bool = {
            float: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
            int: isinstance(value, int) and not isinstance(value, bool),
            Path: isinstance(value, str),
            tuple: isinstance(value, list) and all(isinstance(item, str) for item in value),
        }.get(kind, isinstance(value, kind))
        if not fits:
            self.refuse(path, f"{path[-1]} wants {KINDS[kind]}, found {found(value)}")
        if kind is Path:
            return Path(self.name).parent / Path(value).expanduser()
        return kind(value)


def found(value: Any) -> str:
    """Return a value as an error message shows it: in TOML's words, and not too long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return repr(value if len(value) < 40 else value[:37] + "…")
    return FOUND.get(type(value), type(value).__name__)


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return `; did you mean …` if a known word is close, else all known words if they are few."""
    words = list(known)
    close = difflib.get_close_matches(wrong.casefold(), [word.casefold() for word in words], 1)
    if close:
        return f"; did you mean {next(word for word in words if word.casefold() == close[0])!r}?"
    return f"; there {'is' if len(words) == 1 else 'are'} {', '.join(words)}" if len(words) <= 12 else ""

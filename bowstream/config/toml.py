"""From TOML to frozen dataclasses, with errors that name file and line."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from bowstream.config.fields import KINDS, number, wanted_kind
from bowstream.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = TypeVar("Table")
FOUND = {bool: "true or false", list: "a list", dict: "a table", str: "a string"}


class Document:
    """A parsed TOML file that remembers its text, to say in which line something is, and gathers complaints.

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
        self._problems: list[tuple[int, str]] = []
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # a number or a nesting that Python itself will not read, too
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

    def complain(self, path: Iterable[str], message: str) -> None:
        """Note what is wrong with the value at this path; `check` tells."""
        self._problems.append((self.line(path), message))

    def check(self) -> None:
        """Raise a `UsageError` that has a line for each complaint, if there are any."""
        if self._problems:
            raise UsageError("\n".join(f"{self.name}:{line}: {message}" for line, message in sorted(self._problems)))

    def table(
        self, path: tuple[str, ...], kind: type[Table], values: Any, skip: frozenset[str] = frozenset()
    ) -> Table | None:
        """Return the table at this path as a dataclass whose fields are knobs; `skip` are read elsewhere.

        It complains of keys that are unknown or missing, and of values of another type or out of range. What it
        complained of has its default; None is returned where that has none.
        """
        title = f"[{'.'.join(path)}] " if path else ""
        what = f"{title}has no setting" if path else "there is no setting"
        if not isinstance(values, Mapping):
            self.complain(path, f"{title}wants a table, found {found(values)}")
            return None
        known: dict[str, Field[Any]] = {field.name: field for field in fields(kind) if field.name not in skip}  # type: ignore[arg-type]
        needed = {key for key, field in known.items() if field.default is field.default_factory is MISSING}
        hints = get_type_hints(kind)
        given: dict[str, Any] = {}
        for key in values.keys() - skip:
            if key not in known:
                self.complain((*path, key), f"{what} {key!r}{suggestion(key, known)}")
            elif self._fits((*path, key), hints[key], values[key]):
                given[key] = self._value(hints[key], values[key])
        for key in needed - values.keys():
            self.complain(path, f"{title}wants {key}: {known[key].metadata['knob'].help}")
        while needed <= given.keys():
            try:
                return kind(**given)
            except UsageError as error:  # about the key that it begins with, else about the table
                key = str(error).split()[0].rstrip(":")
                self.complain((*path, key) if key in given else path, str(error))
                if given.pop(key, None) is None:
                    break
        return None

    def _fits(self, path: tuple[str, ...], hint: Any, value: Any) -> bool:
        """Whether a value is of the field's type; complains if it is not."""
        kind = wanted_kind(hint)
        fits: bool = {
            float: isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max,
            int: isinstance(value, int) and not isinstance(value, bool),
            Path: isinstance(value, str),
            tuple: isinstance(value, list) and all(isinstance(item, str) for item in value),
        }.get(kind, isinstance(value, kind))
        if not fits:
            self.complain(path, f"{path[-1]} wants {KINDS[kind]}, found {found(value)}")
        return fits

    def _value(self, hint: Any, value: Any) -> Any:
        """Return a value as the field's type; a path as seen from the file's folder."""
        kind = wanted_kind(hint)
        return Path(self.name).parent / Path(value).expanduser() if kind is Path else kind(value)


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

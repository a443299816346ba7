"""Settings: the fields of frozen dataclasses, each with what it does, its range and an example.

The configuration file's tables, the flags of both command lines (bowstream's and training's), all checks and the
printed sample follow from these fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

from bowstream._text import MASK, UNPRINTABLE
from bowstream.errors import UsageError

# What a value of each type is called.
KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    tuple: "a list of strings",
    tuple[int, ...]: "a list of whole numbers",
    Path: "a path, as a string",
}


@dataclass(frozen=True)
class Setting:
    """What a field of a settings dataclass means.

    help : what it does, with its unit, in a line or two
    low, high : range of a number, ends included; None for no bound
    choices : the values that it can have; empty for any
    example : a value for the printed sample, where the default is none
    metavar : what the help of its flag calls its value
    of_tags : whether its strings are names of tags, as they are shown
    lines : whether its strings may have line breaks and other control characters (but NUL)
    secret : whether nothing of it may be printed
    mask : makes of a value that may hold a secret what may be printed of it
    login : whether what the mask takes out is a secret for sure
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    example: Any = None
    metavar: str | None = None
    of_tags: bool = False
    lines: bool = False
    secret: bool = False
    mask: Callable[[Any], Any] | None = None
    login: bool = False

    @property
    def hides(self) -> bool:
        """Whether not all of a value may be printed."""
        return self.secret or self.mask is not None

    def shown(self, value: Any) -> Any:
        """Return what may be printed of a value."""
        if self.mask:
            return self.mask(value)
        return MASK if self.secret and value else value

    def is_secret(self, value: Any) -> bool:
        """Whether there is a secret in a value."""
        return bool(self.secret and value) or (self.login and value is not None and self.shown(value) != value)

    @property
    def span(self) -> str:
        """The range of a number in words; empty if it has none."""
        if self.low is None:
            return "" if self.high is None else f"at most {number(self.high)}"
        return f"at least {number(self.low)}" if self.high is None else f"{number(self.low)} … {number(self.high)}"

    def check(self, name: str, value: Any) -> None:
        """Raise `SettingError` for this name if a value is none of the choices, out of range or unprintable."""
        if value is None:
            return
        for text in value if isinstance(value, tuple) else [value]:
            if isinstance(text, (str, Path)) and ("\0" in str(text) if self.lines else UNPRINTABLE.search(str(text))):
                raise SettingError(name, f"must be without {'NUL' if self.lines else 'control'} characters")
        if self.choices and value not in self.choices:
            raise SettingError(name, f"must be one of {', '.join(map(str, self.choices))} (got {value})")
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingError(name, f"must be a finite number (got {value})")
        for one in value if isinstance(value, tuple) else [value]:
            if (self.low is not None and one < self.low) or (self.high is not None and one > self.high):
                raise SettingError(name, f"must be {self.span} (got {number(one)})")


class SettingError(UsageError):
    """A setting's value makes no sense.

    field : name of the setting
    problem : what it must be and what it is, as in `must be 0 … 1 (got 2)`
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


class Checked:
    """Base of settings dataclasses: each value is checked when one is made. Other fields are left alone."""

    def __post_init__(self) -> None:
        for name, one in settings_of(self).items():
            meaning(one).check(name, getattr(self, name))


def setting(default: Any = MISSING, help: str = "", **traits: Any) -> Any:
    """Return a dataclass field that is a `Setting` with these traits; without a default it must be given."""
    return field(default=default, metadata={"setting": Setting(help, **traits)})


def settings_of(kind: Any) -> Mapping[str, Field[Any]]:
    """Return the fields of a dataclass, or of one of its objects, that are settings, by name."""
    return _settings_of(kind if isinstance(kind, type) else type(kind))


@cache
def _settings_of(kind: type[Any]) -> Mapping[str, Field[Any]]:
    return MappingProxyType({one.name: one for one in fields(kind) if "setting" in one.metadata})


def meaning(one: Field[Any]) -> Setting:
    """Return what a field means."""
    found: Setting = one.metadata["setting"]
    return found


def require(holds: bool, name: str, problem: str) -> None:
    """Raise `SettingError` unless something holds."""
    if not holds:
        raise SettingError(name, problem)


def flag(name: str) -> str:
    """Return a setting's flag on the command line: its name with dashes and without the unit."""
    return "--" + name.removesuffix("_s").removesuffix("_hz").replace("_", "-")


def number(value: float) -> str:
    """Return a number as short as it can be written."""
    return str(value) if isinstance(value, int) else f"{value:.12g}"  # a float holds no more than 309 digits


def types_of(kind: Any) -> Mapping[str, Any]:
    """Return what each field's annotation stands for: `float` for `float | None`, `tuple` for `tuple[str, …]`."""
    return _types_of(kind)


@cache
def _types_of(kind: type[Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: _type_of(hint) for name, hint in get_type_hints(kind).items()})


def _type_of(hint: Any) -> Any:
    if get_origin(hint) is tuple:
        return tuple if get_args(hint)[0] is str else hint
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)

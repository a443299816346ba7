"""Knobs: the fields of a frozen settings dataclass, each with what it does, its range and an example.

The configuration file's tables, their checks and their printed form all follow from these fields.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_origin

from bowstream.errors import UsageError

# What a value of each kind is called.
KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    tuple: "a list of strings",
    Path: "a path, as a string",
}


@dataclass(frozen=True)
class Knob:
    """What a settings field means.

    help : what it does, with its unit, in a line or two
    low, high : the range of a number, ends included
    example : a value for the printed sample, where the default is none
    of_tags : whether its strings are names of tags, as they are shown
    secret : whether it is nothing to be printed
    """

    help: str
    low: float | None = None
    high: float | None = None
    example: Any = None
    of_tags: bool = False
    secret: bool = False


def knob(
    default: Any = MISSING,
    *,
    help: str,
    low: float | None = None,
    high: float | None = None,
    example: Any = None,
    of_tags: bool = False,
    secret: bool = False,
) -> Any:
    """Return a dataclass field with a `Knob`; without a default, its table has to give a value."""
    return field(default=default, metadata={"knob": Knob(help, low, high, example, of_tags, secret)})


def check_ranges(settings: Any) -> None:
    """Raise `UsageError`, which begins with the field's name, if a number is out of its knob's range."""
    for one in fields(settings):
        meaning, value = one.metadata.get("knob"), getattr(settings, one.name)
        if meaning is None or meaning.low is None or value is None:
            continue
        if not meaning.low <= value <= meaning.high:
            raise UsageError(f"{one.name} wants {number(meaning.low)} … {number(meaning.high)}, found {number(value)}")


def number(value: float | None) -> str:
    """Return a number as short as it can be written."""
    if isinstance(value, int):
        return str(value)  # a float holds no more than 309 digits
    return "" if value is None else f"{value:.12g}"


def wanted_kind(hint: Any) -> Any:
    """Return the type that a field's annotation stands for: `float` for `float | None`, `tuple` for `tuple[str, …]`."""
    if get_origin(hint) is tuple:
        return tuple
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)

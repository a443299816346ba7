"""Flags of a command line that are made from settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import Field
from functools import partial
from typing import Any

from bowstream.config.fields import KINDS, flag, meaning, number, settings_of, types_of


def whole_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of `1,3`; none of an empty text."""
    return tuple(map(int, text.split(","))) if text else ()


# What reads a value of a type that does not read it itself.
READERS: dict[Any, Callable[[str], Any]] = {tuple[int, ...]: whole_numbers}


def add_flags(
    parser: argparse._ActionsContainer,
    kind: type[Any],
    names: tuple[str, ...] = (),
    action: type[argparse.Action] | str = "store",
) -> None:
    """Add a flag for each setting of a dataclass, or for those of these names only.

    A flag takes its name, meaning, type, range and default from its setting. One that is not given leaves no trace
    in the parsed arguments, so `given` can tell. `action` is what argparse does with a value.
    """
    types = types_of(kind)
    for name, one in settings_of(kind).items():
        if not names or name in names:
            add_flag(parser, one, types[name], action)


def add_flag(
    parser: argparse._ActionsContainer, one: Field[Any], kind: Any, action: type[argparse.Action] | str
) -> None:
    """Add the flag of a setting of this type."""
    traits = meaning(one)
    options: dict[str, Any] = {"dest": one.name, "default": argparse.SUPPRESS, "help": help_of(one), "action": action}
    if kind is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif traits.choices:
        options |= {"type": kind, "choices": traits.choices}
    else:
        options |= {"type": partial(converted, kind), "metavar": traits.metavar or kind.__name__.upper()}
    parser.add_argument(flag(one.name), **options)


def help_of(one: Field[Any]) -> str:
    """Return the help of a setting's flag: its meaning, range and default."""
    traits, default = meaning(one), one.default
    notes = [traits.span] if traits.span else []
    if not isinstance(default, bool) and default not in (None, ()):
        notes.append(f"default: {number(default) if isinstance(default, (int, float)) else default}")
    return (traits.help + (f" ({', '.join(notes)})" if notes else "")).replace("%", "%%")


def converted(kind: Callable[[str], Any], text: str) -> Any:
    """Return what a flag gives as a value of the setting's type."""
    try:
        return READERS.get(kind, kind)(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {KINDS[kind]} (got {text!r})") from None


def given(parsed: object, kind: type[Any]) -> dict[str, Any]:
    """Return the settings of a dataclass that parsed flags give; raise `SettingError` if one makes no sense."""
    values = {name: value for name, value in vars(parsed).items() if name in settings_of(kind)}
    kind(**values)
    return values

"""Knobs: fields of settings classes with their reasons and ranges, and the flags that are made from them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import field
from typing import Any

from bowstream.errors import UsageError


def knob(default: Any, why: str, *choices: Any, low: float | None = None, high: float | None = None) -> Any:
    """Return a dataclass field with its reason and its range (or its choices)."""
    return field(default=default, metadata={"why": why, "choices": choices, "low": low, "high": high})


class Checked:
    """A settings class whose values are checked against their knobs; fields that are no knobs are let be."""

    def __post_init__(self) -> None:
        for name, knob_field in knobs_of(self).items():
            value, rules = getattr(self, name), knob_field.metadata
            if rules["choices"] and value not in rules["choices"]:
                raise UsageError(f"{flag(name)} must be one of {', '.join(map(str, rules['choices']))}, got {value}")
            low, high = rules["low"], rules["high"]
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{flag(name)} must be a finite number, got {value}")
            if not (low is None or value >= low) or not (high is None or value <= high):
                wanted = f"at least {low}" if high is None else f"{low} … {high}"
                raise UsageError(f"{flag(name)} must be {wanted}, got {value}")


def knobs_of(settings: Any) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a settings class that are knobs, by name."""
    return {one.name: one for one in dataclasses.fields(settings) if "why" in one.metadata}


def flag(name: str) -> str:
    """Return a knob's name on the command line."""
    return "--" + name.replace("_", "-")

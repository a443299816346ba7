"""Experiments: what the paper tried, and what came after it, as lists of settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bowstream.errors import UsageError

from .config import knobs

Axes = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Variant:
    """One setting of an experiment.

    label : what tells it from the others, a column each in the table
    values : knobs by name
    """

    label: Mapping[str, Any]
    values: Mapping[str, Any]


def combinations(axes: Axes) -> list[Variant]:
    """Return every combination of some knobs' values."""
    settings = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    return [Variant(values, values) for values in settings]


# Each of the paper's experiments. Masking came after its Figure 2, which is without.
EXPERIMENTS: Mapping[str, Sequence[Variant]] = {
    "figure2": combinations(
        {
            "codes": (16, 64, 256, 1024),
            "head_width": (256, 512, 2048, 4096),
            "head_dropout": (0.1, 0.4),
            "mask": (0.0,),
        }
    ),
    "figure3": combinations({"mask": (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)}),
    "factor": combinations({"factor": (10, 20)}),
    "width": combinations({"width": (256, 512, 2048)}),
    "table1": combinations({"width": (2048,)}),
}


def parse_axis(text: str) -> tuple[str, tuple[Any, ...]]:
    """Read `knob=value,value,…`.

    Raises
    ------
    UsageError
        If there is no such knob or a value is not of its type.
    """
    name, equals, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or name not in knobs():
        raise UsageError(f"--axis wants KNOB=VALUE,VALUE…, got {text!r}; the knobs are {', '.join(knobs())}")
    kind = type(knobs()[name].default)
    try:
        return name, tuple(kind(value) for value in values.split(","))
    except ValueError as error:
        raise UsageError(f"--axis {name} wants values of type {kind.__name__}, got {values!r}") from error

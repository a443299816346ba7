"""What the paper tried: knobs and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bowstream.errors import UsageError

from .config import knobs

Axes = Mapping[str, Sequence[Any]]

# Each of the paper's experiments. Masking came after its Figure 2, which is without.
EXPERIMENTS: Mapping[str, Axes] = {
    "figure2": {
        "codes": (16, 64, 256, 1024),
        "head_width": (256, 512, 2048, 4096),
        "head_dropout": (0.1, 0.4),
        "mask": (0.0,),
    },
    "figure3": {"mask": (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)},
    "factor": {"factor": (10, 20)},
    "width": {"width": (256, 512, 2048)},
    "table1": {"width": (2048,)},
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

"""Experiments: what the paper tried, and what came after it, as lists of settings."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bowstream.errors import UsageError

from .common.config import LEARNED, RECIPE, all_settings

Axes = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Variant:
    """One setting of an experiment.

    label : what tells it from the others, a column each in the table
    values : settings by name
    """

    label: Mapping[str, Any]
    values: Mapping[str, Any]


def combinations(axes: Axes) -> list[Variant]:
    """Return every combination of some settings' values."""
    settings = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    return [Variant(values, values) for values in settings]


def as_in_the_paper(axes: Axes, **same: Any) -> list[Variant]:
    """Return every combination, with what is the same in all, and all else that is not the paper's as it was there."""
    return [Variant(one.label, {**PAPER, **same, **one.values}) for one in combinations(axes)]


def in_steps(*steps: tuple[str, Mapping[str, Any]]) -> list[Variant]:
    """Return named settings, each the one before and some more; a name that does not begin with + or = starts anew.

    One that begins with = is tried beside the one before, and nothing follows from it.
    """
    variants, values = list[Variant](), dict[str, Any]()
    for name, more in steps:
        begun = values if name[0] in "+=" else {}
        variants.append(Variant({"setting": name}, {**begun, **more}))
        values = values if name[0] == "=" else {**begun, **more}
    return variants


PAPER = {
    "method": RECIPE,
    "level": "absolute",
    "low_cut": "no",
    "whiten": "no",
    "band_codes": 0,
    "count_transform": "none",
    "idf": "no",
}
NO_NOISE = {"noisy": 0.0, "refit_noisy": 0.0}
NO_AUGMENTATION = {
    "gated": 0.0,
    "smeared": 0.0,
    "mixed": 0.0,
    "equaliser_db": 0.0,
    "tilt_db": 0.0,
    "shift_bands": 0,
    "stretch": 0.0,
    "mask_bands": 0,
    "mask_frames": 0,
    "narrowed": 0.0,
    **NO_NOISE,
}
# Augmentations by name, and the settings that leave each out of what heads learn from.
LEFT_OUT: Mapping[str, Mapping[str, float]] = {
    **{name: {name: value} for name, value in NO_AUGMENTATION.items() if not name.startswith(("mask_", "refit_"))},
    "masks": {"mask_bands": 0, "mask_frames": 0},
    "everything": {name: value for name, value in NO_AUGMENTATION.items() if not name.startswith("refit_")},
}

# The paper's experiments, and what came after it. Masking came after its Figure 2, which is without.
EXPERIMENTS: Mapping[str, Sequence[Variant]] = {
    "figure2": as_in_the_paper(
        {"codes": (16, 64, 256, 1024), "head_width": (256, 512, 2048, 4096), "head_dropout": (0.1, 0.4)}, mask=0.0
    ),
    "figure3": as_in_the_paper({"mask": (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)}),
    "factor": as_in_the_paper({"factor": (10, 20)}),
    "width": as_in_the_paper({"width": (256, 512, 2048), "encoder_dropout": (0.1, 0.5)}),
    "table1": as_in_the_paper({"width": (2048,), "encoder_dropout": (0.5,)}),
    "ablation": in_steps(
        ("recipe", PAPER),
        ("+ whitened latents", {"whiten": "yes"}),
        ("+ level", {"level": "relative"}),
        ("+ square root of counts", {"count_transform": "sqrt"}),
        ("= logarithm instead", {"count_transform": "log"}),
        ("= tf-idf on top", {"idf": "yes"}),
        ("+ a codebook a band", {"band_codes": 64}),
        ("= pairs of codes", {"pairs": 1024}),
        ("= sums over 3 s", {"context": 3}),
        ("learned codebook", {"method": LEARNED, **NO_AUGMENTATION}),
        ("+ augmentation", {name: all_settings()[name].default for name in NO_AUGMENTATION if name not in NO_NOISE}),
        ("+ noise", {name: all_settings()[name].default for name in NO_NOISE}),
    ),
}


def parse_axes(texts: Sequence[str]) -> Axes:
    """Read several `setting=value,value,…`; raise `UsageError` for one that is there twice, or as `parse_axis` does."""
    axes: dict[str, Sequence[Any]] = {}
    for name, values in map(parse_axis, texts):
        if name in axes:
            raise UsageError(f"--axis {name} is there twice: give all of its values in one")
        axes[name] = values
    return axes


def parse_axis(text: str) -> tuple[str, tuple[Any, ...]]:
    """Read `setting=value,value,…`.

    Raises
    ------
    UsageError
        If there is no such setting or a value is not of its type.
    """
    name, equals, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or name not in all_settings():
        raise UsageError(
            f"--axis must be SETTING=VALUE,VALUE… (got {text!r}); the settings are {', '.join(all_settings())}"
        )
    kind: type[Any] = type(all_settings()[name].default)
    try:
        return name, tuple(kind(value) for value in values.split(","))
    except ValueError as error:
        raise UsageError(f"--axis {name} must have values of type {kind.__name__} (got {values!r})") from error

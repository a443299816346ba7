"""What each augmentation brings, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .numbers import table


def told(metrics: Mapping[str, Any]) -> str:
    """Return what each augmentation brings as Markdown, in points: to clips as recorded, and spoilt (their mean).

    Parameters
    ----------
    metrics : what `augmentations` wrote; `all` begins with clips as recorded and ends with the mean of those spoilt
    """
    as_recorded, *_, spoilt = metrics["all"]
    columns = [as_recorded, spoilt]
    title = f"points of top-1, of mAP: {metrics['clips']} clips of {metrics['sources']} sources"
    lines = [[title, *columns], ["---", *["---:"] * len(columns)]]
    lines.append(["all", *(f"{100 * one['top1']:.1f}, {100 * one['map']:.1f}" for one in of(metrics["all"], columns))])
    for name, gains in metrics["brings"].items():
        lines.append([name, *(", ".join(points(one, what) for what in ("top1", "map")) for one in of(gains, columns))])
    return table(lines)


def of(values: Mapping[str, Any], names: list[str]) -> list[Any]:
    """Return these of the values."""
    return [values[name] for name in names]


def points(gain: Mapping[str, float], what: str) -> str:
    """Return a gain and its standard error in hundredths."""
    return f"{100 * gain[what]:+.1f} ± {100 * gain[f'{what}_se']:.1f}"

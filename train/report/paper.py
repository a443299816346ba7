"""What the paper's experiments score here, beside what the paper says of FSD50K."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .numbers import table

Row = Mapping[str, str]
SCORES = ("chunk_map", "clip_map")
# Columns that tell settings apart come before this one.
SPLIT = "split"


@dataclass(frozen=True)
class Line:
    """A line of the table: the best of an experiment's settings, by its chunks' mAP, among those with some values.

    published : what the paper says of it
    """

    title: str
    experiment: str
    among: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""


LINES = (
    Line("Table I: encoders of 2048 neurons, dropout 0.5", "table1", published="clip mAP 0.44"),
    Line("Figure 2, best without masking", "figure2", published="chunk mAP 0.35: 256 codes, head of 512, dropout 0.4"),
    *(Line(f"Figure 2, {codes} codes, best head", "figure2", {"codes": codes}) for codes in (16, 64, 256, 1024)),
    *(Line(f"Figure 2, head of {width}", "figure2", {"head_width": width}) for width in (256, 512, 2048, 4096)),
    Line("Figure 3, without masking", "figure3", {"mask": 0.0}, "chunk mAP 0.35"),
    Line("Figure 3, masking at 0.35", "figure3", {"mask": 0.35}, "chunk mAP 0.38, the best"),
    Line("Figure 3, best masking", "figure3", published="at 0.35"),
    Line("latent vectors of a tenth of a patch", "factor", {"factor": 10}, "the better one"),
    Line("latent vectors of a twentieth", "factor", {"factor": 20}),
    *(
        Line(f"encoders of {width} neurons, dropout {dropout}", "width", {"width": width, "encoder_dropout": dropout})
        for width in (256, 512, 2048)
        for dropout in (0.1, 0.5)
    ),
)
# On FSD50K, as the paper lists them: chunk mAP where it is given, and clip mAP.
OTHERS = {
    "CRNN": ("", "0.41"),
    "VGG-like": ("", "0.43"),
    "ResNet-18": ("", "0.37"),
    "DenseNet-121": ("", "0.42"),
    "Transformer": ("0.39", "0.46"),
    "wavelet Transformer": ("", "0.54"),
}


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV that `sweep` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def beside(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return the table, Markdown; lines of experiments that have not been carried out are not in it.

    Parameters
    ----------
    rows : of each experiment by its name
    """
    lines = [["", "chunk mAP", "clip mAP", "with", "the paper, on FSD50K"], ["---", "---:", "---:", "---", "---"]]
    for line in LINES:
        means = means_of(rows.get(line.experiment, ()), line.among)
        if means:
            setting, scores = max(means.items(), key=lambda item: item[1])
            lines.append([line.title, *(f"{score:.3f}" for score in scores), setting, line.published])
    lines += [[f"{name}, in the paper", *scores, "", ""] for name, scores in OTHERS.items()]
    return table([[cell or "—" if place else cell for place, cell in enumerate(line)] for line in lines])


def means_of(rows: Sequence[Row], among: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the means over splits of each setting with these values: `SCORES` by the setting in words."""
    of_setting: dict[str, list[Row]] = {}
    for row in rows:
        if all(row[name] == str(value) for name, value in among.items()):
            labels = list(row)[: list(row).index(SPLIT)]
            of_setting.setdefault(", ".join(f"{name} {row[name]}" for name in labels), []).append(row)
    return {
        setting: tuple(float(np.mean([float(row[score]) for row in same])) for score in SCORES)
        for setting, same in of_setting.items()
    }

"""Events as label files that open beside a recording: Audacity's label track, Raven's selection table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bowstream._text import printable

RAVEN_COLUMNS = ("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)")


@dataclass(frozen=True)
class Label:
    """A part of a recording, in seconds from its start, with the tag and its highest score, 0 … 1."""

    start_s: float
    end_s: float
    tag: str
    peak: float


def audacity(labels: Iterable[Label]) -> str:
    """Return a label track, for Audacity's File > Import > Labels: a line per label, parted by tabs.

    The two digits of a peak are those of its four: of some labels no more are known, and all verbs must say the same.
    """
    return "".join(
        f"{one.start_s:.6f}\t{one.end_s:.6f}\t{printable(one.tag)} {round(one.peak, 4):.2f}\n" for one in labels
    )


def raven(labels: Iterable[Label], high_hz: float = 8000.0) -> str:
    """Return a selection table for Raven, which has the tag and its peak as columns; up to the model's `high_hz`."""
    lines = ["\t".join((*RAVEN_COLUMNS, "Tag", "Peak"))]
    for number, one in enumerate(labels, 1):
        times = f"{one.start_s:.6f}\t{one.end_s:.6f}\t0.0\t{high_hz:.1f}"
        lines.append(f"{number}\tSpectrogram 1\t1\t{times}\t{printable(one.tag)}\t{one.peak:.4f}")
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Iterable[Label]], str]] = {"audacity": audacity, "raven": raven}
# What is added to a recording's name.
SUFFIXES: Mapping[str, str] = {"audacity": ".bowstream.txt", "raven": ".bowstream.selections.txt"}

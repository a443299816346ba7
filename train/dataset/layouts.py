"""How a data set may lie on disk, and how it is named on the command line; `problems.py` looks at the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bowstream.errors import UsageError

from .data import DataSet
from .joined import Joining, joined
from .own import folder, table
from .published import esc50, fsd50k, urbansound8k

LAYOUTS: Mapping[str, Callable[[Path], DataSet]] = {
    "esc50": esc50,
    "fsd50k": fsd50k,
    "urbansound8k": urbansound8k,
    "folder": folder,
    "csv": table,
}


def layout_of(source: str, root: Path | None) -> tuple[str, Path]:
    """Return the layout and the place of a data set as the command line names it.

    Parameters
    ----------
    source : LAYOUT:PATH, a CSV, a folder, or a layout alone whose place is `root`

    Raises
    ------
    UsageError
        If it names none of them.
    """
    name, colon, place = source.partition(":")
    if name in LAYOUTS and colon and place:
        return name, Path(place)
    if source in LAYOUTS:
        if root is None:
            raise UsageError(f"--data {source} must say where: --data {source}:PATH")
        return source, root
    if source.lower().endswith(".csv"):
        return "csv", Path(source)
    if Path(source).is_dir():
        return "folder", Path(source)
    raise UsageError(f"--data must be LAYOUT:PATH, a CSV or a folder (got {source!r}); LAYOUT is {', '.join(LAYOUTS)}")


def read_sets(sources: Sequence[str], root: Path | None, how: Joining) -> DataSet:
    """Return the data sets that the command line names, as one.

    Parameters
    ----------
    root : where the set lies whose layout alone is named
    """
    if root is not None and (len(sources) > 1 or sources[0] not in LAYOUTS):
        raise UsageError("--root is the place of --data LAYOUT alone: write --data LAYOUT:PATH for each set")
    return joined([LAYOUTS[layout](place) for layout, place in (layout_of(one, root) for one in sources)], how)

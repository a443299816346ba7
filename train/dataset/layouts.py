"""How a data set may lie on disk, by the name that asks for it; `problems.py` looks at the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .data import DataSet
from .own import folder, table
from .published import esc50, fsd50k, urbansound8k

LAYOUTS: Mapping[str, Callable[[Path], DataSet]] = {
    "esc50": esc50,
    "fsd50k": fsd50k,
    "urbansound8k": urbansound8k,
    "folder": folder,
    "csv": table,
}

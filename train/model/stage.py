"""What every stage of a fit is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..dataset.data import Index
from ..dataset.features import Features


@dataclass(frozen=True)
class Stage:
    """Where artefacts are kept, what is learned from, and what chance begins with.

    root : the folder of all artefacts
    fit : the clips to learn from
    """

    root: Path
    features: Features
    fit: Index
    seed: int

    @property
    def windows(self) -> Index:
        """The windows of the clips to learn from."""
        return self.features.windows(self.fit)

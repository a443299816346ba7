"""Licences: which clips may be learned from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .data import Clip

NONE_STATED = "none stated"
# What a table says of a clip when nobody may rely on it.
UNCLEAR = re.compile(
    "none stated|not stated|unclear|unknown|see repository|scraped|not recorded|research only", re.IGNORECASE
)


def is_stated(clip: Clip) -> bool:
    """Whether a licence is stated; one's own recordings need none."""
    return not UNCLEAR.search(clip.licence)


def is_free(clip: Clip) -> bool:
    """Whether its licence allows passing on and commercial use; one's own recordings need none."""
    return clip.free or not clip.licence


# What `--licences` may be: which clips are learned from. All others are tried on only.
LICENCES: Mapping[str, Callable[[Clip], bool]] = {
    "stated": is_stated,
    "free": is_free,
    "all": lambda clip: True,
}

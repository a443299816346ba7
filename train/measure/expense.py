"""What a bundle costs on a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import bowstream
from bowstream.config.settings import Settings
from bowstream.model.bundle import DESCRIPTION, FILES

ROUNDS = 20
LABELS = {"bundle_mb": "bundle, MB", "us_per_s": "µs a second of sound"}


def expense(bundle: Path) -> dict[str, float]:
    """Return how large a bundle is, and the processor time a second of sound takes here, all of it in one thread."""
    from bowstream.bench.paths import live, made_up_sound
    from bowstream.bench.timing import in_rounds

    loaded = bowstream.load_bundle(bundle)
    size = sum((bundle / name).stat().st_size for name in (*FILES, DESCRIPTION))
    hear = live(loaded, made_up_sound(loaded.front_end.sample_rate), Settings().hop_columns)
    (costs,) = in_rounds({"live": hear}, ROUNDS).values()
    return {"bundle_mb": round(size / 1e6, 2), "us_per_s": round(float(np.median(costs)))}

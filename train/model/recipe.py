"""Read this first: the stages from recordings to a bundle, in their order (paper, III and IV).

features ─► autoencoders ─► export ─► codebooks ─► counts ─► head ─► bundle ─► held-out scores
"""

from __future__ import annotations

from pathlib import Path

from bowstream.errors import UsageError
from bowstream.model.patches import FAMILIES

from ..common.config import TrainConfig
from ..common.crew import Crew
from ..dataset.data import DataSet, Split
from ..dataset.features import Features
from .bundle import Parts
from .codebook import fit_codebook, shape
from .counts import count_codes
from .encoder import train_encoder
from .export import export_encoder
from .head import train_head
from .stage import Stage


def fit(root: Path, sound: Features, data: DataSet, split: Split, config: TrainConfig, crew: Crew) -> Parts:
    """Return the artefacts of a model fitted on a split's `fit` clips; those that exist are not made again."""
    windows, codes = len(sound.windows(split.fit)), config.codebook.codes
    if windows < codes:  # `o` has one patch a window
        raise UsageError(
            f"{codes} codes want at least as many windows of 1 s to learn from, {split.name} has {windows}: "
            "ask for fewer with --codes, or record more"
        )
    for family in FAMILIES:
        shape(family, sound.front_end, config.codebook)
    stage, networks, codebooks = Stage(root, sound, split.fit, config.seed), {}, {}
    for family in FAMILIES:
        encoder = train_encoder(stage, family, config.encoder)
        networks[family] = export_encoder(stage, family, encoder, whitened=config.codebook.whiten == "yes")
    for family in FAMILIES:
        codebooks[family] = fit_codebook(stage, family, networks[family], config.codebook)
    counts = count_codes(root, sound, networks, codebooks, crew)
    head = train_head(root, sound, data, split.fit, counts, config)
    return Parts(networks, codebooks, head, config.head.count_transform, config.context)

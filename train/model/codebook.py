"""Codebooks: k-means on the latent vectors of the exported encoder (paper, III-B)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bowstream.errors import UsageError
from bowstream.model.codebook import Codebook
from bowstream.model.encoder import Encoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES

from ..common.config import CodebookSettings
from ..common.progress import say
from ..common.store import artefact, digest
from ..dataset.data import Float32
from .encoder import draw_patches
from .export import load_network
from .stage import Stage

CENTROIDS = "centroids.npy"
BATCH = 1000


def fit_codebook(stage: Stage, family: str, network: Path, settings: CodebookSettings) -> Path:
    """Return the artefact with one family's centroids in `centroids.npy`.

    They are float32 [shape=(D, Z)], or [shape=(bands, D, Z)] where each band has a codebook of its own.
    """
    bands, codes, drawn = shape(family, stage.features.front_end, settings)
    inputs = {
        "network": network.name,
        "fit": digest(stage.fit.tolist()),
        "bands": bands,
        "codes": codes,
        "latents": settings.kmeans_latents,
        "rounds": settings.kmeans_rounds,
        "seed": stage.seed,
    }

    def make(path: Path) -> None:
        rng, model, windows = np.random.default_rng(stage.seed), load_network(network), stage.windows
        centroids = []
        for band in range(bands):
            every = slice(band, None, bands)
            patches = draw_patches(stage.features, family, windows, drawn, rng, every)
            latents = np.concatenate([model(patches[start : start + BATCH]) for start in range(0, len(patches), BATCH)])
            distinct = len(np.unique(latents, axis=0))
            if distinct < codes:
                raise UsageError(
                    f"{family}: {codes} codes want at least as many different patches, the training part has "
                    f"{distinct}: ask for fewer with {'--band-codes' if bands > 1 else '--codes'}, or record more"
                )
            centroids.append(k_means(latents, codes, settings.kmeans_rounds, stage.seed, family))
        np.save(path / CENTROIDS, np.stack(centroids) if bands > 1 else centroids[0])

    return artefact(stage.root, f"codebook_{family}", inputs, make)


def shape(family: str, front_end: FrontEnd, settings: CodebookSettings) -> tuple[int, int, int]:
    """Return how many codebooks a family has, the codes of each, and the latent vectors that each is fitted on.

    Raises
    ------
    UsageError
        If there are fewer of these than codes.
    """
    bands = FAMILIES[family].bands(front_end) if settings.band_codes else 1
    codes, latents = settings.band_codes if bands > 1 else settings.codes, settings.kmeans_latents // bands
    if latents < codes:
        raise UsageError(f"{family}: {codes} codes want as many latent vectors, got {latents}: raise --kmeans-latents")
    return bands, codes, latents


def k_means(latents: Float32, codes: int, rounds: int, seed: int, family: str) -> Float32:
    """Return the centroids of latent vectors, (N, Z) -> (codes, Z)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    model = KMeans(codes, n_init=1, max_iter=rounds, random_state=seed)
    # One thread takes seconds; several that wait for each other on a busy machine take minutes.
    with threadpool_limits(1):
        model.fit(latents)
    say(f"codebook {family}  {codes} codes  {model.n_iter_} rounds  inertia {model.inertia_:.4g}")
    centroids: Float32 = model.cluster_centers_.astype(np.float32)
    return centroids


def load_encoder(network: Path, codebook: Path) -> Encoder:
    """Return an exported encoder with its codebook, as the device runs it."""
    return Encoder(load_network(network), Codebook(np.load(codebook / CENTROIDS)))

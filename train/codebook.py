"""Codebooks: k-means on the latent vectors of the exported encoder (paper, III-B)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from bowstream.codebook import Codebook
from bowstream.coder import Encoder
from bowstream.errors import UsageError

from .config import CodebookSettings
from .data import Index
from .encoder import draw_patches
from .export import load_network
from .features import Features
from .progress import say
from .store import artefact, digest

CENTROIDS = "centroids.npy"
BATCH = 1000


def fit_codebook(
    root: Path, features: Features, fit: Index, family: str, network: Path, settings: CodebookSettings, seed: int
) -> Path:
    """Return the artefact with one family's centroids, float32 [shape=(D, Z)] in `centroids.npy`."""
    inputs = {"network": network.name, "fit": digest(fit.tolist()), "settings": asdict(settings), "seed": seed}

    def make(path: Path) -> None:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        rng = np.random.default_rng(seed)
        patches = draw_patches(features, family, features.windows(fit), settings.kmeans_latents, rng)
        model = load_network(network)
        latents = np.concatenate([model(patches[start : start + BATCH]) for start in range(0, len(patches), BATCH)])
        distinct = len(np.unique(latents, axis=0))
        if distinct < settings.codes:
            raise UsageError(
                f"{family}: {settings.codes} codes want at least as many different patches, the training part has "
                f"{distinct}: ask for fewer with --codes, or record more"
            )
        kmeans = KMeans(settings.codes, n_init=1, max_iter=settings.kmeans_rounds, random_state=seed)
        # One thread takes seconds; several that wait for each other on a busy machine take minutes.
        with threadpool_limits(1):
            kmeans.fit(latents)
        say(f"codebook {family}  {settings.codes} codes  {kmeans.n_iter_} rounds  inertia {kmeans.inertia_:.4g}")
        np.save(path / CENTROIDS, kmeans.cluster_centers_.astype(np.float32))

    return artefact(root, f"codebook_{family}", inputs, make)


def load_encoder(network: Path, codebook: Path) -> Encoder:
    """Return an exported encoder with its codebook, as the device runs it."""
    return Encoder(load_network(network), Codebook(np.load(codebook / CENTROIDS)))

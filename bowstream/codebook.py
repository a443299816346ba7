"""Codebooks: the nearest of D cached centroids (paper, III-B)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import BundleError
from .frontend import Float32

Codes = NDArray[np.intp]


class Codebook:
    """The centroids of one family.

    Parameters
    ----------
    centroids : float32 [shape=(D, Z)]

    Raises
    ------
    BundleError
        If the centroids are not a finite float32 matrix.
    """

    def __init__(self, centroids: Float32) -> None:
        if centroids.ndim != 2 or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise BundleError(
                f"a codebook wants finite float32 (codes, values), got {centroids.dtype} {centroids.shape}"
            )
        self.centroids = centroids
        self._transposed = np.ascontiguousarray(centroids.T)
        # ‖x - c‖² = ‖x‖² - 2 (x·c - ½‖c‖²): the nearest centroid has the largest bracket.
        self._half_norms = 0.5 * np.square(centroids).sum(axis=1)

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, latents: Float32) -> Codes:
        """Return the index of the nearest centroid of each latent vector.

        Parameters
        ----------
        latents : float32 [shape=(N, P, Z)]; each of the N is a product of its own, so that a code
            does not depend on how many are asked for at a time

        Returns
        -------
        codes : int [shape=(N, P)], 0 … D - 1
        """
        closeness = latents @ self._transposed  # (N, P, D)
        closeness -= self._half_norms
        codes: Codes = closeness.argmax(axis=-1)
        return codes

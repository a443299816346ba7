"""Codebooks: the nearest of D cached centroids (paper, III-B)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError

Codes = NDArray[np.intp]


class Codebook:
    """The centroids of one family: one set for all its patches, or one a band.

    The paper leaves open whether the entries of a family, its 12 bands say, share a codebook; both are here.
    The codes of band `b` follow those of band `b - 1`.

    Parameters
    ----------
    centroids : float32 [shape=(D, Z)], or [shape=(bands, D, Z)] where each band has its own

    Raises
    ------
    BundleError
        If the centroids are not finite float32 of such a shape.
    """

    def __init__(self, centroids: Float32) -> None:
        if centroids.ndim not in (2, 3) or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise BundleError(
                f"a codebook must be finite float32 (codes, values) or (bands, codes, values) "
                f"(got {centroids.dtype} {centroids.shape})"
            )
        by_band = centroids if centroids.ndim == 3 else centroids[np.newaxis]
        self.n_bands, self.n_codes_per_band, self.n_values = map(int, by_band.shape)
        self._transposed = np.ascontiguousarray(by_band.transpose(0, 2, 1))  # (bands, Z, D)
        # ‖x - c‖² = ‖x‖² - 2 (x·c - ½‖c‖²): the nearest centroid has the largest bracket.
        self._half_norms = 0.5 * np.square(by_band).sum(axis=2)[:, np.newaxis]  # (bands, 1, D)
        self._first_codes = np.arange(self.n_bands)[:, np.newaxis] * self.n_codes_per_band

    def __len__(self) -> int:
        return self.n_bands * self.n_codes_per_band

    def predict(self, latents: Float32) -> Codes:
        """Return the index of the nearest centroid of each latent vector.

        Parameters
        ----------
        latents : float32 [shape=(N, P, Z)], P a multiple of the bands; each of the N is a product of its
            own, so that a code does not depend on how many are asked for at a time

        Returns
        -------
        codes : int [shape=(N, P)], 0 … len(codebook) - 1
        """
        by_band = latents.reshape(len(latents), self.n_bands, -1, self.n_values)
        closeness = by_band @ self._transposed  # (N, bands, P / bands, D)
        closeness -= self._half_norms
        codes: Codes = closeness.argmax(axis=-1) + self._first_codes
        return codes.reshape(latents.shape[:2])

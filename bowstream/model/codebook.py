"""Codebooks: the nearest of D cached centroids (paper, III-B)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.memory import aligned

Codes = NDArray[np.intp]


class Codebook:
    """The centroids of one family: one set for all its patches, or one per band; of whole vectors, or of their parts.

    The paper leaves open whether the entries of a family, its 12 bands say, share a codebook; both are here. Where
    vectors are cut into parts (product quantisation), a patch has one code per part. The codes of a band follow those
    of the band before, and within a band those of a part those of the part before.

    Parameters
    ----------
    centroids : float32 [shape=(D, Z)], [shape=(bands, D, Z)] where each band has its own, or
        [shape=(bands, parts, D, Z / parts)] where each part of a vector has

    Raises
    ------
    BundleError
        If the centroids are not finite float32 of such a shape.
    """

    def __init__(self, centroids: Float32) -> None:
        if centroids.ndim not in (2, 3, 4) or centroids.dtype != np.float32 or not np.isfinite(centroids).all():
            raise BundleError(
                f"a codebook must be finite float32 (codes, values), (bands, codes, values) or "
                f"(bands, parts, codes, values) (got {centroids.dtype} {centroids.shape})"
            )
        bands = centroids.shape[0] if centroids.ndim > 2 else 1
        parts = centroids.shape[1] if centroids.ndim > 3 else 1
        by_part = centroids.reshape(bands, parts, *centroids.shape[-2:])
        self.n_bands, self.n_parts, n_codes, self._n_values = map(int, by_part.shape)
        self.n_values = self.n_parts * self._n_values
        self._transposed = aligned(by_part.transpose(0, 1, 3, 2))  # (bands, parts, Z / parts, D)
        # ‖x - c‖² = ‖x‖² - 2 (x·c - ½‖c‖²): the nearest centroid has the largest bracket.
        self._half_norms = 0.5 * np.square(by_part).sum(axis=3)[:, :, np.newaxis]  # (bands, parts, 1, D)
        self._size = self.n_bands * self.n_parts * n_codes
        self._first_codes = np.arange(0, self._size, n_codes).reshape(self.n_bands, self.n_parts, 1)

    def __len__(self) -> int:
        return self._size

    def predict(self, latents: Float32) -> Codes:
        """Return the index of the nearest centroid of each part of each latent vector.

        Parameters
        ----------
        latents : float32 [shape=(N, P, Z)], P a multiple of the bands; each of the N is a product of its
            own, so that a code does not depend on how many are asked for at a time

        Returns
        -------
        codes : int [shape=(N, P * parts)], 0 … len(codebook) - 1
        """
        n, n_patches, _ = latents.shape
        if n_patches == self.n_bands:  # as most have: nothing changes places
            vectors = latents.reshape(n, n_patches, self.n_parts, 1, self._n_values)
            return self._nearest(vectors).reshape(n, n_patches * self.n_parts)
        by_band = latents.reshape(n, self.n_bands, n_patches // self.n_bands, self.n_parts, self._n_values)
        return self._nearest(by_band.swapaxes(2, 3)).swapaxes(2, 3).reshape(n, n_patches * self.n_parts)

    def _nearest(self, vectors: Float32) -> Codes:
        """Return the codes of vectors (N, bands, parts, P / bands, Z / parts), without its last axis."""
        closeness = vectors @ self._transposed  # (N, bands, parts, P / bands, D)
        closeness -= self._half_norms
        codes: Codes = closeness.argmax(axis=-1)
        codes += self._first_codes
        return codes

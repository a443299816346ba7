"""What a new tag is told apart from: everyday sound that a bundle brings along, as codes."""

from __future__ import annotations

import numpy as np

from bowstream.errors import BundleError
from bowstream.model.archive import read_arrays
from bowstream.model.bundle import BACKGROUND, Bundle, verified
from bowstream.model.codebook import Codes
from bowstream.model.context import Context


def read_background(bundle: Bundle) -> Codes:
    """Return the contexts of everyday sound, int [shape=(n, context, P)].

    Raises
    ------
    BundleError
        If the bundle has none, or it does not fit.
    """
    if BACKGROUND not in bundle.description["files"]:
        raise BundleError(
            f"{bundle.path} has no {BACKGROUND}, which new sounds are told apart from: use a newer bundle, or add it "
            "with 'python -m train background'"
        )
    arrays = read_arrays(verified(bundle.path, BACKGROUND, bundle.description["files"]), BACKGROUND)
    try:
        codes, lengths = arrays["codes"].astype(np.intp), arrays["lengths"].tolist()
        n_counts = sum(len(encoder.codebook) for encoder in bundle.encoders.values())
        if codes.shape != (sum(lengths), bundle.codes_per_window) or not len(codes) or codes.min() < 0:
            raise ValueError(f"codes, which must be windows of {bundle.codes_per_window} (got {codes.shape})")
        if codes.max() >= n_counts or min(lengths) < 1:
            raise ValueError(f"codes, which must be below {n_counts}")
    except (KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{bundle.path / BACKGROUND} lacks or misstates {error}") from error
    contexts = []
    for recording in np.split(codes, np.cumsum(lengths)[:-1]):
        contexts.append(Context(bundle.head.context, 1).push(recording))
    return np.concatenate(contexts)

"""From what was trained together to encoders as a device runs them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bowstream.model.front_end import FrontEnd

from ..dataset.data import Float32
from ..model.codebook import CENTROIDS
from ..model.export import REPRESENTATIVE_ROWS, write_network
from .joint import EPSILON, Tree, cut


def hardened(joint: Tree, family: str) -> keras.Model:
    """Return one family's encoder in Keras with the norm of its latent vectors folded into the last layer."""
    layers, norm = joint["weights"]["encoders"][family], joint["norms"][family]
    spread = 1.0 / np.sqrt(norm["variance"] + EPSILON)
    kernels = [np.asarray(layer["kernel"]) for layer in layers]
    *hidden, last = [
        keras.layers.Dense(kernel.shape[1], "relu", name=f"encoder_{number}") for number, kernel in enumerate(kernels)
    ]
    last.activation = keras.activations.linear
    plain = keras.Sequential(
        [keras.layers.Input((len(kernels[0]),), name="encoder_input"), *hidden, last], name="encoder"
    )
    inner = [weight for kernel, layer in zip(kernels, layers[:-1]) for weight in (kernel, np.asarray(layer["bias"]))]
    plain.set_weights([*inner, kernels[-1] * spread, -norm["mean"] * spread])
    return plain


def export(
    path: Path, joint: Tree, family: str, scaled: Float32, front_end: FrontEnd, rng: np.random.Generator
) -> None:
    """Write one family's int8 encoder and centroids into a folder.

    Parameters
    ----------
    scaled : float32 [shape=(N, columns, frames, M)], sound that the converter learns ranges from
    """
    patches = cut(tf.constant(scaled), front_end)[family].numpy()
    rows = rng.permutation(patches.reshape(-1, patches.shape[-1]))[:REPRESENTATIVE_ROWS]
    write_network(path, hardened(joint, family), rows)
    np.save(path / CENTROIDS, joint["weights"]["centroids"][family])

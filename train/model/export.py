"""From Keras to int8 TFLite, whitened on the way where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowstream.model.tflite import Model

from ..common.quiet import quiet
from ..common.store import artefact
from ..dataset.data import Float32
from .encoder import ENCODER, draw_patches
from .stage import Stage

if TYPE_CHECKING:
    import keras

NETWORK = "network.tflite"
# Rows that the converter sees to learn each tensor's range; patches that a whitening is fitted on.
REPRESENTATIVE_ROWS = 2000
WHITENING_ROWS = 50_000
BATCH = 100


def to_int8(model: keras.Model, examples: Float32) -> bytes:
    """Return a Keras model as a TFLite model with int8 weights, activations, input and output.

    Parameters
    ----------
    model : of one (rows, n_inputs) input
    examples : float32 [shape=(N, n_inputs)], inputs from the training split
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([rows] for rows in np.array_split(examples, len(examples) // BATCH + 1))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        content: bytes = converter.convert()
    return content


def export_encoder(stage: Stage, family: str, encoder: Path, whitened: bool) -> Path:
    """Return the artefact with one family's encoder as `network.tflite`, and what it was made from as `encoder.keras`.

    Whitening is no part of the autoencoder's training, so that both kinds share it.
    """

    def make(path: Path) -> None:
        import keras

        rng = np.random.default_rng(stage.seed)
        model = keras.models.load_model(encoder / ENCODER)
        if whitened:
            whiten(model, draw_patches(stage.features, family, stage.windows, WHITENING_ROWS, rng))
        write_network(path, model, draw_patches(stage.features, family, stage.windows, REPRESENTATIVE_ROWS, rng))

    inputs = {"encoder": encoder.name, "rows": REPRESENTATIVE_ROWS, "whitened": whitened, "seed": stage.seed}
    return artefact(stage.root, f"export_{family}", inputs, make)


def write_network(path: Path, model: keras.Model, examples: Float32) -> None:
    """Write an encoder as `network.tflite`, and what it was made from as `encoder.keras`."""
    model.save(path / ENCODER)
    (path / NETWORK).write_bytes(to_int8(model, examples))


def whiten(encoder: keras.Model, patches: Float32) -> None:
    """Fold a whitening of the latent vectors (PCA) into the last layer: mean 0, unit covariance."""
    latents = encoder.predict(patches, batch_size=4096, verbose=0)
    centre = latents.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(latents - centre, rowvar=False).reshape(len(centre), -1))
    # Directions without variance carry no information; they are not blown up.
    scale = axes / np.sqrt(variances + 1e-3 * variances.max())
    last = encoder.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel @ scale, (bias - centre) @ scale])


def load_network(path: Path) -> Model:
    """Return the network of an artefact as the device runs it."""
    return Model((path / NETWORK).read_bytes(), path.name)

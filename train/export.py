"""From Keras to int8 TFLite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowstream.tflite import Model

from .data import Float32, Index
from .encoder import ENCODER, draw_patches
from .features import Features
from .quiet import quiet
from .store import artefact

if TYPE_CHECKING:
    import keras

NETWORK = "network.tflite"
# Rows that the converter sees to learn each tensor's range.
REPRESENTATIVE_ROWS = 2000
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


def export_encoder(root: Path, features: Features, fit: Index, family: str, encoder: Path, seed: int) -> Path:
    """Return the artefact with one family's encoder as `network.tflite`, and its parent `encoder.keras` beside it."""

    def make(path: Path) -> None:
        import keras

        rng = np.random.default_rng(seed)
        examples = draw_patches(features, family, features.windows(fit), REPRESENTATIVE_ROWS, rng)
        (path / NETWORK).write_bytes(to_int8(keras.models.load_model(encoder / ENCODER), examples))
        shutil.copyfile(encoder / ENCODER, path / ENCODER)

    return artefact(
        root, f"export_{family}", {"encoder": encoder.name, "rows": REPRESENTATIVE_ROWS, "seed": seed}, make
    )


def load_network(path: Path) -> Model:
    """Return the network of an artefact as the device runs it."""
    return Model((path / NETWORK).read_bytes(), path.name)

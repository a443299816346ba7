"""The training loop: a line and a checkpoint an epoch, and on from the last one after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowstream.errors import BowstreamError

from .progress import say, track

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

CHECKPOINT = "checkpoint.keras"
STATE = "checkpoint.npz"


def train_epochs(
    path: Path,
    title: str,
    new_model: Callable[[], keras.Model],
    data_of_epoch: Callable[[int], tf.data.Dataset],
    epochs: int,
    seed: int,
) -> keras.Model:
    """Return a model trained for so many epochs.

    Parameters
    ----------
    path : folder of the checkpoint, which is removed at the end
    new_model : returns an untrained, compiled model
    data_of_epoch : returns the batches of an epoch, which depend on nothing but its number
    """
    import keras

    checkpoint = path / CHECKPOINT
    keras.utils.set_random_seed(seed)
    model = keras.models.load_model(checkpoint) if checkpoint.exists() else new_model()
    steps = int(data_of_epoch(0).cardinality())
    done = int(model.optimizer.iterations) // steps
    for epoch in track(range(done, epochs), epochs, title, done):
        reseed(model, np.random.default_rng([seed, epoch]))
        loss = model.fit(data_of_epoch(epoch), verbose=0).history["loss"][0]
        say(f"{title}  epoch {epoch + 1}/{epochs}  {getattr(model.loss, '__name__', model.loss)} {loss:.5f}")
        refuse_infinite(title, loss)
        # Written beside and renamed, so that an interruption never leaves half of one.
        partial = checkpoint.with_name("partial.keras")
        model.save(partial)
        partial.replace(checkpoint)
    checkpoint.unlink()
    return model


def refuse_infinite(title: str, loss: float) -> None:
    """Raise `BowstreamError` for a loss that no training comes back from."""
    if not np.isfinite(loss):
        raise BowstreamError(f"{title}: the loss is {loss}, the training has come apart: take a lower learning rate")


def reseed(model: keras.Model, rng: np.random.Generator) -> None:
    """Set the state of each dropout, which no checkpoint holds, so that an epoch depends on its number alone."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            reseed(layer, rng)
        elif hasattr(layer, "seed_generator"):
            layer.seed_generator.state.assign(rng.integers(1 << 31, size=2))


def save_state(path: Path, variables: Sequence[tf.Variable]) -> None:
    """Write all of a training's variables as its checkpoint into a folder."""
    partial = path / f"partial-{STATE}"
    np.savez(partial, *(variable.numpy() for variable in variables))
    partial.replace(path / STATE)


def load_state(path: Path, variables: Sequence[tf.Variable]) -> bool:
    """Set variables to what `save_state` wrote; return whether there was anything."""
    if not (path / STATE).exists():
        return False
    with np.load(path / STATE) as arrays:
        for variable, value in zip(variables, arrays.values(), strict=True):
            variable.assign(value)
    return True


def adam(rate: float, steps: int) -> keras.optimizers.Optimizer:
    """Return Adam with a rate that falls to 0 over so many steps as a cosine."""
    import keras

    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))

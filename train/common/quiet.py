"""Silence for libraries that write to the process's standard error from C++."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from .progress import say


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence standard output, standard error and warnings; what goes wrong is raised all the same."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nothing.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def start_tensorflow() -> None:
    """Import TensorFlow without its greetings, and say what it trains on: a GPU where there is one."""
    with quiet():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.get_logger().setLevel("ERROR")  # each model is traced anew, and each time it warns of that
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    say(f"training on {', '.join(gpu.name for gpu in gpus) or f'{os.cpu_count()} processor cores'}")
    warnings.filterwarnings("ignore", message=r".*shuffle=True.*")

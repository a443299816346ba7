"""The only module that touches the TFLite interpreter, and the only one that knows its numbers.

`ai-edge-litert` is the default runtime; `tflite-runtime`, its former name, is taken where it is the
one installed. Both have the same `Interpreter`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import BundleError
from .frontend import Float32

RUNTIMES = ("ai_edge_litert", "tflite_runtime")


def load_runtime() -> tuple[str, Any]:
    """Return the name of the first runtime that is installed, and its `Interpreter` class.

    Raises
    ------
    BundleError
        If neither is installed.
    """
    for name in RUNTIMES:
        try:
            return name, importlib.import_module(f"{name}.interpreter").Interpreter
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith(name):
                raise
    raise BundleError("no TFLite runtime is installed: pip install ai-edge-litert (tflite-runtime on 32-bit Arm)")


@contextmanager
def silenced() -> Iterator[None]:
    """Keep the runtime's own chatter, written by C++ past `sys.stderr`, off standard error."""
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


class Model:
    """One quantised network: float32 rows in, float32 rows out.

    Single-threaded: a second thread gains nothing on networks this small and stalls on a busy machine.

    Raises
    ------
    BundleError
        If the content is no TFLite model of one (rows, features) input and output.
    """

    def __init__(self, content: bytes, name: str = "model") -> None:
        _, interpreter = load_runtime()
        try:
            with silenced():
                self._interpreter = interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{name} is no model that this TFLite runtime can run: {error}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = [tuple(detail["shape"]) for detail in (*inputs, *outputs)]
        if len(shapes) != 2 or any(len(shape) != 2 for shape in shapes):
            raise BundleError(f"{name} has tensors {shapes}, wanted one (rows, features) input and one output")
        self._input, self._output = inputs[0], outputs[0]
        self._rows = shapes[0][0]
        self.n_inputs, self.n_outputs = int(shapes[0][1]), int(shapes[1][1])

    def __call__(self, rows: Float32) -> Float32:
        """Return the network's output, float32 [shape=(rows, n_outputs)], for float32 [shape=(rows, n_inputs)].

        Another number of rows than last time costs a re-allocation: keep it steady in a stream.
        """
        if len(rows) != self._rows:
            self._interpreter.resize_tensor_input(self._input["index"], (len(rows), self.n_inputs), strict=False)
            self._interpreter.allocate_tensors()
            self._rows = len(rows)
        self._interpreter.set_tensor(self._input["index"], quantise(rows, self._input))
        self._interpreter.invoke()
        return dequantise(self._interpreter.get_tensor(self._output["index"]), self._output)


def quantise(values: Float32, detail: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return float values as a tensor's own type: scaled, rounded, clipped, cast (float tensors as they are)."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    steps = np.rint(values * np.float32(1.0 / scale)) + np.float32(zero_point)
    quantised: np.ndarray[Any, Any] = np.clip(steps, limits.min, limits.max).astype(detail["dtype"])
    return quantised


def dequantise(values: np.ndarray[Any, Any], detail: dict[str, Any]) -> Float32:
    """Return a tensor's values as float32."""
    if detail["dtype"] == np.float32:
        return values
    scale, zero_point = detail["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)

"""The only module that touches the TFLite interpreter, and the only one that knows its numbers.

`ai-edge-litert` is the default runtime; `tflite-runtime`, its former name, is taken where it is the
one installed. Both have the same `Interpreter`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream._stderr import silenced
from bowstream._types import FLOAT32, Float32
from bowstream.errors import BundleError

LARGEST_TENSORS_BYTES = 64 << 20
BYTE = np.dtype(np.uint8)
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


@dataclass(frozen=True)
class Quantisation:
    """How a tensor's integers stand for numbers: `value = (integer - zero_point) * scale`."""

    dtype: np.dtype[Any]
    scale: np.float32
    zero_point: np.float32
    lowest: np.float32
    highest: np.float32

    @classmethod
    def of(cls, detail: dict[str, Any]) -> Quantisation:
        """Read it from the interpreter's description of a tensor."""
        dtype, scale = np.dtype(detail["dtype"]), detail["quantization"][0]
        if dtype != np.float32 and (dtype.kind not in "iu" or not 0.0 < scale < np.inf):
            raise BundleError(f"networks must have float32 or integers with a scale above 0 (got {dtype} and {scale})")
        limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
        return cls(dtype, *map(np.float32, (*detail["quantization"], limits.min, limits.max)))

    def quantise(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return numbers as integers: scaled, rounded, clipped, cast; what is of the tensor's type as it is."""
        if values.dtype == self.dtype:
            return values
        steps = values / self.scale
        steps += self.zero_point
        np.rint(steps, out=steps)
        np.maximum(steps, self.lowest, out=steps)
        np.minimum(steps, self.highest, out=steps)
        return steps.astype(self.dtype)

    def dequantise(self, integers: NDArray[Any]) -> Float32:
        """Return integers as float32 numbers."""
        if self._table is not None:
            return self._table.take(integers.view(BYTE))
        return integers if self.dtype == FLOAT32 else self._values(integers)

    @cached_property
    def _table(self) -> Float32 | None:
        """The numbers that the 256 integers of a byte stand for, in the order of their bits; None if it is no byte."""
        bits = np.arange(256, dtype=BYTE)
        return self._values(bits.view(self.dtype)) if self.dtype.itemsize == 1 else None

    def _values(self, integers: NDArray[Any]) -> Float32:
        values: Float32 = np.subtract(integers, self.zero_point, dtype=np.float32)
        values *= self.scale
        return values


UNQUANTISED = Quantisation.of({"dtype": np.float32, "quantization": (0.0, 0)})


class Model:
    """One quantised network: float32 rows in, float32 rows out.

    Single-threaded: a second thread gains nothing on networks this small and stalls on a busy machine.
    `quantisation` is the input's, for rows that are integers already.

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
                check_memory(self._interpreter.get_tensor_details(), name)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, TypeError, MemoryError) as error:
            raise BundleError(f"{name} is not a model that this TFLite runtime can run: {error}") from error
        self._name = name
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = [tuple(detail["shape"]) for detail in (*inputs, *outputs)]
        if len(shapes) != 2 or any(len(shape) != 2 for shape in shapes):
            raise BundleError(f"{name} must have one (rows, features) input and one output (got {shapes})")
        self._input, self._output = int(inputs[0]["index"]), int(outputs[0]["index"])
        self._set, self._get = self._interpreter.set_tensor, self._interpreter.get_tensor
        self._invoke = self._interpreter.invoke
        self.quantisation = Quantisation.of(inputs[0])
        self._dtype = self.quantisation.dtype
        self._dequantise = Quantisation.of(outputs[0]).dequantise
        self._rows = shapes[0][0]
        self.n_inputs, self.n_outputs = int(shapes[0][1]), int(shapes[1][1])

    def __call__(self, rows: NDArray[Any]) -> Float32:
        """Return the network's output, float32 [shape=(rows, n_outputs)].

        Parameters
        ----------
        rows : float32 [shape=(rows, n_inputs)], or such rows after `quantisation.quantise`

        Another number of rows than last time costs a re-allocation: keep it steady in a stream.
        """
        try:
            if len(rows) != self._rows:
                self._interpreter.resize_tensor_input(self._input, (len(rows), self.n_inputs), strict=False)
                self._interpreter.allocate_tensors()
                self._rows = len(rows)
            self._set(self._input, rows if rows.dtype == self._dtype else self.quantisation.quantise(rows))
            self._invoke()
            return self._dequantise(self._get(self._output))
        except (RuntimeError, ValueError) as error:
            raise BundleError(f"{self._name} cannot be run: {error}") from error


def check_memory(details: Iterable[Mapping[str, Any]], name: str) -> None:
    """Raise `BundleError` if a model's tensors would take more memory than such networks need, by far."""
    taken = sum(math.prod(map(int, detail["shape"])) * np.dtype(detail["dtype"]).itemsize for detail in details)
    if taken > LARGEST_TENSORS_BYTES:
        raise BundleError(f"{name} must take at most {LARGEST_TENSORS_BYTES:,} bytes of memory (got {taken:,})")

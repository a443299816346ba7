"""Splits a head's TFLite file into its first layer, a row of weights per count, and the rest; nothing is rounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from bowstream.errors import BundleError
from bowstream.model.sparse import ZERO_POINT


def split_head(content: bytes) -> tuple[dict[str, np.ndarray], bytes]:
    """Return the arrays of a `bowstream.model.sparse.SparseNetwork` and the network of the layers after the first.

    Raises
    ------
    BundleError
        If the network does not begin with a fully connected int8 layer with ReLU, or is of one layer.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    layer, *others = graph.operators
    inputs: list[Any] = [graph.tensors[index] if index >= 0 else None for index in layer.inputs]
    data, weights, bias = inputs
    (index,) = layer.outputs
    hidden = graph.tensors[index]
    if not (
        others
        and isinstance(layer.builtinOptions, schema.FullyConnectedOptionsT)
        and layer.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU
        and {data.type, weights.type, hidden.type} == {schema.TensorType.INT8}
        and data.quantization.zeroPoint == hidden.quantization.zeroPoint == [ZERO_POINT]
    ):
        raise BundleError("a head must begin with a fully connected int8 layer with ReLU, and go on")
    rows = values(model, weights, np.int8).reshape(weights.shape).T
    step, steps, hidden_step = (np.float32(tensor.quantization.scale) for tensor in (data, weights, hidden))
    arrays = {
        "rows": np.ascontiguousarray(rows),
        "bias": np.zeros(rows.shape[1], np.int32) if bias is None else values(model, bias, np.int32),
        "multiplier": np.asarray(step * steps / hidden_step),
        "scale": np.asarray(step).reshape(()),
    }
    # What no operator names any more costs nothing but its content.
    graph.operators, graph.inputs = others, [index]
    for tensor in filter(None, (weights, bias)):
        model.buffers[tensor.buffer].data = None
    for signature in model.signatureDefs or ():
        signature.inputs[0].tensorIndex = index
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return arrays, bytes(builder.Output())


def values(model: Any, tensor: Any, dtype: type[np.generic]) -> np.ndarray:
    """Return the content of a constant tensor, flat."""
    return np.frombuffer(np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes(), dtype)

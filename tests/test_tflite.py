import sys

import numpy as np
import pytest

from bowstream.errors import BundleError
from bowstream.model import tflite
from bowstream.model.tflite import Model, Quantisation


def spec(dtype, scale=0.0, zero_point=0):
    return Quantisation.of({"dtype": dtype, "quantization": (scale, zero_point)})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
def test_quantise_clips_at_the_extremes(dtype):
    limits = np.iinfo(dtype)
    values = np.array([-np.inf, -1e30, -1e9, 1e9, 1e30, np.inf], np.float32)
    with np.errstate(all="raise"):
        quantised = spec(dtype, 0.01, 3).quantise(values)
    assert quantised.dtype == dtype
    assert quantised.tolist() == [limits.min] * 3 + [limits.max] * 3


def test_quantise_rounds_and_shifts():
    values = np.array([0.0, 0.049, 0.051, -0.049, -0.051, 12.7, -12.8, 0.1], np.float32)
    assert spec(np.int8, 0.1).quantise(values).tolist() == [0, 0, 1, 0, -1, 127, -128, 1]
    assert spec(np.int8, 0.1, -128).quantise(values).tolist() == [-128, -128, -127, -128, -128, -1, -128, -127]


def test_there_and_back_is_within_half_a_step():
    values = np.linspace(-1.0, 1.0, 1001, dtype=np.float32)
    for zero_point in (-20, 0, 13):
        int8 = spec(np.int8, 0.02, zero_point)
        inside = np.abs(values / 0.02 + zero_point) < 127
        back = int8.dequantise(int8.quantise(values))
        assert back.dtype == np.float32
        assert np.abs(back - values)[inside].max() <= 0.01 + 1e-6


def test_every_step_survives_the_way_there_and_back():
    steps = np.arange(-128, 128).astype(np.int8)
    int8 = spec(np.int8, 0.0371, -7)
    assert np.array_equal(int8.quantise(int8.dequantise(steps)), steps)


def test_float_tensors_pass():
    values = np.array([1.5, -2.5], np.float32)
    assert spec(np.float32).quantise(values) is values
    assert spec(np.float32).dequantise(values) is values


def test_rows_do_not_depend_on_their_neighbours(bundle):
    """Asked for one, many and one again, a network gives a row the same bits."""
    for encoder in bundle.encoders.values():
        network = encoder.network
        rows = np.random.default_rng(0).random((13, network.n_inputs), np.float32)
        together = network(rows)
        assert together.shape == (13, network.n_outputs)
        assert together.dtype == np.float32
        for row, wanted in zip(rows, together):
            assert np.array_equal(network(row[np.newaxis])[0], wanted)


def networks(bundle):
    """All that the runtime runs; of the head, what follows its first layer."""
    head = bundle.head.network
    return [getattr(head, "_rest", head), *(encoder.network for encoder in bundle.encoders.values())]


def test_encoders_and_head_are_quantised(bundle):
    for network in networks(bundle):
        (ins,), (outs,) = network._interpreter.get_input_details(), network._interpreter.get_output_details()
        assert (ins["dtype"], outs["dtype"]) == (np.int8, np.int8)


def test_only_dense_layers_run(bundle):
    """No convolution, recurrence or attention at run time."""
    allowed = {"FULLY_CONNECTED", "DELEGATE", "QUANTIZE", "DEQUANTIZE", "RELU", "RESHAPE"}
    for network in networks(bundle):
        assert {op["op_name"] for op in network._interpreter._get_ops_details()} <= allowed


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"\0" * 1000, b"TFL3" * 100], ids=["empty", "junk", "zeros", "magic"]
)
def test_what_is_no_model_is_refused(content, capfd):
    with pytest.raises(BundleError, match="thing is not a model that this TFLite runtime can run"):
        Model(content, "thing")
    assert capfd.readouterr().err == ""


def test_a_missing_runtime_is_named(monkeypatch):
    for name in tflite.RUNTIMES:
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.interpreter", None)
    with pytest.raises(BundleError, match="pip install ai-edge-litert"):
        tflite.load_runtime()


def test_the_other_runtime_is_taken_where_it_is_the_one_installed(monkeypatch):
    fake = type(sys)("tflite_runtime.interpreter")
    fake.Interpreter = object()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", type(sys)("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", fake)
    assert tflite.load_runtime() == ("tflite_runtime", fake.Interpreter)

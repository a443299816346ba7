"""A head's file, split: the same outputs to the last bit, and bundles of the format before still do what they did."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="tensorflow is not installed")

import keras

from bowstream import load_bundle
from bowstream.errors import BundleError
from bowstream.model.bundle import HEAD, HEAD_ROWS, WHOLE_HEAD_FORMAT, read_description
from bowstream.model.sparse import SparseNetwork
from bowstream.model.tflite import Model
from train import cost
from train.model import bundle as written
from train.model.export import to_int8
from train.model.split import split_head


@pytest.fixture(scope="module")
def content():
    return cost.random_network(600, 96, 5)


def test_a_split_head_is_the_whole_one(content):
    rows, rest = split_head(content)
    assert rows["rows"].shape == (600, 96)
    assert len(rest) < len(content) - rows["rows"].size / 2
    whole, parts = Model(content), SparseNetwork(rows, Model(rest))
    assert parts.quantisation == whole.quantisation
    rng = np.random.default_rng(0)
    for filled in (0, 5, 60, 600) * 50:
        row = np.full((1, 600), -128, np.int8)
        row[0, rng.choice(600, filled, replace=False)] = rng.integers(-128, 128, filled)
        assert np.array_equal(parts(row), whole(row))
    counts = rng.random((7, 600), np.float32) * 2.0
    assert np.array_equal(parts(counts), np.concatenate([whole(row[np.newaxis]) for row in counts]))


def test_what_cannot_be_split():
    examples = np.random.default_rng(0).random((100, 8), np.float32)
    one = to_int8(keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(3)]), examples)
    tanh = to_int8(
        keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]), examples
    )
    below_0 = to_int8(
        keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3)]),
        examples - 0.5,
    )
    for head in (one, tanh, below_0):
        with pytest.raises(BundleError, match="must begin with a fully connected int8 layer with ReLU"):
            split_head(head)


def test_a_bundle_of_the_format_before(content, monkeypatch):
    """It has the whole head in one file, and gives the same scores."""
    size = cost.Size(width=16, codes_a_band=8, codes_a_family=32, latent=4, head=24, tags=3)
    whole_heads = []
    monkeypatch.setattr(written, "split_head", lambda head: whole_heads.append(head) or split_head(head))
    with cost.random_bundle(size) as path:
        new, description = load_bundle(path), dict(read_description(path))
        codes = np.random.default_rng(0).integers(0, 2 * 12 * 8 + 2 * 32, (20, new.head.context, 143))
        (path / HEAD).write_bytes(whole_heads[0])
        (path / HEAD_ROWS).unlink()
        monkeypatch.setattr(written, "FILES", [name for name in written.FILES if name != HEAD_ROWS])
        del description["sha256"]
        written.seal(path, {**description, "format": WHOLE_HEAD_FORMAT})
        old = load_bundle(path)
    assert isinstance(old.head.network, Model)
    assert isinstance(new.head.network, SparseNetwork)
    assert np.array_equal(old.head(codes), new.head(codes))

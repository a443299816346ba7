import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from bowstream import load_bundle
from bowstream.bundle import default_path
from bowstream.codebook import Codebook
from bowstream.coder import Encoder
from bowstream.frontend import FrontEnd
from bowstream.patches import input_sizes

# The same examples in every run; no deadline, because a busy machine is no bug.
settings.register_profile("bowstream", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("bowstream")


@pytest.fixture(scope="session")
def bundle():
    """The bundle that is shipped, as a user loads it."""
    return load_bundle()


@pytest.fixture(scope="session")
def bundle_path():
    return default_path()


@pytest.fixture(scope="session")
def front_end():
    return FrontEnd()


@pytest.fixture(scope="session")
def reference():
    """What librosa and Pillow say; see reference/make.py."""
    with np.load(Path(__file__).parent / "reference" / "front_end.npz", allow_pickle=False) as arrays:
        return dict(arrays)


class StubNetwork:
    """A random projection whose sums are exact in float32, so that no product order can change a bit."""

    def __init__(self, n_inputs, n_outputs, seed):
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        rng = np.random.default_rng(seed)
        self._weights = rng.integers(-1, 2, (n_inputs, n_outputs)).astype(np.float32)

    def __call__(self, rows):
        return np.rint(rows * np.float32(16.0)) @ self._weights


@pytest.fixture(scope="session")
def stub_encoders(front_end):
    """Encoders with exact random networks: quick, and easy to reason about."""
    rng = np.random.default_rng(7)
    encoders = {}
    for seed, (family, size) in enumerate(input_sizes(front_end).items()):
        network = StubNetwork(size, 4, seed)
        examples = rng.random((8 * (seed + 1), size), np.float32) ** rng.integers(1, 20, (8 * (seed + 1), 1))
        encoders[family] = Encoder(network, Codebook(network(examples.astype(np.float32))))
    return encoders


@pytest.fixture
def command():
    """How a subprocess starts bowstream: the command line, and an environment without a terminal's habits."""
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    return [sys.executable, "-m", "bowstream"], environment

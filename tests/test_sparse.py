"""The head's first layer, a row per count: exact whatever came before."""

import itertools

import numpy as np
import pytest
from spoiling import assert_refused

from bowstream.model.bundle import ENCODERS, HEAD_ROWS
from bowstream.model.sparse import EXACT_PRODUCTS, ROWS_AT_ONCE, SparseNetwork
from bowstream.model.tflite import Model


@pytest.fixture
def network(bundle):
    """The head's network; what it heard before is not told."""
    return bundle.head.network


@pytest.fixture
def plain(network, bundle_path):
    """The same in one product, and nothing kept."""
    with np.load(bundle_path / HEAD_ROWS) as arrays:
        weights, bias, multiplier = arrays["rows"].astype(np.float64), arrays["bias"], arrays["multiplier"]

    def outputs(row):
        sums = (row.astype(np.float64) + 128) @ weights + bias
        hidden = np.clip(np.rint(sums.astype(np.float32) * multiplier), 0, 255) - 128
        return network._rest(hidden[np.newaxis].astype(np.int8))

    return outputs


def inputs(network, rng, filled):
    """A row of inputs of which some are not 0, of any value."""
    row = np.full(network.n_inputs, -128, np.int8)
    row[rng.choice(len(row), filled, replace=False)] = rng.integers(-128, 128, filled)
    return row


def test_sums_are_exact_in_any_order(network, plain):
    """From few inputs to all, and back: more at a time than float32 could add up at once, too."""
    rng = np.random.default_rng(0)
    rows = [
        inputs(network, rng, filled) for filled in (0, 1, ROWS_AT_ONCE, 300, EXACT_PRODUCTS, 3000, network.n_inputs)
    ]
    rows.append(np.full(network.n_inputs, 127, np.int8))
    wanted = [plain(row) for row in rows]
    assert len({one.tobytes() for one in wanted}) > 4
    for order in itertools.islice(itertools.permutations(range(len(rows))), 0, None, 4000):
        for index in order:
            assert np.array_equal(network(rows[index][np.newaxis]), wanted[index])
    assert np.array_equal(network(np.stack(rows)), np.concatenate(wanted))


def test_a_row_aside_is_exact_and_not_built_upon(network, plain):
    rng = np.random.default_rng(2)
    rows = [inputs(network, rng, filled) for filled in (0, 1, 200, 3000, network.n_inputs)]
    near = rows[2].copy()
    near[:100] = 5
    aside = network.rest(network.aside(np.stack([near, *rows])))
    assert np.array_equal(aside, np.concatenate([plain(row) for row in (near, *rows)]))
    network(rows[2][np.newaxis])
    before = network._last.copy(), network._sums.copy()
    assert np.array_equal(network.rest(network.aside(np.stack([near, *rows]))), aside)
    assert np.array_equal(network._last, before[0]) and np.array_equal(network._sums, before[1])
    assert np.array_equal(network(near[np.newaxis]), plain(near))


def test_no_more_rows_are_added_at_a_time_than_float32_adds_exactly():
    assert ROWS_AT_ONCE <= EXACT_PRODUCTS
    assert EXACT_PRODUCTS * 255 * 128 <= 2**24


def test_numbers_become_integers(network):
    counts = np.zeros((1, network.n_inputs), np.float32)
    counts[0, :300] = np.sqrt(np.arange(300))
    assert np.array_equal(network(counts), network(network.quantisation.quantise(counts)))


def test_a_row_that_is_changed_afterwards_does_no_harm(network, plain):
    row = inputs(network, np.random.default_rng(1), 200)
    wanted = plain(row)
    given = row.copy()
    network(given[np.newaxis])
    given[:] = 127
    assert np.array_equal(network(row[np.newaxis]), wanted)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda a: a.pop("bias"), "must hold rows, bias, multiplier, scale"),
        (lambda a: a.update(rows=a["rows"].astype(np.int16)), "must be int8"),
        (lambda a: a.update(rows=a["rows"][:, 1:]), "must be int8"),
        (lambda a: a.update(rows=a["rows"][0]), "must be int8"),
        (lambda a: a.update(rows=a["rows"][1:]), "must map .* values"),
        (lambda a: a.update(bias=a["bias"][1:]), "must be int8"),
        (lambda a: a.update(multiplier=a["multiplier"] * np.nan), "must have finite scales above 0"),
        (lambda a: a.update(scale=a["scale"] * 0), "must have finite scales above 0"),
    ],
)
def test_rows_that_do_not_fit(spoil, match, copy, capsys):
    arrays = copy.arrays(HEAD_ROWS)
    spoil(arrays)
    copy.replace_arrays(HEAD_ROWS, **arrays)
    assert_refused(copy, match, capsys)


def test_a_rest_that_does_not_follow(bundle_path):
    """An encoder's input has another zero point, its patches being centred on another value."""
    rest = Model((bundle_path / ENCODERS["o"]).read_bytes())
    hidden = rest.n_inputs
    arrays = {
        "rows": np.zeros((9, hidden), np.int8), "bias": np.zeros(hidden, np.int32),
        "multiplier": np.ones(hidden, np.float32), "scale": np.array(1.0, np.float32),
    }  # fmt: skip
    with pytest.raises(Exception, match="must be followed by a network of int8 with zero point -128"):
        SparseNetwork(arrays, rest)

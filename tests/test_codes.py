"""Codebooks and the counts of codes in a window."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from signals import scene

from bowstream.errors import BundleError, UsageError
from bowstream.model.codebook import Codebook
from bowstream.model.encoder import Encoder, WindowEncoder
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.model.patches import FAMILIES, families_of_codes


@pytest.mark.parametrize("seed", range(5))
def test_nearest_centroid_is_brute_forces(seed):
    rng = np.random.default_rng(seed)
    centroids = rng.standard_normal((256, 8)).astype(np.float32)
    latents = rng.standard_normal((10, 12, 8)).astype(np.float32)
    distances = np.square(latents[:, :, None, :].astype(np.float64) - centroids).sum(axis=-1)
    codes = Codebook(centroids).predict(latents)
    assert codes.shape == (10, 12)
    assert np.array_equal(codes, distances.argmin(axis=-1))


def test_a_codebook_a_band_offers_each_patch_only_its_bands_centroids():
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((5, 12, 8)).astype(np.float32)
    centroids = rng.standard_normal((12, 64, 8)).astype(np.float32)
    distances = np.square(latents[:, :, None, :].astype(np.float64) - centroids).sum(axis=-1)  # (5, 12, 64)
    codebook = Codebook(centroids)
    assert len(codebook) == 12 * 64
    assert (codebook.predict(latents) == distances.argmin(axis=-1) + np.arange(12) * 64).all()


@pytest.mark.parametrize(("patches", "bands"), [(12, 12), (12, 1), (24, 12), (1, 1)])
def test_each_part_of_a_vector_has_a_code(patches, bands):
    """Product codes: by patch and part; in the counts by band, part and centroid."""
    rng = np.random.default_rng(2)
    latents = rng.standard_normal((5, patches, 12)).astype(np.float32)
    centroids = rng.standard_normal((bands, 3, 16, 4)).astype(np.float32)
    codebook = Codebook(centroids)
    assert (len(codebook), codebook.n_values, codebook.n_parts) == (bands * 3 * 16, 12, 3)
    codes = codebook.predict(latents)
    assert codes.shape == (5, patches * 3)
    for patch in range(patches):
        band = patch // (patches // bands)
        for part in range(3):
            of_part = latents[:, patch, np.newaxis, 4 * part : 4 * part + 4].astype(np.float64)
            nearest = np.square(of_part - centroids[band, part]).sum(axis=2).argmin(axis=1)
            assert (codes[:, patch * 3 + part] == (band * 3 + part) * 16 + nearest).all()
    assert np.array_equal(np.concatenate([codebook.predict(one[np.newaxis]) for one in latents]), codes)


def test_one_part_is_the_whole_vector():
    rng = np.random.default_rng(3)
    latents = rng.standard_normal((5, 12, 8)).astype(np.float32)
    centroids = rng.standard_normal((12, 64, 8)).astype(np.float32)
    whole = Codebook(centroids).predict(latents)
    assert np.array_equal(Codebook(centroids[:, np.newaxis]).predict(latents), whole)


def test_a_centroids_code_is_its_own_index():
    centroids = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32) * 100
    assert Codebook(centroids).predict(centroids[np.newaxis])[0].tolist() == list(range(64))


def test_a_far_but_aligned_centroid_is_not_nearest():
    """The inner product alone would choose it."""
    codebook = Codebook(np.array([[1.0, 0.0], [100.0, 0.0]], np.float32))
    assert codebook.predict(np.array([[[2.0, 0.0]]], np.float32)) == 0


def test_of_equals_the_first_is_taken():
    assert Codebook(np.ones((3, 2), np.float32)).predict(np.zeros((1, 1, 2), np.float32)) == 0


def test_codes_do_not_depend_on_how_many_are_asked_for(bundle):
    for encoder in bundle.encoders.values():
        patches = np.random.default_rng(0).random((10, 12, encoder.network.n_inputs), np.float32)
        apart = [encoder.codes(one[np.newaxis]) for one in patches]
        assert np.array_equal(np.concatenate(apart), encoder.codes(patches))


@pytest.mark.parametrize(
    "centroids",
    [
        np.zeros(4, np.float32),
        np.zeros((4, 2)),
        np.full((4, 2), np.nan, np.float32),
        np.full((4, 2), np.inf, np.float32),
    ],
    ids=["flat", "float64", "nan", "infinite"],
)
def test_senseless_centroids_are_refused(centroids):
    with pytest.raises(BundleError, match="finite float32"):
        Codebook(centroids)


@pytest.fixture(scope="module")
def log_mel(front_end):
    return Level(LevelSettings(), front_end).push(LogMel(front_end).push(scene(4.0)))


def test_counts_sum_to_143_one_family_after_the_other(stub_encoders, front_end, log_mel):
    encoder = WindowEncoder(stub_encoders, front_end, 10)
    codes = encoder.push(log_mel)
    counts = encoder.counts(codes)
    assert codes.shape == (4, 143)
    assert counts.shape == (4, sum(len(encoder.codebook) for encoder in stub_encoders.values()))
    assert counts.dtype == np.int64
    for family, patches in {"pat": 120, "fenv": 12, "env": 10, "o": 1}.items():
        start = encoder.offsets[family]
        inside = counts[:, start : start + len(stub_encoders[family].codebook)]
        assert inside.sum(axis=1).tolist() == [patches] * 4
    assert counts.sum(axis=1).tolist() == [143] * 4
    assert len(np.unique(codes[0])) > 10  # the stub does tell patches apart


@pytest.fixture(scope="module")
def product_encoders(stub_encoders):
    """The same networks, whose vectors of 4 are cut in two, but for `env`."""
    rng = np.random.default_rng(4)
    parts = {"pat": (12, 2, 8, 2), "fenv": (1, 2, 5, 2), "env": (1, 1, 9, 4), "o": (1, 4, 3, 1)}
    return {
        family: Encoder(stub_encoders[family].network, Codebook(rng.random(shape, np.float32)))
        for family, shape in parts.items()
    }


def test_product_codes_are_counted_for_each_part(product_encoders, front_end, log_mel):
    encoder = WindowEncoder(product_encoders, front_end, 10)
    codes = encoder.push(log_mel)
    assert codes.shape == (4, 10 * (12 * 2 + 1) + 12 * 2 + 4)
    counts = encoder.counts(codes)
    assert counts.shape == (4, 12 * 2 * 8 + 2 * 5 + 9 + 4 * 3)
    first = encoder.offsets["pat"]
    of_parts = counts[:, first : first + 12 * 2 * 8].reshape(4, 12, 2, 8).sum(axis=3)
    assert (of_parts == 10).all()  # a column's code of each band and part
    families = families_of_codes(front_end, {"pat": 2, "fenv": 2, "env": 1, "o": 4})
    starts = np.array([encoder.offsets[family] for family in families])
    sizes = np.array([len(product_encoders[family].codebook) for family in families])
    assert ((codes >= starts) & (codes < starts + sizes)).all()


@pytest.mark.parametrize("hop", [1, 3, 10])
def test_product_codes_are_the_same_in_any_pieces(hop, product_encoders, front_end, log_mel):
    every = WindowEncoder(product_encoders, front_end, 1).push(log_mel)
    encoder = WindowEncoder(product_encoders, front_end, hop)
    pieces = [encoder.push(column) for column in log_mel.reshape(-1, 10, 96)]
    assert np.array_equal(np.concatenate(pieces), every[::hop])


def test_first_window_is_full(stub_encoders, front_end, log_mel):
    encoder = WindowEncoder(stub_encoders, front_end, 1)
    assert [len(encoder.push(column)) for column in log_mel.reshape(-1, 10, 96)[:12]] == [0] * 9 + [1] * 3


@pytest.mark.parametrize("hop", [1, 2, 3, 5, 7, 10])
def test_a_window_is_the_same_at_any_hop(hop, stub_encoders, front_end, log_mel):
    every = WindowEncoder(stub_encoders, front_end, 1).push(log_mel)
    assert len(every) == 31
    assert np.array_equal(WindowEncoder(stub_encoders, front_end, hop).push(log_mel), every[::hop])


@given(
    hop=st.integers(1, 10),
    pieces=st.lists(st.integers(0, 14), max_size=8),
)
def test_stream_is_whole(hop, pieces, stub_encoders, front_end, log_mel):
    ends = np.minimum(np.cumsum([0, *pieces]), 40) * 10
    encoder = WindowEncoder(stub_encoders, front_end, hop)
    parts = [encoder.push(log_mel[start:end]) for start, end in pairwise(ends)]
    whole = WindowEncoder(stub_encoders, front_end, hop)
    assert np.array_equal(np.concatenate([np.empty((0, 143), np.intp), *parts]), whole.push(log_mel[: ends[-1]]))
    assert encoder.columns_until_window == whole.columns_until_window
    assert encoder.columns_since_window == whole.columns_since_window


def test_column_codes_are_computed_once(stub_encoders, front_end, log_mel, monkeypatch):
    """A hop of 0.1 s costs the new column and the two families of the whole second, no more."""
    rows = dict.fromkeys(FAMILIES, 0)

    class Counting:
        def __init__(self, family, encoder):
            self.family, self.encoder = family, encoder
            self.network, self.codebook = encoder.network, encoder.codebook

        def codes(self, patches):
            rows[self.family] += patches.shape[0] * patches.shape[1]
            return self.encoder.codes(patches)

    encoder = WindowEncoder({family: Counting(family, stub_encoders[family]) for family in FAMILIES}, front_end, 1)
    for column in log_mel.reshape(-1, 10, 96):
        encoder.push(column)
    assert rows == {"pat": 40 * 12, "env": 40, "fenv": 31 * 12, "o": 31}


@pytest.mark.parametrize("hop", [0, 11, -1])
def test_a_hop_out_of_range_is_refused(hop, stub_encoders, front_end):
    with pytest.raises(UsageError, match=r"hop_columns must be 1 … 10 \(got"):
        WindowEncoder(stub_encoders, front_end, hop)


def test_a_missing_family_is_refused(stub_encoders, front_end):
    without = {family: encoder for family, encoder in stub_encoders.items() if family != "o"}
    with pytest.raises(BundleError, match="encoders must be for pat, fenv, env, o"):
        WindowEncoder(without, front_end, 10)

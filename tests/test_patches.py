import numpy as np
import pytest

from bowstream.model.patches import (
    FAMILIES,
    bicubic,
    cut_env,
    cut_fenv,
    cut_o,
    cut_pat,
    input_sizes,
    join_fenv,
    narrow_o,
    patches_per_window,
    shorten_o,
)


def test_numbers_and_sizes_are_the_papers(front_end):
    assert tuple(FAMILIES) == ("pat", "fenv", "env", "o")
    assert patches_per_window(front_end) == {"pat": 120, "fenv": 12, "env": 10, "o": 1}
    assert input_sizes(front_end) == {"pat": 80, "fenv": 800, "env": 960, "o": 80}


@pytest.mark.parametrize(
    ("cut", "shape", "wanted"),
    [
        (cut_pat, (3, 10, 96), (3, 12, 80)),
        (cut_env, (3, 10, 96), (3, 1, 960)),
        (cut_fenv, (3, 100, 96), (3, 12, 800)),
        (cut_o, (3, 100, 96), (3, 1, 80)),
        (cut_pat, (0, 10, 96), (0, 12, 80)),
    ],
)
def test_shapes(cut, shape, wanted):
    patches = cut(np.zeros(shape, np.float32))
    assert patches.shape == wanted
    assert patches.dtype == np.float32


@pytest.mark.parametrize("cut", [cut_pat, cut_env, cut_fenv])
def test_each_value_lands_in_exactly_one_patch(cut):
    frames = 100 if cut is cut_fenv else 10
    windows = np.arange(2 * frames * 96, dtype=np.float32).reshape(2, frames, 96)
    patches = cut(windows)
    assert np.array_equal(np.sort(patches, axis=None), windows.ravel())
    for window, cut_from_it in zip(windows, patches):
        assert set(cut_from_it.ravel()) == set(window.ravel())


@pytest.mark.parametrize(("cut", "frames"), [(cut_pat, 10), (cut_fenv, 100)])
def test_a_patch_is_eight_adjacent_bands_over_all_frames(cut, frames):
    column = np.arange(frames * 96, dtype=np.float32).reshape(1, frames, 96)
    for band, patch in enumerate(cut(column)[0]):
        assert np.array_equal(patch.reshape(frames, 8), column[0, :, 8 * band : 8 * band + 8])


def test_a_window_is_cut_the_same_a_column_at_a_time():
    window = np.random.default_rng(4).random((100, 96), np.float32)
    columns = window.reshape(10, 10, 96)
    assert np.array_equal(join_fenv(cut_pat(columns)), cut_fenv(window[np.newaxis])[0])
    narrow = np.concatenate([narrow_o(column[np.newaxis]) for column in columns])
    assert np.array_equal(shorten_o(narrow.reshape(1, 100, 8)), cut_o(window[np.newaxis]))


def test_bicubic_is_pillows(reference):
    # Pillow sums in float64 and we in float32; values are in 0 … 1.
    window = reference["window"]
    resized = cut_o(window[np.newaxis]).reshape(10, 8)
    np.testing.assert_allclose(resized, reference["resized"], rtol=0, atol=2e-6)


def test_bicubic_is_pillows_live():
    pytest.importorskip("PIL", reason="Pillow is not installed; the stored reference is checked instead")
    pytest.importorskip("librosa", reason="reference/make.py imports it")
    from reference.make import pillow_resize

    window = np.random.default_rng(3).random((100, 96), np.float32)
    np.testing.assert_allclose(cut_o(window[np.newaxis]).reshape(10, 8), pillow_resize(window), rtol=0, atol=2e-6)


def test_bicubic_keeps_constants_and_mirrors():
    weights = bicubic(96, 8)
    assert weights.shape == (8, 96)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(weights, weights[::-1, ::-1], atol=1e-7)
    assert np.array_equal(bicubic(5, 5), np.eye(5, dtype=np.float32))

"""The patches that training draws: everywhere, of each window as often, and as the run time cuts them."""

import numpy as np
import pytest

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES, cut_env, cut_fenv, cut_o, cut_pat, input_sizes, patches_per_window
from train.common.reels import Reels
from train.dataset.features import Features
from train.model.encoder import draw_patches, patches_of

WINDOWS = 60


@pytest.fixture(scope="module")
def sound():
    """Windows whose every value is their number."""
    log_mel = np.broadcast_to(np.arange(WINDOWS, dtype=np.float32)[:, None, None], (WINDOWS, 100, 96))
    first, length = np.arange(0, WINDOWS, 5), np.full(WINDOWS // 5, 5)
    return Features("made up", FrontEnd(), None, np.ascontiguousarray(log_mel), first, length)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_draw_of_all_is_every_patch_once(sound, family):
    patches = draw_patches(sound, family, np.arange(10, 30), 1_000_000, np.random.default_rng(0))
    per_window = patches_per_window(sound.front_end)[family]
    assert patches.shape == (20 * per_window, input_sizes(sound.front_end)[family])
    assert np.array_equal(np.bincount(np.rint(patches[:, 0]).astype(int))[10:], np.full(20, per_window))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_smaller_draw_comes_from_everywhere(sound, family):
    count = patches_per_window(sound.front_end)[family] * WINDOWS // 4
    patches = draw_patches(sound, family, np.arange(WINDOWS), count, np.random.default_rng(0))
    assert len(patches) == count
    assert abs(patches.mean() - (WINDOWS - 1) / 2) < 8
    again = draw_patches(sound, family, np.arange(WINDOWS), count, np.random.default_rng(0))
    assert np.array_equal(patches, again)


def test_patches_are_those_of_the_run_time():
    log_mel = np.random.default_rng(1).random((3, 100, 96), dtype=np.float32)
    sound = Features("made up", FrontEnd(), None, log_mel, np.array([0]), np.array([3]))
    windows, columns = np.array([2, 0]), log_mel[[2, 0]].reshape(-1, 10, 96)
    assert np.array_equal(patches_of(sound, "pat", windows), cut_pat(columns).reshape(2, 120, 80))
    assert np.array_equal(patches_of(sound, "env", windows), cut_env(columns).reshape(2, 10, 960))
    assert np.array_equal(patches_of(sound, "fenv", windows), cut_fenv(log_mel[[2, 0]]))
    assert np.array_equal(patches_of(sound, "o", windows), cut_o(log_mel[[2, 0]]))


def of_epoch(epoch, drawn):
    """The rows, of a hundred, that an epoch sees."""
    reels = Reels(1, lambda _: {"row": np.arange(100)}, 800, 1.0)
    return np.concatenate([batch["row"] for batch in reels.batches(np.random.default_rng([1, epoch]), 16, drawn)])


def test_epochs_smaller_than_the_pool_see_all_of_it_in_time():
    seen = [of_epoch(epoch, 50) for epoch in range(20)]
    assert all(len(set(order)) == 50 for order in seen)
    assert set(np.concatenate(seen)) == set(range(100))


def test_epochs_larger_than_the_pool_see_each_as_often():
    assert set(np.bincount(of_epoch(0, 300))) == {3}


def test_a_draw_of_a_band_has_the_patches_of_that_band_alone(front_end):
    log_mel = np.random.default_rng(2).random((4, 100, 96), dtype=np.float32)
    log_mel[:, :, 24:32] += 10.0  # the fourth of twelve bands
    sound = Features("made up", front_end, None, log_mel, np.array([0]), np.array([4]))
    for family, count in (("pat", 40), ("fenv", 4)):
        of_band = draw_patches(sound, family, np.arange(4), 1000, np.random.default_rng(0), slice(3, None, 12))
        assert len(of_band) == count and of_band.min() >= 10.0
        of_others = draw_patches(sound, family, np.arange(4), 1000, np.random.default_rng(0), slice(4, None, 12))
        assert len(of_others) == count and of_others.max() <= 1.0

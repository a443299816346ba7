"""Shards: what is written comes back, any rows of it; batches hold every row, mixed as well as by a full shuffle."""

import gc
import itertools
import weakref

import numpy as np
import pytest

from bowstream.model.front_end import FrontEnd
from train.common import shards
from train.common.config import HeadSettings
from train.common.reels import Reels
from train.common.shards import Rows, Shards, deal
from train.dataset.features import CLIP, Features
from train.model.counts import COUNTS, Seen

pytest.importorskip("pyarrow")


def rows(first, count):
    numbers = np.arange(first, first + count, dtype=np.int32)
    return {"number": numbers, "pair": np.stack([numbers, -numbers], axis=1).astype(np.float16)}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Three shards of 5, 0 and 40 rows, in groups of a few rows."""
    monkeypatch.setattr(shards, "GROUP_BYTES", 60)
    found = Shards(tmp_path)
    found.write(0, [rows(0, 2), rows(2, 3)])
    found.write(1, [rows(5, 0)])
    found.write(2, [rows(5, 40)])
    return found


def test_rows_come_back_in_their_order(written):
    assert len(written) == 3 and written.first.tolist() == [0, 5, 5, 45]
    assert len(written.groups[2]) > 3
    for number, first, count in ((0, 0, 5), (1, 5, 0), (2, 5, 40)):
        for name, values in rows(first, count).items():
            found = written.whole(number, [name])
            assert found.keys() == {name} and found[name].dtype == values.dtype
            assert np.array_equal(found[name], values)


@pytest.mark.parametrize("asked", [[7], [44, 0, 17, 17, 4, 5], list(range(45))])
def test_any_rows_are_read_where_they_are_asked_for(written, asked):
    pairs = Rows(written, "pair")
    assert len(pairs) == 45
    assert np.array_equal(pairs[np.array(asked)], rows(0, 45)["pair"][asked])


def test_a_shard_is_written_whole_or_not_at_all(tmp_path):
    def cut():
        yield rows(0, 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Shards(tmp_path).write(0, cut())
    assert not list(tmp_path.iterdir())


def test_items_are_dealt_at_random_to_shards_that_are_not_too_large():
    dealt = deal([1] * 250)
    assert [len(items) for items in dealt] == [100, 100, 50]
    assert sorted(np.concatenate(dealt)) == list(range(250))
    assert abs(np.corrcoef(np.arange(250), np.concatenate(dealt))[0, 1]) < 0.2
    assert [len(items) for items in deal([shards.SHARD_BYTES, 1, shards.SHARD_BYTES])] in ([1, 1, 1], [1, 2], [2, 1])
    assert all(map(np.array_equal, dealt, deal([1] * 250)))


def test_all_rows_are_in_the_batches_of_a_turn_whatever_fits_into_a_reel():
    for size in (50, 300, 10_000):
        reels = Reels(7, lambda number: rows(10 * number, 10 - number), size, 1e-4)
        batches = list(reels.batches(np.random.default_rng(1), 8, 2 * 49))
        assert [len(batch["number"]) for batch in batches] == [8] * 12 + [2]
        found = np.concatenate([batch["number"] for batch in batches])
        every = np.concatenate([rows(10 * number, 10 - number)["number"] for number in range(7)])
        for turn in (found[:49], found[49:]):
            assert np.array_equal(np.sort(turn), every) and not np.array_equal(turn, every)
        assert not np.array_equal(found[:49], found[49:])


def test_what_fits_into_a_reel_is_read_once():
    read = []
    reels = Reels(3, lambda number: read.append(number) or rows(0, 4), 100, 1e-4)
    for _ in range(3):
        list(itertools.islice(reels.turn(np.random.default_rng(0)), 1))
    assert read == [0, 1, 2]


def test_batches_are_as_mixed_as_those_of_a_full_shuffle():
    """Five rows of an item lie together; how far the tags of a batch stray from all is as if rows were drawn singly."""
    items, of_item = 20_000, 5
    tags = np.sort(np.random.default_rng(0).integers(0, 20, items)).astype(np.int8)  # as folders of tags list them
    dealt = deal([1] * items)
    reels = Reels(len(dealt), lambda number: {"tag": np.repeat(tags[dealt[number]], of_item)}, items * of_item, 0.004)
    assert reels.reels == 25

    def strays(batches):
        share = np.stack([np.bincount(batch, minlength=20) for batch in batches]) / 128
        return share.var(axis=0).mean()

    whole = len(tags) * of_item // 128 * 128
    found = strays([batch["tag"] for batch in reels.batches(np.random.default_rng(3), 128, whole)])
    shuffled = np.random.default_rng(4).permutation(np.repeat(tags, of_item))[:whole].reshape(-1, 128)
    assert found / strays(shuffled) == pytest.approx(1.0, abs=0.15)
    in_order = strays(np.repeat(tags, of_item)[:whole].reshape(-1, 128))
    assert in_order > 50 * found


def test_batches_are_read_as_a_data_set_that_its_seed_determines():
    pytest.importorskip("tensorflow")
    reels = Reels(2, lambda number: rows(10 * number, 10), 400, 1e-4)
    one, again, other = (
        [batch["pair"].numpy() for batch in reels.data(seed, 8, 20)] for seed in ([1, 0], [1, 0], [1, 1])
    )
    assert [len(batch) for batch in one] == [8, 8, 4] and int(reels.data([1, 0], 8, 20).cardinality()) == 3
    assert all(map(np.array_equal, one, again)) and not all(map(np.array_equal, one, other))


def test_what_a_data_set_has_read_is_let_go_of_with_it():
    pytest.importorskip("tensorflow")
    pool = np.arange(100)
    there = weakref.ref(pool)
    reels = Reels(1, lambda _, rows=pool: {"row": rows}, pool.nbytes, 1.0)
    data = reels.data([1], 8, 100).map(lambda batch: batch["row"])
    first, *_ = data
    assert np.array_equal(first, next(iter(data)))  # from the start, as Keras looks at the first batch before all else
    del data, reels, pool
    gc.collect()
    assert there() is None


def test_what_a_head_sees_is_as_many_reels_as_its_size_asks_for(tmp_path):
    """Two shards of ten clips of a window, of three counts that it sees in two bytes each."""
    for number in (0, 1):
        clips = np.arange(10 * number, 10 * number + 10, dtype=np.int32)
        Shards(tmp_path).write(number, [{CLIP: clips, COUNTS: np.ones((10, 3), np.int16)}])
    seen = Seen(Shards(tmp_path), FrontEnd(), HeadSettings(), 1)
    sound = Features("made up", FrontEnd(), None, np.zeros((20, 1)), np.arange(20), np.ones(20, np.intp))
    fit = np.arange(0, 20, 2)
    for reel_mb, reels in ((60e-6, 1), (59e-6, 2)):
        found = seen.reels(sound, fit, reel_mb)
        assert found.reels == reels
        rows = [reel[CLIP] for reel in found.turn(np.random.default_rng(0))]
        assert len(rows) == reels and sorted(np.concatenate(rows)) == fit.tolist()

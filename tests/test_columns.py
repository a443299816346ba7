"""Nothing is computed before it is due, or looked at; when it is makes no difference to what it is."""

from dataclasses import replace

import numpy as np
import pytest
from signals import scene

from bowstream.model.columns import Columns
from bowstream.model.encoder import Encoder
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.tagger import Tagger

SOUND = scene(3.0)
COLUMNS = SOUND.reshape(-1, 1600)


@pytest.fixture
def whole(front_end):
    return Level(LevelSettings(), front_end).push(LogMel(front_end).push(SOUND))


@pytest.mark.parametrize("looked_at", [(), (0,), (3, 4, 11), range(30)], ids=["never", "first", "some", "all"])
def test_log_mel_is_the_same_whenever_it_is_computed(looked_at, front_end, whole):
    columns = Columns(front_end, LevelSettings())
    blocks, taken = [], []
    for index, samples in enumerate(COLUMNS):
        blocks.append(columns.push(samples))
        assert columns.waiting == index % 7 + 1
        if index in looked_at:
            assert np.array_equal(blocks[-1].log_mel(), whole[10 * index : 10 * index + 10])
        if index % 7 == 6:
            taken.append(columns.take())
            assert columns.waiting == 0
    assert [len(one) for one in taken] == [70] * 4
    assert np.array_equal(np.concatenate([*taken, columns.take()]), whole)
    assert np.array_equal(np.concatenate([block.log_mel() for block in blocks]), whole)


def test_a_block_of_before_a_reset_can_still_be_looked_at(front_end, whole):
    columns = Columns(front_end, LevelSettings())
    before = [columns.push(samples) for samples in COLUMNS[:3]]
    columns.reset()
    after = columns.push(COLUMNS[0])
    assert np.array_equal(np.concatenate([block.log_mel() for block in before]), whole[:30])
    assert np.array_equal(after.log_mel(), whole[:10])
    assert np.array_equal(columns.take(), whole[:10])


def test_an_array_may_be_used_again(bundle):
    """A sound card's buffer is, while its samples wait for the rest of their hop."""
    wanted = Tagger(bundle).push(SOUND)
    tagger, buffer, scores = Tagger(bundle), np.empty(1600, np.float32), []
    for samples in COLUMNS:
        buffer[:] = samples
        scores += tagger.push(buffer)
    assert scores == wanted


class Counting:
    """A network that notes how many rows it is given at a time."""

    def __init__(self, network):
        self._network, self.rows = network, []

    def __getattr__(self, name):
        return getattr(self._network, name)

    def __call__(self, rows):
        self.rows.append(len(rows))
        return self._network(rows)


@pytest.mark.parametrize(("hop_s", "columns"), [(1.0, 10), (0.5, 5), (0.3, 3), (0.1, 1)])
def test_encoders_run_once_a_hop(hop_s, columns, bundle):
    """On all of its new columns together, though they come one by one."""
    networks = {family: Counting(encoder.network) for family, encoder in bundle.encoders.items()}
    encoders = {family: Encoder(networks[family], bundle.encoders[family].codebook) for family in networks}
    tagger = Tagger(replace(bundle, encoders=encoders), hop_s)
    hops = 1 + (30 - 10) // columns
    assert len([scores for samples in COLUMNS for scores in tagger.push(samples)]) == hops
    rows = {family: network.rows for family, network in networks.items()}
    assert rows["env"] == [10] + [columns] * (hops - 1)
    assert rows["pat"] == [12 * count for count in rows["env"]]
    assert (rows["fenv"], rows["o"]) == ([12] * hops, [1] * hops)


def test_a_window_that_has_begun_is_flushed_though_nothing_was_computed(bundle):
    tagger = Tagger(bundle)
    assert tagger.flush() == []
    tagger.push(COLUMNS[0])
    (scores,) = tagger.flush()
    (wanted,) = Tagger(bundle).push(np.concatenate([COLUMNS[0], np.zeros(9 * 1600, np.float32)]))
    assert scores == wanted
    assert tagger.flush() == []


def test_what_is_no_column_is_refused_at_once(bundle):
    tagger = Tagger(bundle)
    for wrong in (SOUND[:1599], SOUND[:1600].astype(np.float64), SOUND[:3200].reshape(2, 1600)):
        with pytest.raises(ValueError, match=r"samples must be float32 in columns of 1600 \(got"):
            tagger.push(wrong)
    assert tagger.position == 0

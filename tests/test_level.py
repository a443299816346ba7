import numpy as np
import pytest
from signals import scene

from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel

SIXTY_DB = 6.0 * np.log(10.0)


@pytest.fixture(scope="module")
def log_mel(front_end):
    return LogMel(front_end).push(scene(3.0))


def test_the_loudest_of_the_last_second_is_1_and_60_db_below_is_0(log_mel, front_end):
    scaled = Level(LevelSettings(), front_end).push(log_mel)
    assert scaled.dtype == np.float32
    assert scaled.shape == log_mel.shape
    for column in range(30):
        first = max(0, column - 9)
        loudest = max(-16.0, log_mel[10 * first : 10 * column + 10].max())
        wanted = np.maximum(0.0, (log_mel[10 * column : 10 * column + 10] - loudest) / SIXTY_DB + 1.0)
        np.testing.assert_allclose(scaled[10 * column : 10 * column + 10], wanted, atol=1e-6)


def test_it_is_causal(log_mel, front_end):
    """What comes later changes nothing that was handed out."""
    louder = log_mel.copy()
    louder[150:] += 5.0
    one, other = (Level(LevelSettings(), front_end).push(sound) for sound in (log_mel, louder))
    assert np.array_equal(one[:150], other[:150])
    assert not np.array_equal(one[150:], other[150:])


def test_gain_does_not_matter(log_mel, front_end):
    one, other = (Level(LevelSettings(ref_floor=-30.0), front_end).push(sound) for sound in (log_mel, log_mel - 3.0))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_silence_is_not_blown_up(front_end):
    floor = np.full((100, 96), np.log(1e-10), np.float32)
    wanted = max(0.0, (np.log(1e-10) + 16.0) / SIXTY_DB + 1.0)
    np.testing.assert_allclose(Level(LevelSettings(), front_end).push(floor), wanted, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 7, 30])
def test_stream_is_whole(size, log_mel, front_end):
    level = Level(LevelSettings(), front_end)
    parts = [level.push(log_mel[start : start + 10 * size]) for start in range(0, 300, 10 * size)]
    assert np.array_equal(np.concatenate(parts), Level(LevelSettings(), front_end).push(log_mel))


def test_the_input_is_left_alone(log_mel, front_end):
    before = log_mel.copy()
    Level(LevelSettings(), front_end).push(log_mel)
    assert np.array_equal(log_mel, before)

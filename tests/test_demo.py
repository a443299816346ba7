"""The demo scene: the same in every run, in range, at any rate, and each sound as its recipe says."""

import numpy as np
import picture
import pytest

from bowstream.demo import DURATION_S, SCENE, Scene
from bowstream.live import Player

RATE = 44_100


@pytest.fixture(scope="module")
def scene():
    return Scene()


def spectrum(scene, recipe_name):
    """Frequencies in Hz, and the share of the power of a sound of the scene at each."""
    (start_s, length_s) = next((start, length) for start, length, _, recipe in SCENE if recipe.__name__ == recipe_name)
    sound = scene.samples[round(start_s * RATE) : round((start_s + length_s) * RATE)]
    power = np.abs(np.fft.rfft(sound)) ** 2
    return np.fft.rfftfreq(len(sound), 1.0 / RATE), power / power.sum()


def test_every_run_is_the_same(scene):
    assert np.array_equal(scene.samples, Scene().samples)


@pytest.mark.parametrize("rate", (16_000, 44_100, 48_000))
def test_length_and_range_at_any_rate(rate, scene):
    samples = scene.samples if rate == RATE else Scene(rate).samples
    assert samples.dtype == np.float32 and len(samples) == round(DURATION_S * rate)
    assert np.isfinite(samples).all() and 0.3 < np.abs(samples).max() < 0.99
    assert abs(samples.mean()) < 1e-3


@pytest.mark.parametrize("block_s", (0.01, 0.37, 100.0))
def test_blocks_are_the_scene(scene, block_s):
    blocks = list(scene.blocks(block_s))
    assert all(block.ndim == 2 and block.shape[1] == 1 for block in blocks)
    assert np.array_equal(np.concatenate(blocks)[:, 0], scene.samples)


def test_there_is_hush_between_the_sounds(scene):
    ends = [start_s + length_s + 0.31 for start_s, length_s, _, _ in SCENE]
    starts = [start_s for start_s, *_ in SCENE[1:]]
    assert all(end < start for end, start in zip(ends, starts)) and ends[-1] < DURATION_S
    for end, start in zip(ends, starts):
        hush = scene.samples[round(end * RATE) : round(start * RATE)]
        assert 1e-4 < np.sqrt(np.mean(hush**2)) < 1e-2


def test_each_sound_has_the_loudness_that_the_table_says(scene):
    for start_s, length_s, peak_dbfs, _ in SCENE:
        peak = np.abs(scene.samples[round(start_s * RATE) : round((start_s + length_s) * RATE)]).max()
        assert abs(20 * np.log10(peak) - peak_dbfs) < 4.0


@pytest.mark.parametrize(
    ("recipe", "low_hz", "high_hz", "share"),
    [
        ("knocks", 50, 1000, 0.8),
        ("siren", 550, 1500, 0.7),
        ("crickets", 4000, 8000, 0.4),
        ("dog", 300, 2500, 0.8),
        ("clock_alarm", 1900, 7000, 0.9),
        ("sea_waves", 20, 3000, 0.8),
        ("rain", 200, 8000, 0.8),
    ],
)
def test_each_sound_lives_where_its_kind_does(scene, recipe, low_hz, high_hz, share):
    hz, power = spectrum(scene, recipe)
    assert power[(hz >= low_hz) & (hz <= high_hz)].sum() > share


def test_a_microphone_would_deliver_the_same(scene, front_end):
    """Through the ring and the resampler, at its own pace."""
    with Player(scene, front_end) as source:
        heard = next(heard for heard in source if heard is not None and len(heard.samples))
    assert len(heard.samples) == 1600 and not heard.lost and np.abs(heard.samples).max() > 1e-4


def test_the_model_names_some_of_the_sounds(scene, bundle):
    """No more than that: an honest synthesis is not a recording."""
    import soxr

    from bowstream import Tagger

    samples = soxr.resample(scene.samples, RATE, 16_000)
    names = [tag.name for tag in bundle.tags]
    named = 0
    for start_s, length_s, _, recipe in SCENE:
        sound = samples[round(start_s * 16_000) :][: int(length_s) * 16_000]
        scores = np.max([tags.scores for tags in Tagger(bundle, 5).push(np.ascontiguousarray(sound))], axis=0)
        wanted = {"knocks": "door wood knock"}.get(recipe.__name__, recipe.__name__.replace("_", " "))
        named += scores[names.index(wanted)] >= bundle.tags[names.index(wanted)].on
    assert named >= 4


def test_the_picture_is_made(tmp_path):
    picture.main(tmp_path / "dashboard.svg", 1.3)
    text = (tmp_path / "dashboard.svg").read_text("utf-8").replace("&#160;", " ")
    assert "demo scene" in text and "codes that speak for" in text and "▀" in text

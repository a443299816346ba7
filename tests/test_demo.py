"""The demo scene: the same in every run, in range, at any rate, and each sound as its recipe says."""

import itertools
import json
import operator
import signal
import time
import tracemalloc

import numpy as np
import picture
import pytest
import soundfile
from conftest import IMPATIENT, start

from bowstream.audio.demo import DURATION_S, SCENE, Scene
from bowstream.audio.file import AudioFile
from bowstream.audio.stream import Player
from bowstream.events import Event
from bowstream.session import Session
from bowstream.tagger import Tagger

RATE = 44_100


def samples_of(scene, block_s=1.0):
    return np.concatenate([block[:, 0] for block in scene.blocks(block_s)])


@pytest.fixture(scope="module")
def scenes():
    """Scenes and their samples by rate, each made once."""
    made = {}

    def at(rate):
        if rate not in made:
            scene = Scene(rate)
            made[rate] = scene, samples_of(scene)
        return made[rate]

    return at


@pytest.fixture
def samples(scenes):
    return scenes(RATE)[1]


def spectrum(samples, recipe_name):
    """Frequencies in Hz, and the share of the power of a sound of the scene at each."""
    (start_s, length_s) = next((start, length) for start, length, _, recipe in SCENE if recipe.__name__ == recipe_name)
    sound = samples[round(start_s * RATE) : round((start_s + length_s) * RATE)]
    power = np.abs(np.fft.rfft(sound)) ** 2
    return np.fft.rfftfreq(len(sound), 1.0 / RATE), power / power.sum()


def test_every_run_is_the_same(scenes):
    """Of one scene, and of another."""
    scene, samples = scenes(8_000)
    assert np.array_equal(samples, samples_of(scene)) and np.array_equal(samples, samples_of(Scene(8_000)))


@pytest.mark.parametrize("rate", (8_000, 44_100, 48_000))
def test_length_and_range_at_any_rate(scenes, rate):
    _, samples = scenes(rate)
    assert samples.dtype == np.float32 and len(samples) == round(DURATION_S * rate)
    assert np.isfinite(samples).all() and 0.3 < np.abs(samples).max() < 0.99
    assert abs(samples.mean()) < 1e-3


@pytest.mark.parametrize("block_s", (0.01, 0.37, 100.0))
def test_blocks_are_the_scene(scenes, block_s):
    scene, samples = scenes(8_000)
    blocks = list(scene.blocks(block_s))
    assert all(block.shape[1:] == (1,) and 0 < len(block) <= round(block_s * 8_000) for block in blocks)
    assert np.array_equal(np.concatenate(blocks)[:, 0], samples)


def test_a_sound_is_made_when_it_is_due():
    """No more than the sound that is played is in memory."""
    tracemalloc.start()
    for block, _ in zip(Scene(16_000).blocks(1.0), range(30)):
        assert block.dtype == np.float32
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 25e6 * 16_000 / RATE


def test_there_is_hush_between_the_sounds(samples):
    ends = [start_s + length_s + 0.31 for start_s, length_s, _, _ in SCENE]
    starts = [start_s for start_s, *_ in SCENE[1:]]
    assert all(map(operator.lt, ends, starts)) and ends[-1] < DURATION_S
    for end, next_start in zip(ends, starts):
        hush = samples[round(end * RATE) : round(next_start * RATE)]
        assert 1e-4 < np.sqrt(np.mean(hush**2)) < 1e-2


def test_each_sound_has_the_loudness_that_the_table_says(samples):
    for start_s, length_s, peak_dbfs, _ in SCENE:
        peak = np.abs(samples[round(start_s * RATE) : round((start_s + length_s) * RATE)]).max()
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
def test_each_sound_lives_where_its_kind_does(samples, recipe, low_hz, high_hz, share):
    hz, power = spectrum(samples, recipe)
    assert power[(hz >= low_hz) & (hz <= high_hz)].sum() > share


def test_a_microphone_would_deliver_the_same(front_end):
    """Through the ring and the resampler, at its own pace."""
    with Player(Scene(), front_end.format) as source:
        heard = next(heard for heard in source if heard is not None and len(heard.samples))
    assert len(heard.samples) == 1600 and not heard.lost and np.abs(heard.samples).max() > 1e-4


def test_there_is_something_to_see(samples, tmp_path, bundle):
    """Sounds are raised by their names and lowered again, the plainest at least: a synthesis is not a recording."""
    soundfile.write(tmp_path / "scene.wav", samples, RATE, "PCM_16")
    with AudioFile(tmp_path / "scene.wav", bundle.front_end.format) as recording:
        events = [record for record in Session(recording, Tagger(bundle)) if isinstance(record, Event)]
    past = [event for event in events if event.offset_s is not None]
    kinds = {"clock_alarm": {"clock alarm", "alarm"}}
    right = {
        recipe.__name__
        for start_s, length_s, _, recipe in SCENE
        for event in past
        if event.tag in kinds.get(recipe.__name__, {recipe.__name__.replace("_", " ")})
        and event.onset_s < start_s + length_s
        and event.offset_s > start_s
    }
    assert len(right) >= 3


def test_the_picture_is_made(tmp_path):
    picture.main(tmp_path / "dashboard.svg", 1.3)
    text = (tmp_path / "dashboard.svg").read_text("utf-8").replace("&#160;", " ")
    assert "demo scene" in text and "codes that speak for" in text and "▀" in text


def test_a_process_that_is_stopped_for_a_while_has_one_gap():
    process = start("listen", "--demo", "--json", program=IMPATIENT)
    objects = map(json.loads, process.stdout)
    try:
        next(objects)
        began_s = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        time.sleep(3.0)
        process.send_signal(signal.SIGCONT)
        stopped_s = time.monotonic() - began_s
        heard = list(itertools.takewhile(lambda each: each.get("end_s", 0.0) < 8.0, objects))
    finally:
        process.kill()
        process.communicate()
    (gap,) = (each for each in heard if each["type"] == "gap")
    assert gap["length_s"] == pytest.approx(stopped_s, abs=0.3)
    assert any(each["type"] == "hop" and each["start_s"] > gap["start_s"] for each in heard)


@pytest.mark.parametrize(
    ("options", "left_out"), [([], "[sources], [sinks], [web]"), (["--no-web"], "[sources], [sinks]")]
)
def test_tables_that_it_leaves_out_are_named_in_a_line(options, left_out, tmp_path):
    file = tmp_path / "all.toml"
    file.write_text(f"[sources.attic]\n[sinks.jsonl]\npath = '{tmp_path}/x.jsonl'\n[web]\n[tags.dog]\non = 0.9\n")
    process = start("listen", "--demo", "--json", "--config", file, *options)
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [line for line in said.decode().splitlines() if "demo" in line]
    assert lines == [f"bowstream: the demo leaves {left_out} of the configuration out"]

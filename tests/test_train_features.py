"""The feature cache is what a tagger hears, survives interruption and is never stale."""

import dataclasses
import math

import numpy as np
import pytest
import soundfile

import bowstream.audio.mix
import train.dataset.features
from bowstream.audio.file import AudioFile
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from train.common.config import FeatureSettings
from train.common.parallel import parallel
from train.dataset.errors import DataError
from train.dataset.features import FRONT_END, features, fingerprint
from train.dataset.layouts import folder
from train.dataset.problems import check


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("sounds")
    for number in range(6):
        (root / f"tag{number % 2}").mkdir(exist_ok=True)
        rng = np.random.default_rng(number)
        # Another rate, two channels, and lengths around whole windows and columns.
        samples = rng.uniform(-0.3, 0.3, ((22_050, 44_100, 22_051, 23_000, 1, 60_000)[number], 2))
        soundfile.write(root / f"tag{number % 2}" / f"{number}.wav", samples, 22_050)
    return folder(root)


@pytest.mark.parametrize(("low_cut", "front_end"), [("yes", FRONT_END), ("no", FrontEnd())])
def test_cached_features_are_what_a_tagger_hears(tmp_path, data, low_cut, front_end):
    """Block by block through the run-time classes, with the silence of a flush: the same bits as the cache."""
    sound = features(tmp_path, data, check(data), FeatureSettings(low_cut=low_cut))
    level = LevelSettings()
    assert sound.front_end == front_end
    for number, clip in enumerate(data.clips):
        log_mel, leveller = LogMel(front_end), Level(level, front_end)
        with AudioFile(clip.path, front_end.format) as source:
            heard = [leveller.push(log_mel.push(heard.samples)) for heard in source]
        missing = -sum(map(len, heard)) % front_end.frames_per_window * front_end.hop_length
        heard.append(leveller.push(log_mel.push(np.zeros(missing, np.float32))))
        assert np.array_equal(sound.of_clip(number).reshape(-1, 96), np.concatenate(heard))
    assert len(sound.log_mel) == sound.first[-1] == len(sound.clip_of_window())


def test_an_interrupted_cache_goes_on_where_it_was(tmp_path, data, monkeypatch):
    hashes = check(data)
    whole = np.array(features(tmp_path / "whole", data, hashes, FeatureSettings()).log_mel)

    def interrupted(work, items):
        for number, item in enumerate(items):
            if number == 3:
                raise KeyboardInterrupt
            yield work(item)

    monkeypatch.setattr(train.dataset.features, "parallel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        features(tmp_path / "cut", data, hashes, FeatureSettings())
    (partial,) = (tmp_path / "cut" / "features").glob("*.partial")
    with (partial / "clips.jsonl").open("ab") as lines:
        lines.write(b'{"name": "half a li')
    heard = []

    def counted(work, items):
        for item in items:
            heard.append(item)
            yield work(item)

    monkeypatch.setattr(train.dataset.features, "parallel", counted)
    assert np.array_equal(features(tmp_path / "cut", data, hashes, FeatureSettings()).log_mel, whole)
    assert len(heard) == 3
    features(tmp_path / "cut", data, hashes, FeatureSettings())
    assert len(heard) == 3


def test_the_key_follows_content_front_end_and_level(tmp_path, data):
    hashes = check(data)
    first = features(tmp_path, data, hashes, FeatureSettings()).key
    changed = {**hashes, data.clips[0].name: "another content"}
    assert features(tmp_path, data, changed, FeatureSettings()).key != first
    assert features(tmp_path, data, hashes, FeatureSettings(level="absolute")).key != first
    assert features(tmp_path, data, hashes, FeatureSettings(low_cut="no")).key != first
    assert fingerprint(FrontEnd(), None) != fingerprint(dataclasses.replace(FrontEnd(), fmax_hz=7900.0), None)


def test_the_key_follows_the_code_that_mixes_and_resamples(monkeypatch):
    before = fingerprint(FrontEnd(), None)
    monkeypatch.setattr(bowstream.audio.mix, "to_mono", lambda frames: frames[:, 0].copy())
    assert fingerprint(FrontEnd(), None) != before


def test_recordings_that_are_not_finite_are_all_named(tmp_path):
    for number in range(4):
        (tmp_path / f"tag{number % 2}").mkdir(exist_ok=True)
        samples = np.random.default_rng(number).uniform(-0.3, 0.3, 16_000).astype(np.float32)
        samples[100] = np.nan if number < 2 else 0.0
        soundfile.write(tmp_path / f"tag{number % 2}" / f"{number}.wav", samples, 16_000, "FLOAT")
    broken = folder(tmp_path)
    hashes = {clip.name: clip.name for clip in broken.clips}
    with pytest.raises(DataError) as caught:
        features(tmp_path / "runs", broken, hashes, FeatureSettings())
    assert len(caught.value.problems) == 2


def test_many_items_are_shared_among_processes_in_order():
    assert list(parallel(math.sqrt, range(100))) == [math.sqrt(number) for number in range(100)]

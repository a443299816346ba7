"""The feature cache is what a tagger hears, survives interruption and is never stale."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
import soundfile

import bowstream.audio.mix
import train.dataset.features
from bowstream.audio.file import AudioFile
from bowstream.model.bundle import CODEBOOKS, ENCODERS, default_path
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from train.common import shards
from train.common.config import FeatureSettings
from train.common.crew import Crew
from train.common.parallel import parallel
from train.dataset.errors import DataError
from train.dataset.features import FRONT_END, features, fingerprint
from train.dataset.layouts import folder
from train.dataset.problems import check
from train.model.codebook import CENTROIDS
from train.model.counts import count_codes
from train.model.export import NETWORK


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
    assert len(sound.log_mel) == sound.length.sum() == len(sound.clip_of_window())


def test_an_interrupted_cache_goes_on_where_it_was(tmp_path, data, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ITEMS", 2)
    hashes, alone = check(data), Crew(1)
    whole = features(tmp_path / "whole", data, hashes, FeatureSettings(), alone)
    assert sorted(map(len, whole.dealt)) == [2, 2, 2]
    heard, hear = [], train.dataset.features.hear

    def interrupted(path, *settings):
        heard.append(path)
        if len(heard) == 4:
            raise KeyboardInterrupt
        return hear(path, *settings)

    monkeypatch.setattr(train.dataset.features, "hear", interrupted)
    with pytest.raises(KeyboardInterrupt):
        features(tmp_path / "cut", data, hashes, FeatureSettings(), alone)
    again = features(tmp_path / "cut", data, hashes, FeatureSettings(), alone)
    assert len(heard) == 4 + 4  # all of the shard that was cut once more
    every = np.arange(len(whole.log_mel))
    assert np.array_equal(again.log_mel[every], whole.log_mel[every])
    features(tmp_path / "cut", data, hashes, FeatureSettings(), alone)
    assert len(heard) == 8


@pytest.mark.parametrize("crew", ["processes", "cluster"])
def test_shards_that_others_make_are_the_same_byte_for_byte(tmp_path, data, monkeypatch, crew):
    monkeypatch.setattr(shards, "SHARD_ITEMS", 2)
    folders = [tmp_path / "alone", tmp_path / "together"]
    encoders = as_trained(tmp_path)

    def make(folder, crew):
        count_codes(folder, features(folder, data, check(data), FeatureSettings(), crew), encoders, encoders, crew)

    make(folders[0], Crew(1))
    if crew == "processes":
        make(folders[1], Crew(2))
    else:
        distributed = pytest.importorskip("distributed")
        how = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
        with distributed.LocalCluster(**how) as its:
            make(folders[1], Crew(1, its.scheduler_address))
    alone, together = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("shard-*")} for folder in folders
    )
    assert len(alone) == 3 + 3 and alone == together


def as_trained(folder):
    """Return the folders of the shipped encoders and their codebooks, by family, as training leaves them."""
    found = {}
    with np.load(default_path() / CODEBOOKS) as codebooks:
        for family, network in ENCODERS.items():
            found[family] = folder / family
            found[family].mkdir()
            shutil.copy(default_path() / network, found[family] / NETWORK)
            np.save(found[family] / CENTROIDS, codebooks[family])
    return found


def test_clips_come_as_they_lie_in_shards(tmp_path, data, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_ITEMS", 2)
    monkeypatch.setattr(train.dataset.features, "AT_ONCE", 2)
    sound = features(tmp_path, data, check(data), FeatureSettings(), Crew(1))
    found = list(sound.each(np.array([0, 2, 3, 5])))
    assert sorted(clip for clip, _ in found) == [0, 2, 3, 5]
    assert [clip for clip, _ in found] == [clip for clips in sound.dealt for clip in clips if clip in {0, 2, 3, 5}]
    for clip, log_mel in found:
        assert np.array_equal(log_mel, sound.of_clip(clip))
        assert (sound.clip_of_window()[sound.windows([clip])] == clip).all()


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

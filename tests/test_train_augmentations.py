"""What each augmentation brings: heads on fixed encoders, clips that are spoilt, and how sure a difference is."""

import json

import numpy as np
import pytest

from bowstream.errors import UsageError
from bowstream.model.context import Context
from bowstream.model.front_end import FrontEnd
from bowstream.model.head import shown
from bowstream.model.level import LevelSettings

tf = pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")

from train.cli import main  # noqa: E402
from train.common.config import TrainConfig  # noqa: E402
from train.common.learned_config import AugmentSettings, HeadTrials  # noqa: E402
from train.dataset.data import Clip, data_set  # noqa: E402
from train.dataset.features import Features  # noqa: E402
from train.experiments import LEFT_OUT  # noqa: E402
from train.learned import heads, loop  # noqa: E402
from train.learned.elsewhere import JOINT, write_task  # noqa: E402
from train.learned.pool import Pool, restless  # noqa: E402
from train.learned.pools import Pools  # noqa: E402
from train.learned.task import Task  # noqa: E402
from train.measure import augmentations  # noqa: E402
from train.measure.augmentations import AS_RECORDED, SPOILT, Comparison, Outcome, count_held, gain, spoilt  # noqa: E402

# A busy machine takes minutes to compile what a free one does in seconds.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

CLIPS, TAGS = 20, ("cat", "dog")
TINY = TrainConfig(method="learned").with_values(
    learned_width=8, wide_width=8, latent=4, parts_a_band=2, codes_a_band=8, parts_a_family=2, codes_a_family=8,
    batch=64, learned_head=32, context=1, stream_windows=1,
)  # fmt: skip
FRONT_END = FrontEnd()


@pytest.fixture(scope="module")
def pool():
    """Clips of two seconds of noise, every second one with a loud band that is low, the others with a high one."""
    steps = np.random.default_rng(1).integers(40, 50, (CLIPS, 200, 96)).astype(np.uint8)
    for clip in range(CLIPS):
        steps[clip, :, 8 + 60 * (clip % 2) :][:, :10] += 30
    ends, presence = np.tile([100, 150, 200], CLIPS), np.eye(3, dtype=np.float32)[np.arange(CLIPS) % 2]
    first = np.arange(CLIPS + 1)
    return Pool(
        steps=steps.reshape(-1, 96),
        first=(200 * first[:-1]).astype(np.int32),
        length=np.full(CLIPS, 200, np.int32),
        ends=ends.astype(np.int32),
        first_end=(3 * first).astype(np.int32),
        until=(first[1:] / CLIPS).astype(np.float32),
        presence=presence,
        teacher=np.zeros((CLIPS, 2), np.uint8),
        taught=np.zeros(CLIPS, bool),
    )


@pytest.fixture(scope="module")
def encoders(pool):
    task = Task(TINY, LevelSettings(), FRONT_END)
    return heads.Encoders(task, loop.begin(task, pool))


@pytest.fixture(scope="module")
def data():
    clips = [Clip(f"{n}", f"{n}.wav", (TAGS[n % 2],), "1", f"place{n % 3}") for n in range(CLIPS)]
    return data_set("set", clips, "", single_label=True, tags=TAGS)


@pytest.fixture(scope="module")
def sound(pool):
    power = pool.steps.reshape(2 * CLIPS, 100, 96).astype(np.float32) * np.float32(np.log(10) / 10) - np.float32(23.0)
    return Features("test", FRONT_END, None, power, np.arange(0, 2 * CLIPS, 2), np.full(CLIPS, 2))


def test_what_is_left_out_changes_nothing_else(encoders, pool):
    every = encoders.streams(pool, {}, 256)
    quiet = encoders.streams(pool, LEFT_OUT["noisy"], 256)
    assert every.counts.shape == (256, 1, quiet.counts.shape[2]) and every.counts.dtype == np.uint8
    assert all(np.array_equal(*both) for both in zip(every.targets, quiet.targets))
    same = (every.counts == quiet.counts).all(axis=(1, 2)).mean()
    assert 0.6 < same < 0.95  # one stream in five was noisy
    alone = encoders.streams(pool, LEFT_OUT["mixed"], 256)
    assert set(np.unique(alone.targets[0])) == {0.0, 1.0} < set(np.unique(every.targets[0]))


def test_streams_are_those_of_the_joint_training(encoders, pool):
    task = encoders.task
    key = heads.augment.fold(heads.augment.new_key(task.config.seed, heads.CHANCE), 0)
    scaled, presence, *_ = task.draw(key, heads.on_device(pool.arrays(), FRONT_END), heads.AT_ONCE)
    found = encoders.streams(pool, {}, 100)
    assert len(found.counts) == heads.AT_ONCE and np.array_equal(found.targets[0], presence)
    assert (encoders.counts(scaled.numpy()) == found.counts[:, 0]).mean() > 0.999


def test_each_augmentation_can_be_left_out():
    names = {name for change in LEFT_OUT.values() for name in change}
    settings = AugmentSettings()
    others = {"negative_share", "tag_power", "source_power", "audible_db"}
    assert names == set(vars(settings)) - others
    assert all(value == 0 for change in LEFT_OUT.values() for value in change.values())


def test_a_head_is_shown_what_a_device_shows():
    rng = np.random.default_rng(2)
    counts, clip = rng.integers(0, 5, (5, 7)).astype(np.uint8), np.array([4, 4, 4, 4, 1])
    task = Task(TINY.with_values(context=3), LevelSettings(), FRONT_END)
    layers = [(14, 32), (32, 32), (32, 3)]
    head = [{"kernel": tf.random.normal(size), "bias": tf.zeros(size[1])} for size in layers]
    head = {"head": head, "teacher": {"kernel": tf.zeros((32, 0)), "bias": tf.zeros(0)}}
    found = heads.scores_of(task, head, counts, clip)
    rows, context = [], Context(3, hops_apart=1)
    for window, codes in enumerate(counts):
        if window in (0, 4):
            context.reset()
        # Counts as they are: a context only joins the rows that it is given.
        rows.append(shown(context.push(codes[np.newaxis].astype(np.int64))[:1]))
    wanted = tf.sigmoid(heads.logits_of(head, tf.sqrt(tf.cast(np.concatenate(rows), tf.float32)), TINY.learned, ())[0])
    np.testing.assert_allclose(found, wanted[:, :2], atol=1e-5)


def test_clips_are_spoilt_as_they_are_said_to_be():
    power = np.random.default_rng(3).uniform(0.5, 1.5, (200, 96)).astype(np.float32)
    ways = spoilt(power, restless(96), np.random.default_rng(4), FRONT_END)
    assert np.array_equal(ways[AS_RECORDED], power)
    octaves = augmentations.augment.octaves(FRONT_END)
    hz = 1000.0 * 2.0**octaves
    np.testing.assert_allclose(ways["telephone"][:, (hz > 300) & (hz < 3400)], power[:, (hz > 300) & (hz < 3400)])
    np.testing.assert_allclose(ways["telephone"][:, hz > 3400], 1e-6 * power[:, hz > 3400], rtol=1e-4)
    assert (ways["noise"] - power).mean() == pytest.approx(0.1 * power.mean(), rel=1e-3)
    np.testing.assert_allclose(10 * np.log10(ways["tilt"] / power), np.tile(-6.0 * octaves, (200, 1)), atol=1e-3)
    assert (ways["room"] >= power).all() and (ways["room"][1:] > power[1:]).any()


def test_a_large_source_does_not_decide_alone(data):
    clips = np.arange(CLIPS)
    assert np.array_equal(np.sort(augmentations.some_of_each_source(data, clips)), clips)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmentations, "OF_A_SOURCE", 2)
        assert len(augmentations.some_of_each_source(data, clips)) == 6


def test_a_gain_is_as_sure_as_its_sources_agree():
    now, without = np.array([1, 1, 1, 0], np.float32), np.array([0, 0, 1, 0], np.float32)
    precision = np.array([0.5, 0.7, np.nan], np.float32), np.array([0.4, 0.4, np.nan], np.float32)
    found = gain(Outcome(now, precision[0]), Outcome(without, precision[1]), np.array([0, 0, 1, 1]))
    # The first source gains 1 a clip, the other nothing: two apart by 1 in sum, of four clips.
    assert found["top1"] == 0.5 and found["top1_se"] == pytest.approx(np.sqrt(2) / 4, abs=1e-4)
    assert found["map"] == pytest.approx(0.2) and found["map_se"] == pytest.approx(0.1)
    alone = gain(Outcome(now, precision[0]), Outcome(without, precision[1]), np.arange(4))
    assert alone["top1_se"] == pytest.approx(np.sqrt(4 * 0.25) / 4, abs=1e-4)


def test_heads_learn_on_encoders_that_know_nothing_and_are_compared(encoders, pool, sound, data, monkeypatch):
    monkeypatch.setattr(augmentations, "ESC50_KINDS", TAGS)
    held = count_held(encoders, sound, np.arange(CLIPS))
    assert set(held.counts) == {AS_RECORDED, "telephone", "noise", "tilt", "room"}
    assert all(len(counts) == len(held.clip) == 2 * CLIPS for counts in held.counts.values())
    comparison = Comparison(encoders, data, TAGS, held, HeadTrials(streams=1000, epochs=2, seeds=1))
    table = augmentations.what_each_brings(comparison, pool, {"masks": LEFT_OUT["masks"]})
    assert table["clips"] == CLIPS and table["sources"] == 3
    assert table["all"][AS_RECORDED]["top1"] > 0.7 and table["all"][AS_RECORDED]["map"] > 0.9
    assert set(table["brings"]["masks"]) == {*held.counts, SPOILT}
    assert np.isfinite(list(table["brings"]["masks"][SPOILT].values())).all()


def test_what_is_not_trained_is_refused(tmp_path, capsys, monkeypatch):
    command = ["augmentations", str(tmp_path), str(tmp_path), "--data", "esc50:nowhere", "--out", str(tmp_path / "out")]
    assert main([*command, "--streams", "10"]) == 2
    assert "--streams must be at least 1000 (got 10)" in capsys.readouterr().err
    from train.report import augmentations as report

    with pytest.raises(UsageError, match=r"must hold pool-00000\.npz"):
        report.compare_augmentations(tmp_path, tmp_path, tmp_path, None, {}, tmp_path / "out", HeadTrials())


def test_a_bundle_that_ships_only_some_of_its_tags_is_tried(tmp_path, pool, bundle, bundle_path):
    from train.report.augmentations import carried_out

    assert len(bundle.tags) < len(bundle.output_names)
    task = Task(TINY, LevelSettings(), FRONT_END)
    (tmp_path / JOINT).touch()
    write_task(tmp_path, Pools([lambda: pool]), task, {"tags": bundle.output_names, "taught": ()})
    found, _, heard_by = carried_out(tmp_path, bundle_path)
    assert found.settings() == task.settings() and heard_by.tags == bundle.tags
    write_task(tmp_path, Pools([lambda: pool]), task, {"tags": bundle.output_names[1:], "taught": ()})
    with pytest.raises(UsageError, match="its tags are others"):
        carried_out(tmp_path, bundle_path)


def test_the_table_has_points_and_their_standard_errors():
    from train.report.gains import told

    one = {"top1": 0.5, "map": 0.25}
    gains = {"top1": 0.012, "top1_se": 0.004, "map": -0.001, "map_se": 0.0}
    ways = (AS_RECORDED, "noise", SPOILT)
    metrics = {
        "clips": 9,
        "sources": 2,
        "all": dict.fromkeys(ways, one),
        "brings": {"noisy": dict.fromkeys(ways, gains)},
    }
    text = told(json.loads(json.dumps(metrics)))
    assert "| noisy | +1.2 ± 0.4, -0.1 ± 0.0 |" in text and "| all | 50.0, 25.0 |" in text

"""The learned codebook: what the graph does in training is what bowstream does on a device."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bowstream.model.codebook import Codebook
from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.head import shown
from bowstream.model.level import Level, LevelSettings
from bowstream.model.patches import FAMILIES, cut_env, cut_fenv, cut_o, cut_pat, input_sizes
from bowstream.model.tflite import UNQUANTISED, Model

tf = pytest.importorskip("tensorflow")

from train.cli import main  # noqa: E402
from train.common.config import TrainConfig  # noqa: E402
from train.common.learned_config import AugmentSettings  # noqa: E402
from train.common.shards import Shards  # noqa: E402
from train.dataset.data import Clip, DataSet, Split  # noqa: E402
from train.dataset.features import Features  # noqa: E402
from train.dataset.negatives import Negative  # noqa: E402
from train.dataset.teacher import Teacher  # noqa: E402
from train.learned import augment, elsewhere, harden, heard, joint, learned, loop, refit, trees  # noqa: E402
from train.learned.pool import (  # noqa: E402
    STEP_DB,
    UNSURE,
    Pool,
    augmented,
    drawn,
    either,
    kept,
    on_device,
    restless,
    shares_of,
    together,
)
from train.model.codebook import load_encoder  # noqa: E402
from train.model.counts import COUNTS  # noqa: E402
from train.model.export import NETWORK  # noqa: E402

# A busy machine takes minutes to compile what a free one does in seconds.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

TINY = TrainConfig(method="learned").with_values(
    learned_width=16,
    wide_width=16,
    latent=4,
    parts_a_band=2,
    codes_a_band=8,
    parts_a_family=2,
    codes_a_family=8,
    steps=200,
    batch=16,
    learned_head=32,
    refit_windows=16,
    refit_epochs=8,
)
UNTOUCHED = {
    **dict.fromkeys(("gated", "smeared", "mixed", "equaliser_db", "tilt_db", "stretch", "narrowed", "noisy"), 0.0),
    **dict.fromkeys(("shift_bands", "mask_bands", "mask_frames"), 0),
}
KEY = (5, 0)
LEVEL = LevelSettings()


@pytest.fixture(scope="module")
def data():
    clips = tuple(Clip(f"{n}.wav", None, (("low", "high")[n % 2],), str(n % 5)) for n in range(20))
    return DataSet("two bands", clips, ("high", "low"), single_label=True, published=False, licence="none")


@pytest.fixture(scope="module")
def sound():
    """Twenty clips of two or three seconds: noise with a loud band, low or high."""
    rng = np.random.default_rng(1)
    windows = np.array([2 + n % 2 for n in range(20)])
    log_mel = rng.normal(-8.0, 1.0, (windows.sum(), 100, 96)).astype(np.float32)
    first = np.concatenate([[0], np.cumsum(windows)])
    for clip in range(20):
        log_mel[first[clip] : first[clip + 1], :, 8 + 60 * (clip % 2) :][:, :, :10] += 6.0
        log_mel[first[clip]] -= 3.0  # the level changes along the clip
    return Features("test", FrontEnd(), LEVEL, log_mel, first[:-1], windows)


def negative(*may, kind="street"):
    return Negative(Path(f"{kind}_1.wav"), kind, 0, "content", may=frozenset(may))


@pytest.fixture(scope="module")
def pool(sound, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heard, "recorded", lambda *_: np.zeros((5, 100, 96), np.uint8))
        settings = AugmentSettings(negative_share=0.3)
        return heard.new_pools(sound, data, np.arange(20), [negative(data.tags[1])], settings, 128)[0]


def dealt(sound):
    """The clips of a sound in four shards."""
    return replace(sound, dealt=np.split(np.arange(20), 4))


def test_of_a_large_set_each_pool_has_a_part_of_the_clips_and_never_draws_another(monkeypatch, sound, data, front_end):
    monkeypatch.setattr(heard, "recorded", lambda *_: np.full((17, 100, 96), 9, np.uint8))
    fit, settings = np.delete(np.arange(20), [3, 7]), AugmentSettings()
    pools = heard.new_pools(dealt(sound), data, fit, [negative()], settings, 0.18)
    parts = [pools[number] for number in range(len(pools))]
    assert len({tuple(values.shape for values in part.arrays().values()) for part in parts}) == 1
    there = [np.flatnonzero(part.length) for part in parts]
    assert sum(map(len, there)) == len(fit) + 3  # and the negative's pieces
    (one,) = (heard.new_pools(sound, data, fit, [negative()], settings, 128)[number] for number in range(1))
    every = [part.steps[first : first + length].tobytes() for part in (*parts, one) for first, length in
             zip(part.first[part.length > 0], part.length[part.length > 0])]  # fmt: skip
    assert sorted(every[: len(fit) + 3]) == sorted(every[len(fit) + 3 :])
    for part, own in zip(parts, there):
        clip, end = map(np.asarray, drawn(KEY, on_device(part.arrays(), front_end), 2000, front_end))
        assert set(clip) <= set(own) and (end <= part.length[clip] + 75).all()
    assert sorted(pools.number(turn, 1) for turn in range(len(pools))) == list(range(len(pools)))


def streams(pool, count=64, windows=1, **values):
    """Streams that nothing but `values` is done to."""
    settings = AugmentSettings(**{**UNTOUCHED, **values})
    return augmented(KEY, on_device(pool.arrays(), FrontEnd()), count, windows, settings, LEVEL, FrontEnd())


def test_what_is_kept_of_log_mel_is_right_to_half_a_step(sound, front_end):
    steps = kept(sound.log_mel[0], front_end)
    found = steps * (STEP_DB * augment.DB) + np.log(front_end.power_floor)
    np.testing.assert_allclose(found, sound.log_mel[0], atol=0.5 * STEP_DB * augment.DB + 1e-4)
    assert kept(np.full((1, 96), 40.0, np.float32), front_end).max() == 255  # far too loud is as loud as can be


def test_a_pool_comes_back_from_its_file(tmp_path, pool):
    pool.save(tmp_path / "pool.npz")
    for name, values in Pool.load(tmp_path / "pool.npz").arrays().items():
        assert np.array_equal(values, getattr(pool, name)), name


def test_clips_are_drawn_as_often_as_their_chance_and_windows_have_something_to_hear(pool, front_end):
    arrays = on_device(pool.arrays(), front_end)
    clip, end = map(np.asarray, drawn(KEY, arrays, 2000, front_end))
    chance = np.diff(pool.until, prepend=0.0)
    assert np.abs(np.bincount(clip, minlength=len(chance)) - 2000 * chance).max() < 2
    assert chance[20:].sum() == pytest.approx(1 / 21, abs=1e-5)  # pieces of negatives are no more likely than clips
    assert (end >= 30 - 5).all() and (end <= pool.length[clip] + 70 + 5).all()
    assert ((end < 100) | (end > pool.length[clip])).any()  # some hang over an end


def test_streams_are_leveled_as_on_the_device(pool, sound, front_end, monkeypatch):
    """What a stream holds is in its clip, levelled as if the stream began there, or after something loud."""
    monkeypatch.setattr(augment, "add_noise", lambda key, power, *_: power)
    monkeypatch.setattr(augment, "BEFORE_DB", (-200.0, -200.0))
    scaled = streams(pool, windows=2)[0]
    levelled = []
    for clip in range(20):
        first, length = pool.first[clip], pool.length[clip]
        silence = np.zeros((200, 96), np.uint8)
        steps = np.concatenate([silence, pool.steps[first : first + length], silence])
        levelled.append(steps * np.float32(STEP_DB * augment.DB) + np.float32(np.log(front_end.power_floor)))
    for found in np.asarray(scaled)[:8]:
        best = np.inf
        for log_mel in levelled:
            for begin in range(0, len(log_mel) - 200):
                part = log_mel[begin : begin + 200]
                if abs(part.max() - part[:100].max()) > 99:
                    continue
                best = min(best, np.abs(Level(sound.level, front_end).push(part) - found.reshape(200, 96)).max())
                if best < 1e-4:
                    break
            if best < 1e-4:
                break
        assert best < 1e-4


def test_patches_are_those_of_the_device(front_end):
    windows = np.random.default_rng(2).random((3, 100, 96), np.float32)
    columns = windows.reshape(30, 10, 96)
    found = {name: np.asarray(rows) for name, rows in joint.cut(windows.reshape(3, 10, 10, 96), front_end).items()}
    assert np.array_equal(found["pat"].transpose(0, 2, 1, 3).reshape(30, 12, 80), cut_pat(columns))
    assert np.array_equal(found["env"].reshape(30, 1, 960), cut_env(columns))
    assert np.array_equal(found["fenv"][:, :, 0], cut_fenv(windows))
    np.testing.assert_allclose(found["o"][:, 0], cut_o(windows), atol=1e-5)


def test_counts_are_those_of_the_codebook():
    rng = np.random.default_rng(3)
    latents, centroids = rng.normal(size=(4, 12, 10, 6)), rng.normal(size=(12, 3, 7, 2)).astype(np.float32)
    hard, _ = joint.count_nearest(tf.constant(latents, tf.float32), tf.constant(centroids))
    codes = Codebook(centroids).predict(latents.astype(np.float32).reshape(4, 120, 6))
    assert np.array_equal(hard.numpy().reshape(4, -1), [np.bincount(window, minlength=252) for window in codes])


def test_the_gradient_is_that_of_soft_codes():
    rng = np.random.default_rng(4)
    latents, centroids, weights, of_use = (
        tf.constant(rng.normal(size=shape), tf.float32)
        for shape in ((2, 3, 4, 8), (3, 1, 6, 8), (2, 3, 1, 6), (3, 1, 6))
    )

    def through(latents, centroids):
        counts, use = joint.count_nearest(latents, centroids)
        return tf.reduce_sum(counts * weights) + tf.reduce_sum(use * of_use)

    def soft(latents, centroids):
        distance = tf.reduce_sum(tf.square(latents[:, :, :, tf.newaxis] - centroids[:, 0][:, tf.newaxis]), axis=-1)
        share = tf.nn.softmax(-0.5 * distance)
        counts, use = tf.reduce_sum(share, axis=2), tf.reduce_mean(share, axis=(0, 2))
        return tf.reduce_sum(counts * weights[:, :, 0]) + tf.reduce_sum(use * of_use[:, 0])

    for found, wanted in zip(*(gradients(one, latents, centroids) for one in (through, soft))):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def gradients(function, *inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = tf.reduce_sum(function(*inputs))
    return [gradient.numpy() for gradient in tape.gradient(value, inputs)]


def test_the_root_has_a_finite_gradient_at_nothing():
    counts = tf.constant([0.0, 4.0])
    assert joint.square_root(counts).numpy().tolist() == [0.0, 2.0]
    assert np.isfinite(gradients(joint.square_root, counts)).all()


def test_what_the_head_is_shown_is_what_the_device_shows():
    counts = np.random.default_rng(13).integers(0, 9, (3, 3, 5))
    found = joint.shown(tf.constant(counts, tf.float32), 3, tf.constant([1, 2, 3]))
    repeated = counts.copy()
    repeated[0, :2] = counts[0, 2]  # the first window stands for those before it
    repeated[1, 0] = counts[1, 1]
    assert np.array_equal(found, shown(repeated))
    # Of a stream of one window the head sees what the device shows after the first second.
    found = joint.shown(tf.constant(counts[:, 2:], tf.float32), 3, tf.constant([1, 1, 1]))
    assert np.array_equal(found, shown(np.repeat(counts[:, 2:], 3, axis=1)))


def test_mixing_adds_powers_and_shares_labels():
    power = tf.exp(tf.random.stateless_normal((6, 100, 96), KEY))
    mixed, share, partner = augment.mix(KEY, power, 1.0, -16.0)
    labels = together(tf.eye(6), share, partner)
    np.testing.assert_allclose(labels.numpy().sum(axis=1), 1.0, atol=1e-6)
    assert mixed.shape == power.shape and (share.numpy() < 1.0).any()
    unmixed, share, partner = augment.mix(KEY, power, 0.0, -16.0)
    assert np.array_equal(unmixed, power) and np.array_equal(together(tf.eye(6), share, partner), np.eye(6))


def test_a_mix_is_of_sounds_made_equally_loud():
    power = tf.tile([[[1e-6]], [[1.0]]], (10, 100, 96))
    mixed, *_ = augment.mix(KEY, power, 1.0, -30.0)
    share_of_own_level = np.asarray(mixed / power)  # s² + (1 - s)² for a share of s
    assert 0.499 < share_of_own_level.min() < share_of_own_level.max() < 1.001


def test_what_is_unsure_in_one_of_two_is_known_where_the_other_has_it():
    presence = tf.constant([[1.0, UNSURE, 0.0], [0.0, 1.0, UNSURE]])
    found = together(presence, tf.constant([[0.5], [1.0]]), tf.constant([1, 0]))
    np.testing.assert_allclose(found, [[0.5, 0.5, UNSURE], [0.0, 1.0, UNSURE]])


def test_a_mixture_has_what_either_source_has_less_sure_as_it_is_fainter():
    scores, partner = tf.constant([[0.9, 0.0], [0.0, 0.5]]), tf.constant([1, 0])
    np.testing.assert_allclose(either(scores, tf.constant([[1.0], [1.0]]), partner), scores)
    found = either(scores, tf.constant([[0.5], [0.25]]), partner)
    np.testing.assert_allclose(found, [[0.9, 0.5], [0.9, 0.25]], atol=1e-6)


def test_of_a_gated_stream_one_stretch_about_something_loud_is_left():
    power = np.full((200, 100, 96), 1e-6, np.float32)
    power[:, 40:60] = 1.0
    left = np.asarray(augment.gate(KEY, tf.constant(power), 0.5))[:, :, 0]
    cut = (left == 0.0).any(axis=1)
    assert 60 < cut.sum() < 140
    assert (left[cut].max(axis=1) == 1.0).all()
    assert (np.abs(np.diff((left[cut] > 0.0).astype(int), axis=1)).sum(axis=1) <= 2).all()


def test_a_room_only_adds_what_falls_by_its_decay():
    power = np.zeros((100, 100, 96), np.float32)
    power[:, 20] = 1.0
    found = np.asarray(augment.smear(KEY, tf.constant(power), 0.5))[:, :, 0]
    wet = found[:, 21] > 0.0
    assert 25 < wet.sum() < 75 and (found[:, :20] == 0.0).all() and (found[:, 20] == 1.0).all()
    fall_db = -10.0 * np.log10(found[wet, 71] / found[wet, 21])  # half a second later
    assert (fall_db > 60.0 * 0.5 / 1.2 - 0.1).all() and (fall_db < 60.0 * 0.5 / 0.15 + 0.1).all()


def test_a_tilt_is_a_straight_line_over_octaves(front_end):
    tilted = np.asarray(augment.equalise(KEY, tf.ones((50, 1, 96)), 0.0, 6.0, front_end))[:, 0]
    octaves = augment.octaves(front_end)
    assert octaves.min() == -3.0 and octaves.max() == pytest.approx(np.log2(7.8), abs=0.05)
    slopes = 10.0 * np.log10(tilted[:, -1]) / octaves[-1]
    assert 4.0 < np.abs(slopes).max() < 6.0001
    np.testing.assert_allclose(10.0 * np.log10(tilted), slopes[:, np.newaxis] * octaves, atol=1e-3)


def test_a_narrow_band_keeps_its_middle_and_only_some_streams_have_one():
    left = np.asarray(augment.narrow(KEY, tf.ones((200, 100, 96)), 0.5))
    assert (left == left[:, :1]).all() and (left[:, :, 20:43] == 1.0).all()
    lost = (left[:, 0] < 0.04).sum(axis=1)  # at least 15 dB
    assert 60 < (lost > 0).sum() < 140 and lost.max() <= 0.76 * 96


def test_noise_only_adds_and_is_loud_in_some():
    power, noise = tf.exp(tf.random.stateless_normal((40, 100, 96), KEY)), restless(96)
    added = np.asarray(augment.add_noise(KEY, power, noise, 0.5, -16.0) - power)
    assert added.min() >= 0.0 and (added.max(axis=(1, 2)) > 0.0).all()
    loud = added.max(axis=(1, 2)) / np.asarray(power).max(axis=(1, 2)) > 10**-3.0
    floors = np.asarray(augment.add_noise(KEY, power, noise, 0.0, -16.0) - power)
    assert 5 < loud.sum() < 38 and floors.max() < 0.5


def test_masks_cover_no_more_than_asked():
    masked = np.asarray(augment.mask(KEY, tf.ones((50, 10, 10, 96)), 12, 8)).reshape(50, 100, 96)
    assert ((masked == 0).all(axis=2).sum(axis=1) <= 12).all()
    assert ((masked == 0).all(axis=1).sum(axis=1) <= 8).all()
    assert (masked == 0).any()


def test_tags_are_drawn_alike_and_of_a_tag_its_sources():
    present = np.array([[1, 0]] * 8 + [[0, 1]] + [[0, 0]], np.float32)
    sources = ["big"] * 7 + ["small"] * 2 + ["big"]
    often = heard.chances(present, sources, AugmentSettings(tag_power=0.0, source_power=0.0))
    np.testing.assert_allclose([often[0], often[7], often[8]], [0.5 / 7, 0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(often[9], often[:9].mean(), rtol=1e-6)
    natural = heard.chances(present, sources, AugmentSettings(tag_power=1.0, source_power=1.0))
    np.testing.assert_allclose(natural, 1.0, rtol=1e-6)


def test_a_teacher_tells_of_each_piece_of_a_negative(monkeypatch, sound, data):
    monkeypatch.setattr(heard, "recorded", lambda *_: np.zeros((10, 100, 96), np.uint8))
    scores = np.repeat(np.array([0.25, 1.0], np.float32), 5)[:, np.newaxis]
    data = replace(data, teacher=Teacher(("Rain",), {"street_1.wav": 0}, scores, np.array([0, 10])))
    negatives = [replace(negative(), name="street_1.wav"), negative(), replace(negative(), name="unknown.wav")]
    pool = heard.new_pools(sound, data, np.arange(20), negatives, AugmentSettings(), 128)[0]
    assert pool.teacher[:, 0].tolist() == [0] * 20 + [128, 255] + [0] * 4
    assert pool.taught.tolist() == [False] * 20 + [True] * 2 + [False] * 4


def test_speech_among_negatives_is_speech_and_what_may_be_there_is_not_known(data):
    data = replace(data, tags=("speech", "laughing", "dog"))
    spoken = replace(negative("laughing", kind="speech"), tags=("speech",))
    assert np.array_equal(heard.known_of(spoken, data), [1.0, np.nan, 0.0], equal_nan=True)


def test_nothing_is_taught_of_a_tag_that_may_sound(pool, data):
    _, presence, *_ = streams(pool)
    presence = np.asarray(presence)
    negatives = presence[:, 2] == 1.0
    assert negatives.any() and ((presence == UNSURE)[:, 1] == negatives).all()
    logits = tf.constant(np.random.default_rng(0).normal(size=presence.shape), tf.float32)
    for loss in (loop.tag_loss, lambda logits, presence: loop.share_loss(logits, presence, 0.1)):
        (gradient,) = gradients(lambda logits, loss=loss: loss(logits, presence), logits)
        assert (gradient[:, :-1][presence[:, :-1] == UNSURE] == 0.0).all() and np.isfinite(gradient).all()
        assert (gradient[:, 0] != 0.0).all()
    with tf.GradientTape() as tape:
        tags = tf.Variable(logits[:, :-1])
        loss = refit.tag_loss(tf.constant(presence), tags)
    assert ((tape.gradient(loss, tags).numpy() == 0.0) == (presence[:, :-1] == UNSURE)).all()


def test_a_clip_of_several_tags_asks_for_a_yes_to_each():
    presence = tf.constant([[1.0, 1.0, 1.0, 0.0, 0.0], [0.4, 0.0, 0.6, 0.0, 0.0], [0.0, UNSURE, 0.0, 0.0, 1.0]])
    yes, no = 20.0, -20.0
    right = tf.constant([[yes, yes, yes, no], [yes, no, yes, no], [no, yes, no, no]])
    found = refit.tag_loss(presence, right)
    np.testing.assert_allclose(found[0], np.log(3.0), atol=1e-4)  # three alike share a third each
    np.testing.assert_allclose(found[1], 0.2 * 20.0 + np.log(2.0), atol=1e-3)  # 0.4 is a yes of 0.8
    np.testing.assert_allclose(found[2], 0.0, atol=1e-4)
    _, shares = shares_of(tf.constant(presence.numpy()))
    np.testing.assert_allclose(shares[0], [1 / 3] * 3 + [0.0] * 2, atol=1e-6)


def test_the_teacher_is_learned_from_where_it_was_asked():
    wanted = tf.constant([[1.0, 0.0, 0.0, 1.0, UNSURE], [0.0, 0.0, 1.0, UNSURE, UNSURE]])
    logits = tf.Variable([[3.0, -1.0, 0.5, 0.5], [3.0, -1.0, 0.5, 0.5]])
    with tf.GradientTape() as tape:
        loss = refit.RefitLoss(2, 0.5, reduction=None)(wanted, logits)
    of_tags = refit.tag_loss(wanted[:, :3], logits[:, :2]).numpy()
    np.testing.assert_allclose(loss, of_tags + np.array([0.5 * np.log1p(np.exp(-0.5)), 0.0]), rtol=1e-5)
    assert ((tape.gradient(loss, logits).numpy()[:, 2:] != 0.0) == [[True, False], [False, False]]).all()


def test_negatives_pull_every_score_down():
    logits = tf.constant([[3.0, -1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = refit.tag_loss(tf.constant([[0.0, 0.0, 0.0, 1.0]]), logits)
    np.testing.assert_allclose(tape.gradient(loss, logits), tf.sigmoid(logits), atol=1e-6)


def test_the_hardened_encoder_gives_the_normed_latents(pool, front_end):
    weights, norms = joint.new_joint(KEY, TINY.learned, 1, 3, 0, front_end)
    norms = tf.nest.map_structure(lambda values: values + 0.3, norms)
    scaled = streams(pool, 32)[0]
    latents, _ = joint.latents_of(weights, norms, scaled, front_end, training=False)
    tree = tf.nest.map_structure(np.asarray, {"weights": weights, "norms": norms})
    for family, patches in joint.cut(scaled, front_end).items():
        rows = np.asarray(patches).reshape(-1, input_sizes(front_end)[family])
        plain = harden.hardened(tree, family)(rows).numpy()
        np.testing.assert_allclose(plain, np.asarray(latents[family]).reshape(plain.shape), atol=1e-3)


def test_the_last_head_learns_from_streams_of_up_to_a_context(tmp_path, monkeypatch, pool, sound):
    config, lengths = TINY.with_values(context=3), []
    network = SimpleNamespace(n_inputs=1, n_outputs=1, quantisation=UNQUANTISED)
    codebook = Codebook(np.zeros((8, 1), np.float32))
    encoder = SimpleNamespace(network=network, codebook=codebook, codes=codes_by_level)
    monkeypatch.setattr(refit, "load_encoder", lambda *_: encoder)
    push = Context.push
    monkeypatch.setattr(Context, "push", lambda self, codes: lengths.append(len(codes)) or push(self, codes))
    scaled, presence, taught, _ = map(np.asarray, streams(pool, windows=3))
    batches, networks = iter([(scaled, presence, taught)]), dict(zip(FAMILIES, FAMILIES))
    refit.count_augmented(Shards(tmp_path), batches, 1, networks, sound, config)
    counts = Shards(tmp_path).whole(0, [COUNTS])[COUNTS]
    assert (counts.sum(axis=1) == (1 + 3) * 143).all()
    assert set(lengths) == {1, 2, 3} and len(lengths) == len(counts) == 64


def codes_by_level(patches):
    return np.clip(patches.mean(axis=-1) * 8, 0, 7).astype(np.intp)


def test_a_small_model_learns_two_bands(tmp_path, sound, data, front_end):
    split = Split("fold 0", data.in_folds("1", "2", "3", "4"), data.in_folds("0"))
    parts = learned.fit(tmp_path, sound, data, split, TINY, [])
    assert len(set(parts.names())) == 5
    encoder = WindowEncoder(
        {family: load_encoder(parts.networks[family], parts.codebooks[family]) for family in FAMILIES}, front_end, 10
    )
    head = Model((parts.head / NETWORK).read_bytes())
    assert head.n_inputs == encoder.n_counts == 2 * 8 * (12 + 12 + 1 + 1)
    for clip in split.held:
        levelled = Level(sound.level, front_end).push(sound.of_clip(clip).reshape(-1, 96))
        logits = head(np.sqrt(encoder.counts(encoder.push(levelled)).astype(np.float32))).mean(axis=0)
        assert data.tags[int(logits.argmax())] == data.clips[clip].tags[0]
        encoder.reset()
    before = sorted(tmp_path.rglob("*"))
    assert learned.fit(tmp_path, sound, data, split, TINY, []) == parts
    assert sorted(tmp_path.rglob("*")) == before
    again = learned.fit(tmp_path / "again", sound, data, split, TINY, [])
    same = [(parts.head, again.head), *((parts.networks[name], again.networks[name]) for name in FAMILIES)]
    same += [(parts.codebooks[name], again.codebooks[name]) for name in FAMILIES]
    for one, other in same:
        assert contents(one) == contents(other)


def contents(path):
    """The bytes of a network or of codebooks, by name."""
    found = {file.name: file.read_bytes() for file in path.iterdir() if file.suffix in (".tflite", ".npz", ".npy")}
    assert found
    return found


def test_a_head_that_is_not_refitted_is_the_joint_one_without_none(tmp_path):
    weights, _ = joint.new_joint(KEY, TINY.learned, 1, 3, 0, FrontEnd())
    final = refit.refit_head(tmp_path, weights, Shards(tmp_path), TINY.with_values(refit_epochs=0))
    *inner, kernel, bias = final.get_weights()
    for found, layer in zip(inner[::2], weights["head"]):
        assert np.array_equal(found, layer["kernel"])
    assert np.array_equal(kernel, weights["head"][-1]["kernel"][:, :2]) and bias.shape == (2,)


def alike(one, other, **bounds):
    """Assert that two trees have the same places and, within bounds, the same arrays."""
    one, other = dict(trees.leaves(one)), dict(trees.leaves(other))
    assert one.keys() == other.keys()
    for place, values in one.items():
        np.testing.assert_allclose(values, other[place], err_msg=place, **bounds)


def test_joint_training_that_was_interrupted_ends_where_it_would_have(tmp_path, monkeypatch, sound, data, front_end):
    """It learns from three pools in turn."""
    monkeypatch.setattr(loop, "SAY_EVERY", 4)
    pools = heard.new_pools(dealt(sound), data, np.arange(20), [], AugmentSettings(), 0.18)
    assert len(pools) == 3
    pool = pools[0]
    task = loop.Task(TINY.with_values(steps=11), LEVEL, front_end)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = loop.train(loop.Training(task, loop.begin(task, pool)), pools, tmp_path / "whole")
    lines = []

    def interrupted(line):
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "say", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.train(loop.Training(task, loop.begin(task, pool)), pools, tmp_path / "cut")
    again = loop.train(loop.Training(task, loop.begin(task, pool)), pools, tmp_path / "cut")
    # The second line was said before its checkpoint was written.
    assert [line.split("  ")[1] for line in lines] == ["step 4/11", "step 8/11", "step 8/11", "step 11/11"]
    alike(whole, again, atol=1e-3)


def test_a_tree_comes_back_from_its_file_and_from_a_vector(tmp_path, front_end):
    weights, norms = joint.new_joint(KEY, TINY.learned, 1, 3, 2, front_end)
    whole = {"weights": weights, "norms": norms}
    trees.save_joint(tmp_path / "joint.npz", whole, {"tags": ("high", "low"), "taught": ()})
    back, names = trees.load_joint(tmp_path / "joint.npz")
    alike(whole, back, atol=2e-3, rtol=1e-3)
    assert names == {"tags": ["high", "low"], "taught": []}
    alike(whole, trees.cutter(whole)(trees.as_vector(whole)), rtol=0.0)


@pytest.fixture(scope="module")
def here(tmp_path_factory, sound, data):
    """A training of one fold, and its task for another machine."""
    split = Split("fold 0", data.in_folds("1", "2", "3", "4"), data.in_folds("0"))
    config = TINY.with_values(steps=4, context=3, stream_windows=1)
    learning = learned.Learning(tmp_path_factory.mktemp("runs"), sound, data, split, config, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heard, "recorded", lambda *_: None)
        learning.write_task()
    return learning


def test_a_joint_training_done_elsewhere_is_taken_for_its_own(monkeypatch, tmp_path, here):
    assert main(["joint", str(here.elsewhere)]) == 0
    assert sorted(file.name for file in here.elsewhere.iterdir()) == ["joint.npz", "pool-00000.npz", "training.json"]
    monkeypatch.setattr(learned, "train", None)  # nothing is trained here
    alike(here.joint, trees.load_joint(here.elsewhere / "joint.npz")[0], rtol=0.0)
    assert main(["joint", str(tmp_path)]) == 2


def test_a_training_goes_on_from_an_earlier_one_of_the_same_sizes(tmp_path, capsys, here):
    start = here.task.new_joint(KEY, here.pools[0])
    earlier = tmp_path / "earlier.npz"
    start["weights"]["head"][2]["bias"] += 50.0
    trees.save_joint(earlier, start, {**here.names, "trained": ['{"seed": 7}']})
    assert main(["joint", str(here.elsewhere), "--warm-start", str(earlier)]) == 0
    found, texts = trees.load_joint(here.elsewhere / "joint.npz")
    assert (found["weights"]["head"][2]["bias"] > 49.0).all()
    first, last = map(json.loads, texts["trained"])
    assert first == {"seed": 7} and last["learned"]["stream_windows"] == 1 and last["context"] == 3
    capsys.readouterr()
    trees.save_joint(earlier, start, {**here.names, "taught": ("Rain",)})
    assert main(["joint", str(here.elsewhere), "--warm-start", str(earlier)]) == 2
    assert "must know the same taught in the same order" in capsys.readouterr().err
    start["weights"]["head"][2]["bias"] = np.zeros(9, np.float32)
    trees.save_joint(earlier, start, here.names)
    assert main(["joint", str(here.elsewhere), "--warm-start", str(earlier)]) == 2
    assert "must have ['weights']['head'][2]['bias'] of (3,) (got (9,))" in capsys.readouterr().err
    earlier.write_text("nothing")
    assert main(["joint", str(here.elsewhere), "--warm-start", str(earlier)]) == 2
    assert "must be the joint.npz of a training" in capsys.readouterr().err


def test_a_training_goes_on_for_more_tags(tmp_path, here):
    start = here.task.new_joint(KEY, here.pools[0])
    kernel = np.asarray(start["weights"]["head"][2]["kernel"])
    start["weights"]["head"][2] = {"kernel": kernel[:, :2], "bias": np.array([3.0, -5.0], np.float32)}
    trees.save_joint(tmp_path / "earlier.npz", start, {**here.names, "tags": ("low",)})
    found, _ = elsewhere.earlier(tmp_path / "earlier.npz", here.task, here.pools[0], here.names)
    layer = found["weights"]["head"][2]
    assert here.names["tags"] == ("high", "low") and layer["bias"].tolist() == [-5.0, 3.0, -5.0]
    assert (layer["kernel"][:, 0] == 0.0).all()
    assert layer["kernel"][:, 1:] == pytest.approx(kernel[:, :2].astype(np.float16))


@pytest.mark.parametrize("count", ["0", "3", "-1"])
def test_a_batch_is_shared_evenly(here, capsys, count):
    assert main(["joint", str(here.elsewhere), "--devices", count]) == 2
    assert f"devices that train together must be 1, 2, 4, 8 (got {count})" in capsys.readouterr().err

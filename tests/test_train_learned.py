"""The learned codebook: what the graph does in training is what bowstream does on a device."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bowstream.model.codebook import Codebook
from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.patches import FAMILIES, cut_env, cut_fenv, cut_o, cut_pat, input_sizes
from bowstream.model.tflite import UNQUANTISED

tf = pytest.importorskip("tensorflow")

from train.common.config import AugmentSettings, TrainConfig  # noqa: E402
from train.dataset.data import Clip, DataSet, Split  # noqa: E402
from train.dataset.features import Features  # noqa: E402
from train.learned import augment, joint, learned, refit  # noqa: E402
from train.learned.pool import UNSURE, Pool, shares_of  # noqa: E402
from train.learned.refit import tag_loss  # noqa: E402
from train.model.codebook import load_encoder  # noqa: E402
from train.model.export import NETWORK  # noqa: E402
from train.model.head import COUNTS  # noqa: E402

# A busy machine takes minutes to trace what a free one does in seconds.
pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

TINY = TrainConfig(method="learned").with_values(
    learned_width=16, latent=4, codes_a_band=8, codes_a_family=8, steps=200, batch=16, learned_head=32, refit_windows=16
)
PLAIN = AugmentSettings(
    mixed=0.0, equaliser_db=0.0, shift_bands=0, stretch=0.0, mask_bands=0, mask_frames=0, narrowed=0.0
)


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
    return Features("test", FrontEnd(), LevelSettings(), log_mel, first)


@pytest.fixture(scope="module")
def pool(sound, data):
    return Pool(sound, data, np.arange(20), [(np.full((5, 100, 96), -23.0, np.float32), {data.tags[1]})], PLAIN)


def drawn_at_columns(pool):
    """Windows that begin with a column of their clip."""
    drawn = pool.draw(np.random.default_rng(0), 64)
    drawn[:, 1] -= (drawn[:, 1] - drawn[:, 2]) % 10
    return drawn


def log_mel_of(pool, first, end):
    return np.log(pool.power.numpy()[first:end].astype(np.float32))


def test_what_is_kept_of_a_clip_is_right_to_a_fiftieth_of_a_decibel(pool, sound):
    found = log_mel_of(pool, 0, 100 * sound.first[-1])
    np.testing.assert_allclose(found, sound.log_mel.reshape(-1, 96), atol=0.02 * augment.DB)


def test_windows_from_mid_stream_have_the_level_of_the_stream(pool, sound):
    drawn = drawn_at_columns(pool)
    scaled, _ = pool.augmented(tf.constant(drawn), 0.0)
    for (_, begin, first, end), window in zip(drawn, scaled.numpy()):
        stream = Level(sound.level, sound.front_end).push(log_mel_of(pool, first, end))
        np.testing.assert_allclose(window.reshape(100, 96), stream[begin - first :][:100], atol=1e-6)


def test_before_a_window_comes_what_its_clip_had_there_and_before_that_silence(pool, sound, front_end):
    drawn = drawn_at_columns(pool)
    scaled, _ = pool.augmented(tf.constant(drawn), 0.0, 3)
    silence = np.full((300, 96), np.log(front_end.power_floor), np.float32)
    for (_, begin, first, end), windows in zip(drawn, scaled.numpy()):
        heard = np.concatenate([silence, log_mel_of(pool, first, end)])
        stream = Level(sound.level, front_end).push(heard)[100 + begin - first :][:300]
        np.testing.assert_allclose(windows.reshape(300, 96), stream, atol=1e-6)


def test_negatives_are_drawn_no_more_often_than_their_share(sound, data):
    silence = np.full((100, 100, 96), -23.0, np.float32)
    for share, negatives in ((0.25, 16), (0.0, 0), (1.0, 32)):  # half of all, where no share forbids it
        many = Pool(sound, data, np.arange(20), [(silence, ())], replace(PLAIN, negative_share=share))
        clips = many.draw(np.random.default_rng(0), 64)[:, 0]
        assert (clips >= 20).sum() == negatives
        times = np.bincount(clips)[:20]
        assert times.max() - times.min() <= 1


class EightCodes:
    """As much of a codebook as the coder asks for."""

    n_parts = 1

    def __len__(self):
        return 8


def test_the_last_head_learns_from_streams_of_up_to_a_context(tmp_path, monkeypatch, pool, sound):
    config, lengths = TINY.with_values(context=3, refit_windows=1), []
    network = SimpleNamespace(n_inputs=1, n_outputs=1, quantisation=UNQUANTISED)
    encoders = {
        family: SimpleNamespace(network=network, codebook=EightCodes(), codes=codes_by_level) for family in FAMILIES
    }
    monkeypatch.setattr(refit, "load_encoder", lambda family, _: encoders[family])
    push = Context.push
    monkeypatch.setattr(Context, "push", lambda self, codes: lengths.append(len(codes)) or push(self, codes))
    refit.count_augmented(tmp_path, dict(zip(FAMILIES, FAMILIES)), pool, sound, config)
    counts = np.load(tmp_path / COUNTS)
    assert (counts.sum(axis=1) == (1 + 3) * 143).all()
    assert set(lengths) == {1, 2, 3} and len(lengths) == len(counts)


def codes_by_level(patches):
    return np.clip(patches.mean(axis=-1) * 8, 0, 7).astype(np.intp)


def test_patches_are_those_of_the_device(front_end):
    windows = np.random.default_rng(2).random((3, 100, 96), np.float32)
    columns = windows.reshape(30, 10, 96)
    found = {name: patches.numpy() for name, patches in joint.cut(windows.reshape(3, 10, 10, 96), front_end).items()}
    assert np.array_equal(found["pat"].transpose(0, 2, 1, 3).reshape(30, 12, 80), cut_pat(columns))
    assert np.array_equal(found["env"].reshape(30, 1, 960), cut_env(columns))
    assert np.array_equal(found["fenv"][:, :, 0], cut_fenv(windows))
    np.testing.assert_allclose(found["o"][:, 0], cut_o(windows), atol=1e-6)


def test_counts_are_those_of_the_codebook():
    rng = np.random.default_rng(3)
    latents, centroids = rng.normal(size=(4, 12, 10, 5)), rng.normal(size=(12, 7, 5))
    hard, _ = joint.count_nearest(tf.constant(latents, tf.float32), tf.constant(centroids, tf.float32))
    codebook = Codebook(centroids.astype(np.float32))
    codes = codebook.predict(latents.astype(np.float32).reshape(4, 120, 5))
    assert np.array_equal(hard.numpy().reshape(4, -1), [np.bincount(window, minlength=84) for window in codes])


def test_the_gradient_is_that_of_soft_codes():
    rng = np.random.default_rng(4)
    latents, centroids = (tf.constant(rng.normal(size=shape), tf.float32) for shape in ((2, 3, 4, 8), (3, 6, 8)))
    weights = tf.constant(rng.normal(size=(2, 3, 6)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([latents, centroids])
        hard, _ = joint.count_nearest(latents, centroids)
        through = tf.reduce_sum(hard * weights)
        distance = tf.reduce_sum(tf.square(latents[:, :, :, tf.newaxis] - centroids[:, tf.newaxis]), axis=-1)
        soft = tf.reduce_sum(tf.reduce_sum(tf.nn.softmax(-0.5 * distance), axis=2) * weights)
    for found, wanted in zip(tape.gradient(through, [latents, centroids]), tape.gradient(soft, [latents, centroids])):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_root_has_a_finite_gradient_at_nothing():
    counts = tf.constant([0.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(counts)
        root = joint.square_root(counts)
    assert root.numpy().tolist() == [0.0, 2.0]
    assert np.isfinite(tape.gradient(root, counts)).all()


def test_mixing_adds_powers_and_shares_labels():
    augment.chance(5)
    power = tf.exp(augment.dice().normal((6, 100, 96)))
    labels = tf.stack([tf.eye(6), tf.zeros((6, 6))], axis=1)
    mixed, peaks, mixed_labels = augment.mix(power, tf.zeros((6, 9)), labels, 1.0, -16.0)
    targets, _ = tf.unstack(mixed_labels, axis=1)
    np.testing.assert_allclose(targets.numpy().sum(axis=1), 1.0, atol=1e-6)
    assert mixed.shape == power.shape and peaks.shape == (6, 9)
    unmixed, _, same = augment.mix(power, tf.zeros((6, 9)), labels, 0.0, -16.0)
    assert np.array_equal(unmixed, power)
    assert np.array_equal(same, labels)


def test_a_mix_is_of_sounds_made_equally_loud():
    augment.chance(7)
    power = tf.tile([[[1e-6]], [[1.0]]], (10, 100, 96))
    mixed, _, _ = augment.mix(power, tf.zeros((20, 9)), tf.zeros((20, 2, 3)), 1.0, -30.0)
    share_of_own_level = (mixed / power).numpy()  # s² + (1 - s)² for a share of s
    assert 0.499 < share_of_own_level.min() < share_of_own_level.max() < 1.001


def test_a_narrow_band_keeps_its_middle_and_only_some_windows_have_one():
    augment.chance(8)
    kept = augment.narrow(tf.ones((200, 100, 96)), 0.5).numpy()
    assert (kept == kept[:, :1]).all() and (kept[:, :, 15:48] == 1.0).all()
    lost = (kept[:, 0] < 0.011).sum(axis=1)  # at least 20 dB
    assert 60 < (lost > 0).sum() < 140 and lost.max() <= 0.66 * 96
    assert np.isin(np.diff(kept[:, 0] < 0.5).sum(axis=1), (0, 1, 2)).all()


def test_nothing_is_taught_of_a_tag_that_may_sound_in_a_negative(pool, data):
    drawn = pool.draw(np.random.default_rng(0), 64)
    negatives = drawn[:, 0] >= 20
    assert negatives.any()
    _, presence = pool.augmented(tf.constant(drawn), 0.0)
    unsure = (presence == UNSURE).numpy()
    assert (unsure[:, 1] == negatives).all() and unsure.sum() == negatives.sum()
    logits = tf.Variable(tf.random.stateless_normal(presence[:, :-1].shape, (1, 2)))
    with tf.GradientTape() as tape:
        loss = tag_loss(presence, logits)
    assert ((tape.gradient(loss, logits).numpy() == 0.0) == unsure[:, :-1]).all()


def test_a_tag_that_may_sound_in_a_negative_is_taught_where_the_other_of_a_mix_has_it(sound, data):
    may = [(np.full((5, 100, 96), -12.0, np.float32), {data.tags[1]})]
    pool = Pool(sound, data, np.arange(20), may, replace(PLAIN, mixed=1.0, negative_share=0.5))
    drawn = pool.draw(np.random.default_rng(0), 64)
    augment.chance(9)
    _, presence = pool.augmented(tf.constant(drawn), 0.0)
    of_second, none = presence.numpy()[:, 1], presence.numpy()[:, 2]
    half_negative = (none > 0.0) & (none < 1.0)
    assert half_negative.any()
    assert (of_second[none == 1.0] == UNSURE).all() and (of_second[none == 0.0] != UNSURE).all()
    assert set(np.sign(of_second[half_negative])) == {UNSURE, 1.0}
    logits = tf.Variable(tf.random.stateless_normal(presence.shape, (1, 2)))
    with tf.GradientTape() as tape:
        loss = learned.share_loss(logits, presence, 0.1)
    assert np.isfinite(loss).all()
    assert ((tape.gradient(loss, logits).numpy() == 0.0) == (presence == UNSURE).numpy()).all()


def test_a_clip_of_several_tags_asks_for_a_yes_to_each():
    presence = tf.constant([[1.0, 1.0, 1.0, 0.0, 0.0], [0.4, 0.0, 0.6, 0.0, 0.0], [0.0, UNSURE, 0.0, 0.0, 1.0]])
    yes, no = 20.0, -20.0
    right = tf.constant([[yes, yes, yes, no], [yes, no, yes, no], [no, yes, no, no]])
    order = tf.constant([np.log(3.0), 0.0, 0.0])  # three alike share a third each
    found = tag_loss(presence, right)
    np.testing.assert_allclose(found[0], order[0], atol=1e-4)
    np.testing.assert_allclose(found[1], 0.2 * 20.0 + np.log(2.0), atol=1e-3)  # 0.4 is a yes of 0.8
    np.testing.assert_allclose(found[2], 0.0, atol=1e-4)
    _, shares = shares_of(presence)
    np.testing.assert_allclose(shares[0], [1 / 3] * 3 + [0.0] * 2, atol=1e-6)


def test_noise_only_adds_and_only_to_some():
    augment.chance(6)
    power, noise = tf.exp(augment.dice().normal((40, 100, 96))), augment.restless(96)
    added = (augment.add_noise(power, noise, 0.5, -16.0) - power).numpy()
    assert added.min() >= 0.0
    assert 5 < (added.max(axis=(1, 2)) > 1e-3).sum() < 35
    assert np.array_equal(augment.add_noise(power, noise, 0.0, -16.0), power)


def test_negatives_pull_every_score_down():
    logits = tf.constant([[3.0, -1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = refit.tag_loss(tf.constant([[0.0, 0.0, 0.0, 1.0]]), logits)
    np.testing.assert_allclose(tape.gradient(loss, logits), tf.sigmoid(logits), atol=1e-6)


def test_masks_cover_no_more_than_asked():
    masked = augment.mask(tf.ones((50, 10, 10, 96)), 12, 8).numpy().reshape(50, 100, 96)
    assert ((masked == 0).all(axis=2).sum(axis=1) <= 12).all()
    assert ((masked == 0).all(axis=1).sum(axis=1) <= 8).all()
    assert (masked == 0).any()


def test_the_hardened_encoder_gives_the_normed_latents(pool, sound, front_end):
    model = joint.Joint(TINY.learned, 3, front_end)
    scaled, _ = pool.augmented(tf.constant(pool.draw(np.random.default_rng(6), 32)), 0.0)
    for _ in range(200):
        model.latents(scaled, training=True)  # moves the norms
    latents = model.latents(scaled, training=False)
    for family, patches in joint.cut(scaled, front_end).items():
        rows = tf.reshape(patches, (-1, input_sizes(front_end)[family]))
        plain = learned.hardened(model, family)(rows).numpy()
        # bfloat16 in training has 8 bits.
        np.testing.assert_allclose(plain, latents[family].numpy().reshape(plain.shape), atol=0.15)


def test_a_small_model_learns_two_bands(tmp_path, sound, data, front_end):
    split = Split("fold 0", data.in_folds("1", "2", "3", "4"), data.in_folds("0"))
    parts = learned.fit(tmp_path, sound, data, split, TINY, [])
    assert len(set(parts.names())) == 5
    encoder = WindowEncoder(
        {family: load_encoder(parts.networks[family], parts.codebooks[family]) for family in FAMILIES}, front_end, 10
    )
    from bowstream.model.tflite import Model

    head = Model((parts.head / NETWORK).read_bytes())
    assert head.n_inputs == encoder.n_counts == 8 * (12 + 12 + 1 + 1)
    for clip in split.held:
        levelled = Level(sound.level, front_end).push(sound.of_clip(clip).reshape(-1, 96))
        logits = head(np.sqrt(encoder.counts(encoder.push(levelled)).astype(np.float32))).mean(axis=0)
        assert data.tags[int(logits.argmax())] == data.clips[clip].tags[0]
        encoder.reset()
    before = sorted(tmp_path.rglob("*"))
    assert learned.fit(tmp_path, sound, data, split, TINY, []) == parts
    assert sorted(tmp_path.rglob("*")) == before


def test_joint_training_that_was_interrupted_ends_where_it_would_have(tmp_path, monkeypatch, pool, sound):
    monkeypatch.setattr(learned, "SAY_EVERY", 4)
    config = TINY.with_values(steps=11)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = learned.train_joint(tmp_path / "whole", pool, sound, config)
    lines = []

    def interrupted(line):
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(learned, "say", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learned.train_joint(tmp_path / "cut", pool, sound, config)
    again = learned.train_joint(tmp_path / "cut", pool, sound, config)
    # The second line was said before its checkpoint was written.
    assert [line.split("  ")[1] for line in lines] == ["step 4/11", "step 8/11", "step 8/11"]
    for one, other in zip(whole.variables, again.variables, strict=True):
        # The same products on several threads may be summed in another order.
        np.testing.assert_allclose(one, other, atol=1e-3)

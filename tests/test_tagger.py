"""From samples to scores, with the bundle that is shipped."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals import blocks, chirp, noise, scene, stereo, straight_log_mel

from bowstream import Tagger
from bowstream.audio.convert import Converter
from bowstream.model.head import COUNT_TRANSFORMS, shown
from bowstream.model.highpass import HighPass
from bowstream.model.log_mel import mel_filterbank
from bowstream.model.patches import cut_env, cut_fenv, cut_o, cut_pat
from bowstream.model.sensitivity import USUAL, Sensitivity


@pytest.fixture(scope="module")
def sound():
    return scene(4.0)


def whole(bundle, sound, hop_s=1.0):
    return Tagger(bundle, hop_s).push(sound[: len(sound) // 1600 * 1600])


def test_scores_are_one_a_tag_between_0_and_1(bundle, sound):
    tags = whole(bundle, sound)
    assert [heard.end_s for heard in tags] == [1.0, 2.0, 3.0, 4.0]
    for heard in tags:
        assert heard.array.shape == (len(bundle.tags),)
        assert heard.array.dtype == np.float32
        assert (heard.array >= 0).all()
        assert (heard.array <= 1).all()
        assert heard.codes.shape == (bundle.head.context, codes_per_window(bundle))
    assert not np.array_equal(tags[0].array, tags[1].array)


def codes_per_window(bundle):
    """143 patches, each with a code per part of its vector."""
    patches = {"pat": 120, "fenv": 12, "env": 10, "o": 1}
    return sum(patches[family] * encoder.codebook.n_parts for family, encoder in bundle.encoders.items())


def test_counts_sum_to_the_codes_of_a_window(bundle, sound):
    tagger = Tagger(bundle)
    codes = np.stack([heard.codes for heard in tagger.push(sound)])
    counts = tagger.encoder.counts(codes)
    assert (counts.sum(axis=2) == codes_per_window(bundle)).all()
    assert counts.shape[:2] == (4, bundle.head.context)
    assert counts.shape[2] == sum(len(bundle.encoders[f].codebook) for f in bundle.encoders)
    assert shown(counts).shape[1] == bundle.head.network.n_inputs


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 8_000, 44_100, 48_000])
def test_block_size_does_not_matter(rate, channels, bundle):
    """Scores are the same to the last bit in blocks of 17, 509, 1600 and 16000 frames, handed on in any chunks."""
    sound = scene(2.35, rate)
    frames = stereo(sound) if channels == 2 else sound[:, np.newaxis]
    heard = {}
    for size, chunk_columns in [(len(frames), 10), (17, 1), (509, 1), (509, 10), (1600, 1), (16_000, 10), (16_000, 1)]:
        converter, tagger, tags = Converter("test", rate, bundle.front_end.format, chunk_columns), Tagger(bundle), []
        for block in blocks(frames, size):
            for chunk in converter.push(block):
                tags += tagger.push(chunk)
        for chunk in converter.finish():
            tags += tagger.push(chunk)
        heard[size, chunk_columns] = tags + tagger.flush()
    first = heard[len(frames), 10]
    assert [scores.end_s for scores in first] == [1.0, 2.0, 3.0]
    for tags in heard.values():
        assert tags == first


@settings(max_examples=15)
@given(pieces=st.lists(st.integers(0, 13), max_size=12), hop_s=st.sampled_from([0.1, 0.3, 1.0]))
def test_any_split_is_the_whole(pieces, hop_s, bundle):
    sound = scene(0.1 * sum(pieces))
    tagger, tags, start = Tagger(bundle, hop_s), [], 0
    for columns in pieces:
        tags += tagger.push(sound[start : start + 1600 * columns])
        start += 1600 * columns
    assert tags == whole(bundle, sound, hop_s)
    assert tagger.position == start


def test_a_short_hop_gives_the_same_windows(bundle, sound):
    """Bit for bit, but for what the bundle shifts the logits by at a hop."""
    unshifted = replace(bundle, sensitivity=Sensitivity({}, ()))
    every = whole(unshifted, sound, 0.1)
    assert len(every) == 31
    for hop in (2, 5, 10):
        assert whole(unshifted, sound, hop / 10) == every[::hop]
        for scores, plain in zip(whole(bundle, sound, hop / 10), every[::hop], strict=True):
            assert np.array_equal(scores.codes, plain.codes) and np.array_equal(scores.levels[-1], plain.levels[-1])
            shift = bundle.sensitivity.shift(hop / 10, USUAL)
            assert logits(scores.array) == pytest.approx(logits(plain.array) + shift, abs=1e-3)


def logits(scores):
    scores = scores.astype(np.float64)
    return np.log(scores / (1.0 - scores))


def test_gain_of_6_db_hardly_matters(bundle):
    """Level is relative: half as loud is the same sound, within the rounding of quiet frames."""
    sound = scene(2.0)
    for loud, quiet in zip(whole(bundle, sound), whole(bundle, sound * np.float32(0.5))):
        assert (loud.codes[-1] != quiet.codes[-1]).sum() <= 30


def test_flush_fills_the_last_window_with_silence(bundle, sound):
    tagger = Tagger(bundle)
    assert tagger.flush() == []
    assert len(tagger.push(sound[: 13 * 1600])) == 1
    (last,) = tagger.flush()
    padded = np.concatenate([sound[: 13 * 1600], np.zeros(7 * 1600, np.float32)])
    assert [last] == whole(bundle, padded)[1:]
    assert tagger.flush() == []


def test_flush_at_a_short_hop_ends_with_the_sound(bundle, sound):
    """Ten columns make the first window; each later one, the next: nothing is left over."""
    tagger = Tagger(bundle, 0.1)
    assert len(tagger.push(sound[: 13 * 1600])) == 4
    assert tagger.flush() == []


def test_a_window_never_reaches_over_a_gap(bundle, sound):
    tagger = Tagger(bundle)
    before = tagger.push(sound[: 15 * 1600])
    tagger.gap(12_345)
    after = tagger.push(sound[15 * 1600 : 35 * 1600])
    over_s = (24_000 + 12_345) / 16_000
    assert [scores.end_s for scores in before + after] == pytest.approx([1.0, over_s + 1.0, over_s + 2.0])
    fresh = whole(bundle, sound[15 * 1600 : 35 * 1600])
    assert all(np.array_equal(a.array, b.array) for a, b in zip(after, fresh))


def test_no_samples_give_no_tags(bundle):
    tagger = Tagger(bundle)
    assert tagger.push(np.empty(0, np.float32)) == []
    assert tagger.position == 0


@pytest.mark.parametrize("hop_s", [0.1, 1.0])
def test_the_first_score_comes_after_a_second(hop_s, bundle, sound):
    tagger = Tagger(bundle, hop_s)
    assert [len(tagger.push(column)) for column in blocks(sound, 1600)[:10]] == [0] * 9 + [1]


def test_silence_and_full_scale_give_finite_scores(bundle):
    for extreme in (np.zeros(32_000), np.ones(32_000), np.tile([1.0, -1.0], 16_000)):
        for tags in Tagger(bundle).push(extreme.astype(np.float32)):
            assert np.isfinite(tags.array).all()


def nearest(encoder, patches):
    """Return codes (N, P * parts) of patches (N, P, values), by brute force in float64."""
    count, per_item, size = patches.shape
    centroids = encoder.codebook._transposed.swapaxes(2, 3).astype(np.float64)  # (bands, parts, D, values)
    bands, parts, n_codes, values = centroids.shape
    latents = encoder.network(patches.reshape(-1, size)).reshape(count, per_item, parts, 1, values)
    distances = np.square(latents - centroids).sum(axis=-1)  # (N, P, parts, D), a patch a band where each has its own
    first = n_codes * np.arange(bands * parts).reshape(bands, parts)
    return (distances.argmin(axis=-1) + first).reshape(count, -1)


def straight_scores(head, rows):
    """Return the scores of what the head is shown, (windows, inputs), as the definition says."""
    rows = COUNT_TRANSFORMS[head.count_transform](rows.astype(np.float32))
    logits = np.concatenate([head.network(row[np.newaxis]) for row in rows]).astype(np.float64)
    logits -= head.softmax_weight * np.log1p(np.exp(logits).sum(axis=1, keepdims=True))
    scores = 1 / (1 + np.exp(-(head.slopes * logits + head.biases)))
    return scores if head.outputs is None else scores[:, head.outputs]


def straight(bundle, sound):
    """Return codes (windows, P) and scores as the definition says: float64, a window at a time, nothing kept."""
    if bundle.front_end.highpass_hz:
        sound = HighPass(bundle.front_end.highpass_hz, 16_000, 1600).push(sound)
    log_mel = straight_log_mel(sound, mel_filterbank(bundle.front_end), bundle.front_end).reshape(-1, 10, 96)
    peaks = np.maximum(log_mel.max(axis=(1, 2)), bundle.level.ref_floor)
    loudest = np.array([peaks[max(0, column - 9) : column + 1].max() for column in range(len(peaks))])
    scaled = (log_mel - loudest[:, np.newaxis, np.newaxis]) / (bundle.level.top_db * np.log(10.0) / 10.0) + 1.0
    offsets, found = Tagger(bundle).encoder.offsets, []
    for columns in np.maximum(scaled, 0.0).astype(np.float32).reshape(-1, 10, 10, 96):
        window = columns.reshape(1, 100, 96)
        patches = {"pat": cut_pat(columns), "env": cut_env(columns), "fenv": cut_fenv(window), "o": cut_o(window)}
        codes = {family: nearest(bundle.encoders[family], patches[family]) + offsets[family] for family in patches}
        inside = np.concatenate([codes["pat"], codes["env"]], axis=1)
        found.append(np.concatenate([inside.ravel(), codes["fenv"].ravel(), codes["o"].ravel()]))
    size = sum(len(encoder.codebook) for encoder in bundle.encoders.values())
    counts = [np.bincount(codes, minlength=size) for codes in found]
    context = range(bundle.head.context)
    sums = [np.sum([counts[max(0, now - back)] for back in context], axis=0) for now in range(len(found))]
    rows = [counts, sums] if len(context) > 1 else [counts]
    return np.stack(found), straight_scores(bundle.head, np.concatenate(rows, axis=1))


def test_codes_and_scores_are_the_straight_computations(bundle):
    """Float32 moves log-mel by 1e-4, of an int8 step by 3e-3: enough to turn a code in a thousand.

    What codes that turned do to the scores is no matter of arithmetic; the same codes give the same scores.
    """
    sound = np.concatenate([scene(20.0), noise(5.0), chirp(5.0)])
    tags = whole(bundle, sound)
    codes, scores = straight(bundle, sound)
    turned = np.stack([heard.codes[-1] for heard in tags]) != codes
    assert turned.mean() <= 1e-3  # measured 2 of 17160
    apart = np.abs(np.stack([heard.array for heard in tags]) - scores).max(axis=1)
    context = range(bundle.head.context)
    same = np.array([not any(turned[max(0, now - back)].any() for back in context) for now in range(len(tags))])
    assert same.mean() >= 0.5 and apart[same].max() <= 1e-6  # measured 24 of 30, 1e-7
    assert apart.max() <= 0.02  # measured 0.016

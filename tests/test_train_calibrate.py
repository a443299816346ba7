"""Calibration, thresholds and measures on made-up scores whose answers are known."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")

from train.measure.evaluate import Held, average_precisions, measure, over_folds
from train.model.calibrate import apply, calibrate, sigmoid
from train.report.page import confusion, reliability


def test_calibration_recovers_a_known_distortion():
    rng = np.random.default_rng(1)
    logit = rng.normal(-2.0, 2.0, (20_000, 1))
    truth = (rng.random((20_000, 1)) < sigmoid(logit)).astype(np.float32)
    distorted = sigmoid(0.5 * logit + 1.0).astype(np.float32)
    (tag,) = calibrate(distorted, truth)
    assert tag.slope == pytest.approx(2.0, rel=0.1) and tag.bias == pytest.approx(-2.0, rel=0.1)
    assert 0.05 <= tag.on <= 0.95 and tag.off == pytest.approx(tag.on / 2, abs=1e-3)
    scores, shares = reliability(apply(distorted, [tag]).astype(np.float32), truth)
    assert np.abs(scores - shares).max() < 0.1


def test_a_tag_never_heard_keeps_its_score():
    (tag,) = calibrate(np.full((50, 1), 0.2, np.float32), np.zeros((50, 1), np.float32))
    assert (tag.slope, tag.bias, tag.on) == (1.0, 0.0, 0.5)


def test_a_tag_that_ranks_its_sounds_last_is_not_turned_round():
    truth = np.repeat([[0.0], [1.0]], 50, axis=0).astype(np.float32)
    (tag,) = calibrate(np.linspace(0.9, 0.1, 100, dtype=np.float32)[:, np.newaxis], truth)
    assert tag.slope > 0


def test_a_clip_is_the_average_of_its_windows():
    held = Held(np.array([[0.2, 0.8], [0.6, 0.0], [0.1, 0.9]], np.float32), np.array([7, 7, 3]))
    scores, clips = held.of_clips()
    assert clips.tolist() == [3, 7]
    assert scores == pytest.approx(np.array([[0.1, 0.9], [0.4, 0.4]]))


def test_measures_by_hand():
    targets = np.eye(2, dtype=np.float32)
    held = Held(np.array([[0.9, 0.1], [0.2, 0.3], [0.4, 0.6]], np.float32), np.array([0, 0, 1]))
    values = measure(held, targets, single_label=True)
    assert values["accuracy"] == 1.0 and values["clip_map"] == 1.0
    # Windows of the first tag rank 1st and 3rd: (1 + 2/3) / 2; those of the second 1st.
    assert values["chunk_map"] == pytest.approx((5 / 6 + 1) / 2)
    assert "accuracy" not in measure(held, targets, single_label=False)


def test_a_tag_that_does_not_occur_has_no_average_precision():
    precisions = average_precisions(np.ones((2, 2), np.float32), np.array([[1, 0], [0, 0]], np.float32))
    assert precisions[0] == 0.5 and np.isnan(precisions[1])


def test_interval_over_folds():
    summary = over_folds([{"accuracy": value} for value in (0.4, 0.5, 0.6)])["accuracy"]
    # Student's t at 2 degrees of freedom is 4.303; the deviation is 0.1.
    assert summary["mean"] == 0.5 and summary["interval_95"] == pytest.approx([0.2516, 0.7484], abs=1e-3)
    assert over_folds([{"accuracy": value} for value in (0.9, 1.0)])["accuracy"]["interval_95"][1] == 1.0
    assert "interval_95" not in over_folds([{"accuracy": 0.4}])["accuracy"]


def test_confusion_rows_are_shares():
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    scores = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], np.float32)
    assert confusion(scores, targets).tolist() == [[0.5, 0.5], [0.0, 1.0]]

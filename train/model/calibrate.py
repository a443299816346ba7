"""Calibration and thresholds, chosen on held-out scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..dataset.data import Float32
from .bundle import TagCalibration

# False events annoy more than missed ones: precision counts twice as much as recall.
BETA = 0.5
# An event ends when its score falls to this share of the score that it began with.
OFF_SHARE = 0.5
# An unlearned tag may rank its sounds last; it is never turned round.
MINIMUM_SLOPE = 0.01


def calibrate(scores: Float32, presence: Float32) -> list[TagCalibration]:
    """Return each tag's calibration (Platt's) and thresholds.

    Parameters
    ----------
    scores : float32 [shape=(windows, C)], held out, uncalibrated
    presence : float32 [shape=(windows, C)], 1, 0, or NaN where it is unknown: there nothing is learned
    """
    settings = []
    for of_tag, present in zip(logits(scores).T, presence.T):
        known = ~np.isnan(present)
        logit, truth = of_tag[known], present[known]
        slope, bias = platt(logit, truth)
        on = round(best_threshold(sigmoid(slope * logit + bias), truth), 3)
        settings.append(TagCalibration(round(slope, 4), round(bias, 4), on, off_for(on)))
    return settings


def off_for(on: float) -> float:
    """Return the score at which an event ends that began at another."""
    return round(OFF_SHARE * on, 4)


def shifted(settings: Sequence[TagCalibration], offset: float) -> list[TagCalibration]:
    """Return tags whose thresholds are raised by so many logits."""
    raised = [round(float(sigmoid(logits(np.array(tag.on)) + offset)), 4) for tag in settings]
    return [replace(tag, on=on, off=off_for(on)) for tag, on in zip(settings, raised)]


def apply(scores: Float32, settings: Sequence[TagCalibration]) -> np.ndarray:
    """Return calibrated scores for uncalibrated ones."""
    slopes = np.array([tag.slope for tag in settings])
    return sigmoid(slopes * logits(scores) + np.array([tag.bias for tag in settings]))


def platt(logit: np.ndarray, truth: Float32) -> tuple[float, float]:
    """Return slope and bias of the logistic regression of the truth on a logit; a tag never heard keeps 1 and 0."""
    from sklearn.linear_model import LogisticRegression

    if truth.all() or not truth.any():
        return 1.0, 0.0
    model = LogisticRegression(C=100.0).fit(logit[:, np.newaxis], truth)
    return max(float(model.coef_[0, 0]), MINIMUM_SLOPE), float(model.intercept_[0])


def best_threshold(scores: np.ndarray, truth: Float32) -> float:
    """Return the score at which F-beta is best, 0.05 … 0.95; 0.5 for a tag never heard."""
    from sklearn.metrics import precision_recall_curve

    if not truth.any():
        return 0.5
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    weighted = BETA**2 * precision + recall
    f_beta = np.divide((1 + BETA**2) * precision * recall, weighted, np.zeros_like(weighted), where=weighted > 0)
    return float(np.clip(thresholds[f_beta[:-1].argmax()], 0.05, 0.95))


def logits(scores: np.ndarray) -> np.ndarray:
    """Inverse of `sigmoid`."""
    inside = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(inside / (1.0 - inside))


def sigmoid(logit: np.ndarray) -> np.ndarray:
    """Return scores, 0 … 1."""
    scores: np.ndarray = 1.0 / (1.0 + np.exp(-logit))
    return scores

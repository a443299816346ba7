"""What a tag can be learned from, when teaching is measured: a clip's windows as some tagger hears them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.errors import AudioError
from bowstream.learn.teach import HOP_S
from bowstream.model.head import features_of
from bowstream.tagger import Tagger

from ..dataset.data import Float32
from .evaluate import loaded
from .waveform import WaveformTagger

# Windows that are learned from are at most so much below the loudest of their clip, in log power.
AUDIBLE = np.log(10.0) * 2.0
TINY = 1e-3


@dataclass(frozen=True)
class Heard:
    """A clip as features of its windows (n, F), and which of them are loud."""

    features: Float32
    loud: NDArray[np.bool_]


def hear_ours(path: Path, bundle: str) -> tuple[Heard] | None:
    """Return what the bundle's features of a clip are; None if it cannot be heard."""
    tagger = Tagger(loaded(bundle), HOP_S)
    try:
        windows = tagger.tag(path).windows
    except AudioError:
        return None
    levels = np.array([each.levels.max(initial=-np.inf) for each in windows])
    codes = np.stack([each.codes for each in windows])
    return (Heard(features_of(tagger.bundle.head.hidden(codes)), levels >= levels.max() - AUDIBLE),)


def hear_other(path: Path, other: WaveformTagger) -> tuple[Heard, Heard] | None:
    """Return the logarithms of another tagger's scores of a clip, and its embedding; None if it cannot be heard."""
    try:
        values = other.hear(path, round(HOP_S * 16_000))
    except AudioError:
        return None
    scores, embedding = np.split(values, [len(other.labels)], axis=1)
    loud = np.ones(len(values), bool)
    return Heard(np.log(scores + TINY), loud), Heard(embedding, loud)

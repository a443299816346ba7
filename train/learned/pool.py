"""Windows to learn from: clips and negatives as one run of mel power, augmented inside the training graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..common.config import AugmentSettings
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features
from . import augment

# Negatives are cut into pieces of this many windows, so that one recording does not count as one clip.
PIECE = 5
# How mel power is kept: in half of float32's size and with its range, right to 0.02 dB.
STORED = tf.bfloat16
# The presence of a tag that may or may not sound: nothing is learned about it there.
UNSURE = -1.0
# The logit of a tag that is left out of a softmax.
IMPOSSIBLE = -1e4


class Pool:
    """Clips and negatives as one run of frames of mel power, and where a window may begin.

    Parameters
    ----------
    sound : absolute log-mel, with the level that the bundle will have
    fit : the clips to learn from
    negatives : log-mel (windows, T, M) of recordings of none of the tags, and the tags that may sound in each all the
        same; what is present there is one more tag, "none"
    """

    def __init__(
        self,
        sound: Features,
        data: DataSet,
        fit: Index,
        negatives: Sequence[tuple[Float32, Collection[str]]],
        settings: AugmentSettings,
    ) -> None:
        self.sound, self.settings, front_end = sound, settings, sound.front_end
        self.n_clips = len(fit)
        clips = [np.asarray(sound.of_clip(clip)) for clip in fit]
        pieces = [
            (piece, may)
            for log_mel, may in negatives
            for piece in np.array_split(log_mel, max(1, len(log_mel) // PIECE))
        ]
        clips += [piece for piece, _ in pieces]
        self.n_windows = np.array([len(clip) for clip in clips])
        presence = np.pad(data.targets()[fit], ((0, len(clips) - len(fit)), (0, 1)))
        presence[:, -1] = ~presence.any(axis=1)
        unsure = np.zeros_like(presence)
        unsure[: len(fit), :-1] = np.isnan(data.presence()[fit])
        for row, (_, may) in zip(unsure[len(fit) :], pieces):
            row[:-1] = [tag in may for tag in data.tags]
        self.first = np.concatenate([[0], np.cumsum(self.n_windows)])[:-1]  # windows
        power = np.empty((self.n_windows.sum(), front_end.frames_per_window, front_end.n_mels), STORED.as_numpy_dtype)
        for clip, first in zip(clips, self.first):
            power[first : first + len(clip)] = np.exp(clip)
        peaks = power.reshape(-1, front_end.frames_per_column * front_end.n_mels).max(axis=1).astype(np.float32)
        log_peaks = np.log(peaks)
        self.starts = [self._starts(log_peaks, clip, front_end.columns_per_window) for clip in range(len(clips))]
        arrays = power.reshape(-1, front_end.n_mels), peaks, np.stack([presence, unsure], axis=1).astype(np.float32)
        self.power, self.peaks, self.labels = map(tf.constant, arrays)
        self.noise = augment.restless(front_end.n_mels)

    def __len__(self) -> int:
        return len(self.starts)

    def _starts(self, peaks: Float32, clip: int, width: int) -> Index:
        """Return the columns, counted from the clip's first, at which a window with something to hear begins."""
        own = peaks[self.first[clip] * width :][: self.n_windows[clip] * width]
        loudest = np.lib.stride_tricks.sliding_window_view(own, width).max(axis=1)
        return np.flatnonzero(loudest >= own.max() - self.settings.audible_db * augment.DB)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
        """Return random windows, int32 [shape=(count, 4)]: clip, first frame, the clip's first and end frame."""
        negatives = round(count * min(self.settings.negative_share, 1.0 - self.n_clips / len(self)))
        kinds = (0, self.n_clips, count - negatives), (self.n_clips, len(self), negatives)
        clips = np.concatenate([in_turn(rng, *kind) for kind in kinds])
        per_column, per_window = self.sound.front_end.frames_per_column, self.sound.front_end.frames_per_window
        column = np.array([rng.choice(self.starts[clip]) for clip in clips])
        begin = per_column * column + rng.integers(-per_column // 2, per_column // 2 + 1, count)
        first, length = per_window * self.first[clips], per_window * self.n_windows[clips]
        begin = first + np.clip(begin, 0, length - per_window)
        return np.stack([clips, begin, first, first + length], axis=1).astype(np.int32)

    @tf.function(jit_compile=True)  # fused into few loops, it takes a sixth of the time
    def augmented(self, drawn: tf.Tensor, noisy: float, windows: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
        """Return sound as the patches are cut from it, float32 (N, 10 * windows, 10, M), and presence (N, C + 1) in it.

        A tag's presence is the share of its source in the mix, or `UNSURE`; the last is that of "none".

        Parameters
        ----------
        noisy : probability of noise
        windows : how many windows, the one that was drawn and those before it
        """
        settings, front_end, level = self.settings, self.sound.front_end, self.sound.level
        clip, begin, first, end = (column[:, tf.newaxis] for column in tf.unstack(drawn, axis=1))
        frames, bands = augment.warp(settings, front_end, tf.shape(drawn)[0], windows)
        place = begin + frames
        power = tf.cast(tf.gather(self.power, tf.clip_by_value(place, first, end - 1)), tf.float32)
        power = tf.gather(power, bands, axis=2, batch_dims=1)
        power *= tf.cast((place >= first) & (place < end), tf.float32)[:, :, tf.newaxis]
        oldest = begin // front_end.frames_per_column - (windows - 1) * front_end.columns_per_window
        before = oldest + tf.range(1 - front_end.columns_per_window, 0)
        known = before >= first // front_end.frames_per_column
        peaks = tf.where(known, tf.gather(self.peaks, tf.maximum(before, 0)), 0.0)
        power = augment.equalise(power, settings.equaliser_db)
        labels = tf.gather(self.labels, clip[:, 0])
        power, peaks, labels = augment.mix(power, peaks, labels, settings.mixed, level.quietest)
        presence, unsure = tf.unstack(labels, axis=1)
        presence = tf.where((unsure > 0.0) & (presence == 0.0), UNSURE, presence)
        if settings.narrowed:
            power = augment.narrow(power, settings.narrowed)
        if noisy:
            power = augment.add_noise(power, self.noise, noisy, level.quietest)
        scaled = augment.scale(power, peaks, level, front_end)
        return augment.mask(scaled, settings.mask_frames, settings.mask_bands), presence


def in_turn(rng: np.random.Generator, first: int, end: int, count: int) -> Index:
    """Return so many random numbers of a range, none much more often than another."""
    return first + rng.permutation(np.arange(max(count, end - first)) % max(1, end - first))[:count]


def log_shares(logits: tf.Tensor, sure: tf.Tensor) -> tf.Tensor:
    """Return the logarithms of the shares that logits give, where sure; what is unsure has no part in them."""
    return tf.nn.log_softmax(tf.where(sure, logits, IMPOSSIBLE))


def shares_of(presence: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return which presences are sure, bool, and each tag's share of all that is present, both (N, C + 1)."""
    sure = presence != UNSURE
    known = tf.where(sure, presence, 0.0)
    return sure, known / tf.reduce_sum(known, axis=-1, keepdims=True)

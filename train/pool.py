"""Windows to learn from: clips and negatives as one run of log-mel frames, augmented inside the training graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from . import augment
from .config import AugmentSettings
from .data import DataSet, Float32, Index
from .features import Features

# Below any sound, in natural log of power: columns before the beginning of a clip.
NOTHING = -40.0
# Negatives are cut into pieces of this many windows, so that one recording does not count as one clip.
PIECE = 5


class Pool:
    """Clips and negatives as one run of absolute log-mel frames, and where a window may begin.

    Parameters
    ----------
    sound : absolute log-mel, with the level that the bundle will have
    fit : the clips to learn from
    negatives : log-mel (windows, T, M) of recordings of none of the tags; their target is one more, "none"
    audible_db : windows whose peak is further below their clip's are left out
    """

    def __init__(self, sound: Features, data: DataSet, fit: Index, negatives: list[Float32], audible_db: float) -> None:
        front_end = sound.front_end
        clips = [np.asarray(sound.of_clip(clip)) for clip in fit]
        clips += [piece for negative in negatives for piece in np.array_split(negative, max(1, len(negative) // PIECE))]
        self.n_windows = np.array([len(clip) for clip in clips])
        frames = np.concatenate(clips).reshape(-1, front_end.n_mels)
        peaks = frames.reshape(-1, front_end.frames_per_column * front_end.n_mels).max(axis=1)
        targets = np.pad(data.targets()[fit], ((0, len(clips) - len(fit)), (0, 1)))
        targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1.0)
        targets[:, -1] = 1.0 - targets[:, :-1].sum(axis=1)
        self.first = np.concatenate([[0], np.cumsum(self.n_windows)])[:-1]  # windows
        self.starts = [
            self._starts(peaks, clip, front_end.columns_per_window, audible_db) for clip in range(len(clips))
        ]
        self.frames, self.peaks, self.targets = map(tf.constant, (frames, peaks, targets.astype(np.float32)))

    def __len__(self) -> int:
        return len(self.starts)

    def _starts(self, peaks: Float32, clip: int, width: int, audible_db: float) -> Index:
        """Return the columns, counted from the clip's first, at which a window with something to hear begins."""
        own = peaks[self.first[clip] * width :][: self.n_windows[clip] * width]
        loudest = np.lib.stride_tricks.sliding_window_view(own, width).max(axis=1)
        return np.flatnonzero(loudest >= own.max() - audible_db * augment.DB)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
        """Return random windows, int32 [shape=(count, 4)]: clip, first frame, the clip's first and end frame."""
        clips = rng.permutation(np.arange(max(count, len(self))) % len(self))[:count]
        begin = 10 * np.array([rng.choice(self.starts[clip]) for clip in clips]) + rng.integers(-5, 6, count)
        length = 100 * self.n_windows[clips]
        first = 100 * self.first[clips]
        return np.stack([clips, first + np.clip(begin, 0, length - 100), first, first + length], axis=1).astype(
            np.int32
        )

    def augmented(
        self, drawn: tf.Tensor, settings: AugmentSettings, sound: Features, noisy: float = 0.0
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return windows as the patches are cut from them, float32 (N, 10, 10, M), and their targets (N, C + 1).

        `noisy` is the probability that a window gets noise.
        """
        front_end, level = sound.front_end, sound.level
        clip, begin, first, end = (column[:, tf.newaxis] for column in tf.unstack(drawn, axis=1))
        frames, bands = augment.warp(settings, front_end, tf.shape(drawn)[0])
        place = begin + frames
        log_mel = tf.gather(self.frames, tf.clip_by_value(place, first, end - 1))
        log_mel = tf.gather(log_mel, bands, axis=2, batch_dims=1)
        silence = float(np.log(front_end.power_floor))
        log_mel = tf.where(((place >= first) & (place < end))[:, :, tf.newaxis], log_mel, silence)
        before = begin // front_end.frames_per_column + tf.range(1 - front_end.columns_per_window, 0)
        known = before >= first // front_end.frames_per_column
        peaks = tf.where(known, tf.gather(self.peaks, tf.maximum(before, 0)), NOTHING)
        log_mel = augment.equalise(log_mel, settings.equaliser_db)
        targets = tf.gather(self.targets, clip[:, 0])
        log_mel, peaks, targets = augment.mix(log_mel, peaks, targets, settings.mixed, level.quietest)
        if noisy:
            log_mel = augment.add_noise(log_mel, noisy, level.quietest)
        scaled = augment.scale(tf.maximum(log_mel, silence), peaks, level, front_end)
        return augment.mask(scaled, settings.mask_frames, settings.mask_bands), targets

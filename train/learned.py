"""The learned codebook: encoders, centroids and head trained together, then hardened (past the paper; its section V).

    log-mel ─► augmentation ─► level ─► patches ─► encoders ─► nearest centroids ─► counts ─► head ─► loss

What runs on a device stays what it was. In training the counts are those of hard codes too, and only
the gradient pretends that codes are soft (straight-through). After training each encoder is
exported, and the head is fitted anew on what the exported encoders give for augmented sound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bowstream.coder import Coder
from bowstream.frontend import FrontEnd
from bowstream.patches import FAMILIES, O_FRAMES, PATCH_BANDS, bicubic, input_sizes

from . import augment
from .bundle import Parts
from .codebook import CENTROIDS, load_encoder
from .config import Checked, Config, knob
from .data import DataSet, Float32, Index, Split
from .export import NETWORK, REPRESENTATIVE_ROWS, to_int8
from .features import Features, hear
from .head import transformed
from .parallel import parallel
from .progress import say, track
from .store import artefact, digest

JOINT = "joint.weights.h5"
# Families with a codebook for each band of 8 mels: what a patch sounds like is not what it sounds like elsewhere.
BY_BAND = ("pat", "fenv")
# Below any sound, in natural log of power: columns before the beginning of a clip.
NOTHING = -40.0


@dataclass(frozen=True)
class LearnedSettings(Checked):
    """The learned codebook and its training."""

    learned_width: int = knob(128, "hidden neurons a layer of each encoder", low=1)
    latent: int = knob(16, "values of a latent vector", low=1)
    codes_a_band: int = knob(64, "centroids of a band of `pat` and of `fenv`", low=2)
    codes_a_family: int = knob(256, "centroids of `env` and of `o`", low=2)
    usage: float = knob(1.0, "weight of the entropy of a codebook's use: without it most codes die", low=0.0)
    steps: int = knob(6000, "training steps", low=1)
    batch: int = knob(96, "windows a step", low=2)
    rate: float = knob(4e-3, "AdamW's learning rate after a short rise; falls to 0 as a cosine", low=0.0)
    decay: float = knob(1e-4, "AdamW's weight decay", low=0.0)
    smoothing: float = knob(0.1, "share of the targets that is spread over all tags", low=0.0, high=0.9)
    learned_head: int = knob(512, "neurons in each of the head's two hidden layers", low=1)
    dropout: float = knob(0.4, "share of the head's hidden neurons dropped", low=0.0, high=0.95)
    drop_counts: float = knob(0.2, "probability that an input count is set to 0", low=0.0, high=0.95)
    mixed: float = knob(0.7, "probability that a window is mixed with another", low=0.0, high=1.0)
    equaliser_db: float = knob(4.0, "spread of the random equaliser", low=0.0)
    shift_bands: int = knob(2, "bands that a window is shifted up or down at most", low=0)
    stretch: float = knob(0.15, "natural log of the speed at most", low=0.0)
    mask_bands: int = knob(8, "bands masked at most", low=0)
    mask_frames: int = knob(12, "frames masked at most", low=0)
    audible_db: float = knob(30.0, "windows whose peak is further below the clip's are not learned from", low=0.0)
    refit_windows: int = knob(48, "augmented windows a clip that the last head is fitted on", low=1)
    refit_epochs: int = knob(12, "passes over them", low=1)
    refit_rate: float = knob(5e-4, "Adam's learning rate for the last head", low=0.0)


class Sound:
    """Clips and negatives as one run of absolute log-mel frames, and where a window may begin.

    Negatives are recordings of none of the tags (speech, music, rooms); their target is one more, "none".
    """

    def __init__(self, sound: Features, data: DataSet, fit: Index, negatives: list[Float32], audible_db: float) -> None:
        front_end = sound.front_end
        clips = [np.asarray(sound.of_clip(clip)) for clip in fit]
        clips += [piece for negative in negatives for piece in np.array_split(negative, max(1, len(negative) // 5))]
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

    def augmented(self, drawn: tf.Tensor, settings: LearnedSettings, sound: Features) -> tuple[tf.Tensor, tf.Tensor]:
        """Return windows as the patches are cut from them, float32 (N, 10, 10, M), and their targets (N, C + 1)."""
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
        scaled = augment.scale(tf.maximum(log_mel, silence), peaks, level, front_end)
        return augment.mask(scaled, settings.mask_frames, settings.mask_bands), targets


@tf.custom_gradient
def count_nearest(latents: tf.Tensor, centroids: tf.Tensor) -> tuple[Any, Callable[..., Any]]:
    """Count the nearest centroids; the gradient is that of soft assignments (straight-through).

    Parameters
    ----------
    latents : float32 [shape=(N, G, Q, Z)], Q patches for each of G codebooks
    centroids : float32 [shape=(G, D, Z)]

    Returns
    -------
    counts, soft : float32 [shape=(N, G, D)], of hard codes and of softmax over closeness
    """
    count, (groups, codes, values), per_group = tf.shape(latents)[0], centroids.shape, latents.shape[2]
    softness = 8.0 / values  # closeness grows with the number of values
    rows = tf.reshape(tf.transpose(latents, (1, 0, 2, 3)), (groups, -1, values))
    closeness = tf.matmul(rows, centroids, transpose_b=True)
    closeness -= 0.5 * tf.reduce_sum(tf.square(centroids), axis=-1)[:, tf.newaxis]  # (G, N * Q, D)
    window = tf.repeat(tf.range(count), per_group)
    place = (window * groups + tf.range(groups)[:, tf.newaxis]) * codes + tf.argmax(closeness, -1, tf.int32)
    size = count * groups * codes
    hard = tf.math.bincount(tf.reshape(place, (-1,)), minlength=size, maxlength=size, dtype=tf.float32)
    share = tf.nn.softmax(closeness * softness)
    soft = tf.reduce_sum(tf.reshape(share, (groups, count, per_group, codes)), axis=2)

    def gradient(upstream: tf.Tensor, upstream_soft: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        wanted = tf.transpose(upstream + upstream_soft, (1, 0, 2))  # (G, N, D)
        wanted = share * tf.repeat(wanted, per_group, axis=1)
        nearer = (wanted - share * tf.reduce_sum(wanted, axis=-1, keepdims=True)) * softness
        to_rows = tf.reshape(tf.matmul(nearer, centroids), (groups, count, per_group, values))
        to_centroids = tf.matmul(nearer, rows, transpose_a=True)
        to_centroids -= tf.reduce_sum(nearer, axis=1)[..., tf.newaxis] * centroids
        return tf.transpose(to_rows, (1, 0, 2, 3)), to_centroids

    return (tf.reshape(hard, (count, groups, codes)), tf.transpose(soft, (1, 0, 2))), gradient


@tf.custom_gradient
def square_root(counts: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
    """Take the root of counts; at 0, where it is infinitely steep, the gradient stays finite."""
    return tf.sqrt(counts), lambda upstream: upstream * 0.5 * tf.math.rsqrt(tf.maximum(counts, 0.3))


def cut(scaled: tf.Tensor, front_end: FrontEnd) -> dict[str, tf.Tensor]:
    """Return what `bowstream.patches` cuts from windows (N, columns, frames, M): (N, G, Q, values) a family."""
    columns, frames, n_mels = scaled.shape[1:]
    bands = n_mels // PATCH_BANDS
    window = tf.reshape(scaled, (-1, columns * frames, n_mels))
    small = tf.matmul(tf.matmul(bicubic(columns * frames, O_FRAMES), window), bicubic(n_mels, PATCH_BANDS).T)
    grid = tf.transpose(tf.reshape(scaled, (-1, columns, frames, bands, PATCH_BANDS)), (0, 3, 1, 2, 4))
    sizes = input_sizes(front_end)
    return {
        "pat": tf.reshape(grid, (-1, bands, columns, sizes["pat"])),
        "fenv": tf.reshape(grid, (-1, bands, 1, sizes["fenv"])),
        "env": tf.reshape(scaled, (-1, 1, columns, sizes["env"])),
        "o": tf.reshape(small, (-1, 1, 1, sizes["o"])),
    }


class Joint(keras.Model):
    """Encoders, centroids and head in one graph."""

    def __init__(self, settings: LearnedSettings, n_targets: int, front_end: FrontEnd) -> None:
        super().__init__()
        self.settings, self.front_end = settings, front_end
        self.encoders, self.norms, self.centroids = {}, {}, {}
        for family, size in input_sizes(front_end).items():
            self.encoders[family] = encoder(size, settings, "mixed_bfloat16", use_bias=False)
            # Latent vectors of unit variance; folded into the encoder's last layer when it is exported.
            self.norms[family] = keras.layers.BatchNormalization(momentum=0.98, center=False, scale=False)
            groups = front_end.n_mels // PATCH_BANDS if family in BY_BAND else 1
            codes = settings.codes_a_band if family in BY_BAND else settings.codes_a_family
            self.centroids[family] = self.add_weight(shape=(groups, codes, settings.latent), name=f"centroids_{family}")
        n_counts = sum(weight.shape[0] * weight.shape[1] for weight in self.centroids.values())
        self.head = head(n_counts, n_targets, settings, "mixed_bfloat16")

    def latents(self, scaled: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        """Return latent vectors (N, G, Q, Z) a family, for windows (N, columns, frames, M)."""
        found = {}
        for family, patches in cut(scaled, self.front_end).items():
            rows = self.encoders[family](tf.reshape(patches, (-1, patches.shape[-1])), training=training)
            rows = self.norms[family](tf.cast(rows, tf.float32), training=training)
            found[family] = tf.reshape(rows, (-1, *patches.shape[1:3], self.settings.latent))
        return found

    def call(self, scaled: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits (N, targets) and how far codebooks are from even use, the mean of their negative entropies."""
        counts, unevenness = [], []
        for family, latents in self.latents(scaled, training).items():
            hard, soft = count_nearest(latents, tf.convert_to_tensor(self.centroids[family]))
            counts.append(tf.reshape(hard, (-1, hard.shape[1] * hard.shape[2])))
            use = tf.reduce_sum(soft, axis=0)
            use /= tf.reduce_sum(use, axis=-1, keepdims=True)
            unevenness.append(tf.reduce_mean(tf.reduce_sum(use * tf.math.log(use + 1e-9), axis=-1)))
        rows = square_root(tf.concat(counts, axis=1))
        return tf.cast(self.head(rows, training=training), tf.float32), tf.add_n(unevenness) / len(unevenness)


def encoder(size: int, settings: LearnedSettings, dtype: str = "float32", use_bias: bool = True) -> keras.Model:
    """Return an untrained three-layer MLP, patches in and latent vectors out."""
    hidden = [
        keras.layers.Dense(settings.learned_width, "relu", kernel_initializer="he_normal", dtype=dtype)
        for _ in range(2)
    ]
    last = keras.layers.Dense(settings.latent, use_bias=use_bias, kernel_initializer="he_normal", dtype=dtype)
    return keras.Sequential([keras.layers.Input((size,)), *hidden, last])


def head(n_counts: int, n_targets: int, settings: LearnedSettings, dtype: str = "float32") -> keras.Model:
    """Return an untrained head, square roots of counts in and logits out."""

    def hidden() -> list[keras.layers.Layer]:
        dense = keras.layers.Dense(settings.learned_head, "relu", kernel_initializer="he_normal", dtype=dtype)
        return [dense, keras.layers.Dropout(settings.dropout)]

    masked = keras.layers.Dropout(settings.drop_counts)
    logits = keras.layers.Dense(n_targets, dtype=dtype)
    return keras.Sequential([keras.layers.Input((n_counts,)), masked, *hidden(), *hidden(), logits], name="head")


def train_joint(pool: Sound, sound: Features, settings: LearnedSettings, seed: int) -> Joint:
    """Return encoders, centroids and head trained together."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    joint = Joint(settings, pool.targets.shape[1], sound.front_end)
    start_centroids(joint, pool.augmented(pool.draw(rng, 4 * settings.batch), settings, sound)[0], rng)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, settings.steps, warmup_target=settings.rate, warmup_steps=min(100, settings.steps // 10)
    )
    optimizer = keras.optimizers.AdamW(schedule, settings.decay, beta_2=0.99, global_clipnorm=2.0)
    optimizer.build(joint.trainable_variables)

    @tf.function(input_signature=[tf.TensorSpec((settings.batch, 4), tf.int32)])
    def step(drawn: tf.Tensor) -> tf.Tensor:
        scaled, targets = pool.augmented(drawn, settings, sound)
        targets = (1.0 - settings.smoothing) * targets + settings.smoothing / targets.shape[1]
        with tf.GradientTape() as tape:
            logits, unevenness = joint(scaled, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
            total = loss + settings.usage * unevenness
        optimizer.apply_gradients(zip(tape.gradient(total, joint.trainable_variables), joint.trainable_variables))
        return loss

    losses = []
    for index in track(range(settings.steps), settings.steps, "joint"):
        losses.append(step(pool.draw(rng, settings.batch)))
        if (index + 1) % 200 == 0:
            say(f"joint  step {index + 1}/{settings.steps}  loss {np.mean(losses[-200:]):.3f}")
    return joint


def start_centroids(joint: Joint, scaled: tf.Tensor, rng: np.random.Generator) -> None:
    """Start each codebook from latent vectors that the untrained encoders give."""
    for family, latents in joint.latents(scaled, training=True).items():
        groups, codes, values = joint.centroids[family].shape
        rows = latents.numpy().transpose(1, 0, 2, 3).reshape(groups, -1, values)
        drawn = np.stack([group[rng.choice(len(group), codes, replace=len(group) < codes)] for group in rows])
        joint.centroids[family].assign(drawn + 0.05 * rng.standard_normal(drawn.shape))


def hardened(joint: Joint, family: str) -> keras.Model:
    """Return one family's encoder in float32 with the norm of its latent vectors folded into the last layer."""
    norm, trained = joint.norms[family], joint.encoders[family]
    spread = 1.0 / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    plain = encoder(trained.input_shape[-1], joint.settings)
    kernel = trained.layers[-1].get_weights()[0]
    hidden = [weight for layer in trained.layers[:-1] for weight in layer.get_weights()]
    plain.set_weights([*hidden, kernel * spread, -norm.moving_mean.numpy() * spread])
    return plain


def export(path: Path, joint: Joint, scaled: tf.Tensor, rng: np.random.Generator) -> None:
    """Write each family's int8 encoder and centroids into a folder of its own."""
    for family, patches in cut(scaled, joint.front_end).items():
        rows = patches.numpy().reshape(-1, patches.shape[-1])
        (path / family).mkdir(exist_ok=True)
        (path / family / NETWORK).write_bytes(
            to_int8(hardened(joint, family), rng.permutation(rows)[:REPRESENTATIVE_ROWS])
        )
        centroids = joint.centroids[family].numpy()
        np.save(path / family / CENTROIDS, centroids if len(centroids) > 1 else centroids[0])

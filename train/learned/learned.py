"""The learned codebook: encoders, centroids and head trained together, then hardened (past the paper; its section V).

    log-mel ─► augmentation ─► level ─► patches ─► encoders ─► nearest centroids ─► counts ─► head ─► loss

What runs on a device stays what it was. In training the counts are those of hard codes too, and only
the gradient pretends that codes are soft (straight-through). After training each encoder is
exported, and the head is fitted anew on what the exported encoders give for augmented sound:

joint ─► hardened encoders and codebooks ─► counts of augmented sound ─► last head
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES

from ..common.config import LearnedSettings, TrainConfig
from ..common.device import device_code
from ..common.epochs import STATE, load_state, refuse_infinite, save_state
from ..common.progress import say, track
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Float32, Split
from ..dataset.features import Features, hear
from ..dataset.negatives import Negative, to_learn_from
from ..model.bundle import Parts
from ..model.codebook import CENTROIDS
from ..model.export import NETWORK, REPRESENTATIVE_ROWS, to_int8, write_network
from ..model.head import COUNTS, HEAD, transformed
from .augment import chance
from .joint import Joint, cut, encoder
from .pool import Pool, log_shares, shares_of
from .refit import PRESENCE, TRANSFORM, count_augmented, refit_head

JOINT = "joint.weights.h5"
# Steps between two checkpoints, each with a line about the loss.
SAY_EVERY = 200
# Windows that the converter learns ranges from.
EXPORT_WINDOWS = 400


def new_joint(settings: LearnedSettings, n_targets: int, front_end: FrontEnd) -> Joint:
    """Return encoders, centroids and head, built and untrained."""
    joint = Joint(settings, n_targets, front_end)
    joint(tf.zeros((1, front_end.columns_per_window, front_end.frames_per_column, front_end.n_mels)))
    return joint


def train_joint(path: Path, pool: Pool, sound: Features, config: TrainConfig) -> Joint:
    """Return encoders, centroids and head trained together; `path` is the folder of the checkpoint."""
    settings = config.learned
    keras.utils.set_random_seed(config.seed)
    joint = new_joint(settings, pool.labels.shape[2], sound.front_end)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, settings.steps, warmup_target=settings.rate, warmup_steps=min(100, settings.steps // 10)
    )
    optimizer = keras.optimizers.AdamW(schedule, settings.decay, beta_2=0.99, global_clipnorm=2.0)
    optimizer.build(joint.trainable_variables)

    @tf.function(input_signature=[tf.TensorSpec((settings.batch, 4), tf.int32)])
    def step(drawn: tf.Tensor) -> tf.Tensor:
        scaled, presence = pool.augmented(drawn, config.augment.noisy)
        with tf.GradientTape() as tape:
            logits, unevenness = joint(scaled, training=True)
            loss = tf.reduce_mean(share_loss(logits, presence, settings.smoothing))
            total = loss + settings.usage * unevenness
        optimizer.apply_gradients(zip(tape.gradient(total, joint.trainable_variables), joint.trainable_variables))
        return loss

    state = [*joint.variables, *optimizer.variables]
    if not load_state(path, state):
        rng = chance(config.seed)
        start_centroids(joint, pool.augmented(pool.draw(rng, 4 * settings.batch), 0.0)[0], rng)
    done, losses = int(optimizer.iterations), []
    for index in track(range(done, settings.steps), settings.steps, "joint", done):
        if index % SAY_EVERY == 0:  # so that what follows a checkpoint depends on it and the seed alone
            rng = chance(config.seed, 1, index)
        losses.append(step(pool.draw(rng, settings.batch)))
        if (index + 1) % SAY_EVERY == 0:
            loss = np.mean(losses[-SAY_EVERY:])
            say(f"joint  step {index + 1}/{settings.steps}  loss {loss:.3f}")
            refuse_infinite("joint", loss)
            save_state(path, state)
    if losses:  # those since the last line
        refuse_infinite("joint", np.mean(losses[-SAY_EVERY:]))
    return joint


def share_loss(logits: tf.Tensor, presence: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Return the cross-entropy of logits with each tag's share of what is present, both (N, C + 1) -> (N,)."""
    sure, shares = shares_of(presence)
    smoothed = (1.0 - smoothing) * shares + smoothing / shares.shape[1]
    return tf.reduce_sum(tf.where(sure, -smoothed * log_shares(logits, sure), 0.0), axis=-1)


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


def export(path: Path, joint: Joint, family: str, scaled: tf.Tensor, rng: np.random.Generator) -> None:
    """Write one family's int8 encoder and centroids into a folder."""
    patches = cut(scaled, joint.front_end)[family]
    rows = rng.permutation(patches.numpy().reshape(-1, patches.shape[-1]))[:REPRESENTATIVE_ROWS]
    write_network(path, hardened(joint, family), rows)
    centroids = joint.centroids[family].numpy()
    np.save(path / CENTROIDS, centroids if len(centroids) > 1 else centroids[0])


@functools.cache  # each is asked for once a fold
def heard(path: Path, front_end: FrontEnd) -> Float32:
    """Return the absolute log-mel of a recording, (windows, T, M)."""
    return hear(path, front_end, None)


@dataclass(frozen=True)
class Learning:
    """The stages of one split, each made when it is asked for and not there.

    sound : absolute log-mel, with the level that the bundle will have
    negatives : recordings of none of the tags to learn from
    """

    root: Path
    sound: Features
    data: DataSet
    split: Split
    config: TrainConfig
    negatives: Sequence[Negative]

    @functools.cached_property
    def pool(self) -> Pool:
        """What is learned from."""
        negatives = [(heard(negative.path, self.sound.front_end), negative.may) for negative in self.negatives]
        return Pool(self.sound, self.data, self.split.fit, negatives, self.config.augment)

    @functools.cached_property
    def joint_folder(self) -> Path:
        """The artefact of encoders, centroids and head trained together."""
        inputs = {
            "features": self.sound.key,
            "level": asdict(self.sound.level) if self.sound.level else None,
            "fit": digest(self.split.fit.tolist()),
            "targets": digest(np.nan_to_num(self.data.presence(), nan=-1.0).tolist()),
            "negatives": [[negative.content, *sorted(negative.may)] for negative in self.negatives],
            "settings": asdict(self.config.learned),
            "augment": asdict(self.config.augment),
            "seed": self.config.seed,
        }
        return artefact(self.root, "joint", inputs, lambda path: self._train(path))

    def _train(self, path: Path) -> None:
        train_joint(path, self.pool, self.sound, self.config).save_weights(path / JOINT)
        (path / STATE).unlink(missing_ok=True)

    @functools.cached_property
    def joint(self) -> Joint:
        """Encoders, centroids and head trained together."""
        joint = new_joint(self.config.learned, len(self.data.tags) + 1, self.sound.front_end)
        joint.load_weights(self.joint_folder / JOINT)
        return joint

    def harden(self, family: str) -> Path:
        """Return the artefact with one family's exported encoder and centroids."""

        def make(path: Path) -> None:
            rng = chance(self.config.seed, 3)
            scaled, _ = self.pool.augmented(self.pool.draw(rng, EXPORT_WINDOWS), 0.0)
            export(path, self.joint, family, scaled, rng)

        inputs = {"joint": self.joint_folder.name, "family": family, "windows": EXPORT_WINDOWS}
        return artefact(self.root, f"hardened_{family}", inputs, make)

    def counts(self, networks: Mapping[str, Path]) -> Path:
        """Return the artefact with the counts of augmented sound."""
        inputs = {
            "networks": {family: path.name for family, path in networks.items()},
            "device": device_code(),
            "windows": self.config.refit.refit_windows,
            "noisy": self.config.refit.refit_noisy,
            "context": self.config.context,
        }
        make = functools.partial(count_augmented, networks=networks, sound=self.sound, config=self.config)
        return artefact(self.root, "augmented_counts", inputs, lambda path: make(path, pool=self.pool))

    def refit(self, counts: Path) -> Path:
        """Return the artefact with the last head."""

        def make(path: Path) -> None:
            rows, presence = np.load(counts / COUNTS), np.load(counts / PRESENCE)
            final = refit_head(path, self.joint, rows, presence, self.config)
            final.save(path / HEAD)
            (path / NETWORK).write_bytes(to_int8(final, transformed(rows[:REPRESENTATIVE_ROWS], TRANSFORM)))

        inputs = {
            "joint": self.joint_folder.name,
            "counts": counts.name,
            "settings": asdict(self.config.refit),
            "seed": self.config.seed,
        }
        return artefact(self.root, "refit", inputs, make)


def fit(
    root: Path, sound: Features, data: DataSet, split: Split, config: TrainConfig, negatives: Sequence[Negative]
) -> Parts:
    """Return the artefacts of a model fitted on a split's `fit` clips and the negatives that it does not hold back."""
    learning = Learning(root, sound, data, split, config, to_learn_from(negatives, split))
    networks = {family: learning.harden(family) for family in FAMILIES}
    head = learning.refit(learning.counts(networks))
    return Parts(networks, networks, head, TRANSFORM, config.context, config.scores.competition)

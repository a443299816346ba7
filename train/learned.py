"""The learned codebook: encoders, centroids and head trained together, then hardened (past the paper; its section V).

    log-mel ─► augmentation ─► level ─► patches ─► encoders ─► nearest centroids ─► counts ─► head ─► loss

What runs on a device stays what it was. In training the counts are those of hard codes too, and only
the gradient pretends that codes are soft (straight-through). After training each encoder is
exported, and the head is fitted anew on what the exported encoders give for augmented sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bowstream.coder import Coder
from bowstream.patches import FAMILIES

from .bundle import Parts
from .codebook import CENTROIDS, load_encoder
from .config import Checked, Config, knob
from .data import DataSet, Float32, Split
from .encoder import ENCODER
from .export import NETWORK, REPRESENTATIVE_ROWS, to_int8
from .features import Features, hear
from .head import HEAD, transformed
from .joint import Joint, cut, encoder, head
from .pool import Pool
from .progress import say, track
from .store import artefact, digest

JOINT = "joint.weights.h5"
# Steps between two lines about the loss.
SAY_EVERY = 200
# Windows that the converter learns ranges from.
EXPORT_WINDOWS = 400


@dataclass(frozen=True)
class LearnedSettings(Checked):
    """The learned codebook and its training."""

    learned_width: int = knob(128, "hidden neurons a layer of each encoder", low=1)
    latent: int = knob(16, "values of a latent vector", low=1)
    codes_a_band: int = knob(64, "centroids of a band of `pat` and of `fenv`", low=2)
    codes_a_family: int = knob(256, "centroids of `env` and of `o`", low=2)
    usage: float = knob(1.0, "weight of the entropy of a codebook's use: without it most codes die", low=0.0)
    steps: int = knob(4000, "training steps", low=1)
    batch: int = knob(96, "windows a step", low=2)
    rate: float = knob(2e-3, "AdamW's learning rate after a short rise; falls to 0 as a cosine", low=0.0)
    decay: float = knob(0.05, "AdamW's weight decay", low=0.0)
    smoothing: float = knob(0.1, "share of the targets that is spread over all tags", low=0.0, high=0.9)
    learned_head: int = knob(512, "neurons in each of the head's two hidden layers", low=1)
    dropout: float = knob(0.4, "share of the head's hidden neurons dropped", low=0.0, high=0.95)
    drop_counts: float = knob(0.25, "probability that an input count is set to 0", low=0.0, high=0.95)
    mixed: float = knob(0.6, "probability that a window is mixed with another", low=0.0, high=1.0)
    equaliser_db: float = knob(4.0, "spread of the random equaliser", low=0.0)
    shift_bands: int = knob(2, "bands that a window is shifted up or down at most", low=0)
    stretch: float = knob(0.15, "natural log of the speed at most", low=0.0)
    mask_bands: int = knob(8, "bands masked at most", low=0)
    mask_frames: int = knob(12, "frames masked at most", low=0)
    noisy: float = knob(0.4, "probability that a window gets noise while encoders learn", low=0.0, high=1.0)
    audible_db: float = knob(30.0, "windows whose peak is further below the clip's are not learned from", low=0.0)
    refit_windows: int = knob(20, "augmented windows a clip that the last head is fitted on", low=1)
    refit_epochs: int = knob(8, "passes over them", low=1)
    refit_noisy: float = knob(0.5, "probability that a window gets noise while the last head learns", low=0.0, high=1.0)
    refit_batch: int = knob(256, "windows a step of the last head", low=1)
    refit_rate: float = knob(5e-4, "Adam's learning rate for the last head", low=0.0)


def train_joint(pool: Pool, sound: Features, settings: LearnedSettings, seed: int) -> Joint:
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
        scaled, targets = pool.augmented(drawn, settings, sound, settings.noisy)
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
        if (index + 1) % SAY_EVERY == 0:
            say(f"joint  step {index + 1}/{settings.steps}  loss {np.mean(losses[-SAY_EVERY:]):.3f}")
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


def export(folders: Mapping[str, Path], joint: Joint, scaled: tf.Tensor, rng: np.random.Generator) -> None:
    """Write each family's int8 encoder and centroids into its folder."""
    for family, patches in cut(scaled, joint.front_end).items():
        rows = rng.permutation(patches.numpy().reshape(-1, patches.shape[-1]))[:REPRESENTATIVE_ROWS]
        folders[family].mkdir(exist_ok=True)
        plain = hardened(joint, family)
        plain.save(folders[family] / ENCODER)
        (folders[family] / NETWORK).write_bytes(to_int8(plain, rows))
        centroids = joint.centroids[family].numpy()
        np.save(folders[family] / CENTROIDS, centroids if len(centroids) > 1 else centroids[0])


def refit_head(
    joint: Joint, folders: Mapping[str, Path], pool: Pool, sound: Features, rng: np.random.Generator
) -> tuple[keras.Model, Float32]:
    """Return a head fitted on what the exported encoders give for augmented sound, and some of its inputs.

    It starts from the joint one and learns a yes or no for each tag: on negatives, no to all of them.
    """
    settings, width = joint.settings, sound.front_end.columns_per_window
    coder = Coder(
        {family: load_encoder(folders[family], folders[family]) for family in FAMILIES}, sound.front_end, width
    )

    @tf.function(input_signature=[tf.TensorSpec((settings.batch, 4), tf.int32)])
    def augmented(drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return pool.augmented(drawn, settings, sound, settings.refit_noisy)

    count = settings.refit_windows * len(pool) // settings.batch
    rows, shares = [], []
    for _ in track(range(count), count, "counts"):
        scaled, targets = augmented(pool.draw(rng, settings.batch))
        windows = scaled.numpy().reshape(settings.batch, -1, sound.front_end.n_mels)
        rows += [transformed(coder.counts(coder.push(window)), "sqrt").astype(np.float16) for window in windows]
        shares.append(targets.numpy()[:, :-1])
    all_rows, all_shares = np.concatenate(rows), np.concatenate(shares)
    *hidden, kernel, bias = joint.head.get_weights()
    final = head(coder.n_counts, all_shares.shape[1], settings)
    final.set_weights([*hidden, kernel[:, :-1], bias[:-1]])
    steps = settings.refit_epochs * (len(all_rows) // settings.refit_batch + 1)
    model = keras.Sequential([final])  # so that what is saved knows nothing of its training
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.refit_rate, steps)), tag_loss)
    history = model.fit(all_rows, all_shares, settings.refit_batch, settings.refit_epochs, verbose=0).history
    say(f"head  {len(all_rows)} windows  loss {history['loss'][0]:.4f} … {history['loss'][-1]:.4f}")
    return final, all_rows[:REPRESENTATIVE_ROWS].astype(np.float32)


def tag_loss(shares: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Ask for a yes or no for each tag, and for the right order among the tags that are there."""
    present = tf.minimum(2.0 * shares, 1.0)  # both of two equally loud sounds are there
    yes_or_no = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(present, logits), axis=-1)
    # Not TensorFlow's fused loss: its gradient takes shares to sum to 1, and those of negatives sum to 0.
    order = -tf.reduce_sum(shares * tf.nn.log_softmax(logits), axis=-1)
    return yes_or_no + order


def fit(
    root: Path,
    sound: Features,
    data: DataSet,
    split: Split,
    config: Config,
    settings: LearnedSettings,
    negatives: Sequence[Path],
) -> Parts:
    """Return the artefacts of a model fitted on a split's `fit` clips.

    Parameters
    ----------
    sound : absolute log-mel, with the level that the bundle will have
    negatives : recordings of none of the tags
    """
    inputs = {
        "features": sound.key,
        "level": asdict(sound.level),
        "fit": digest(split.fit.tolist()),
        "targets": digest(data.targets().tolist()),
        "negatives": [path.name for path in negatives],
        "settings": asdict(settings),
        "seed": config.seed,
    }

    def make(path: Path) -> None:
        rng = np.random.default_rng([config.seed, 1])
        heard = [hear(negative, sound.front_end, None) for negative in negatives]
        pool = Pool(sound, data, split.fit, heard, settings.audible_db)
        joint = train_joint(pool, sound, settings, config.seed)
        joint.save_weights(path / JOINT)
        folders = folders_in(path)
        export(folders, joint, pool.augmented(pool.draw(rng, EXPORT_WINDOWS), settings, sound)[0], rng)
        final, examples = refit_head(joint, folders, pool, sound, rng)
        folders["head"].mkdir(exist_ok=True)
        final.save(folders["head"] / HEAD)
        (folders["head"] / NETWORK).write_bytes(to_int8(final, examples))

    folders = folders_in(artefact(root, "learned", inputs, make))
    families = {family: folders[family] for family in FAMILIES}
    return Parts(families, families, folders["head"])


def folders_in(path: Path) -> dict[str, Path]:
    """Return the folder of each part, named so that no other model has one of that name."""
    return {part: path / f"{path.stem}-{part}" for part in (*FAMILIES, "head")}

"""The learned codebook: encoders, centroids and head trained together, then hardened (past the paper; its section V).

    log-mel ─► augmentation ─► level ─► patches ─► encoders ─► nearest centroids ─► counts ─► head ─► loss

What runs on a device stays what it was. In training the counts are those of hard codes too, and only
the gradient pretends that codes are soft (straight-through). After training each encoder is
exported, and the head is fitted anew on what the exported encoders give for augmented sound:

joint ─► hardened encoders and codebooks ─► counts of augmented sound ─► last head
"""

from __future__ import annotations

import functools
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.patches import FAMILIES

from ..common.config import TrainConfig
from ..common.device import device_code
from ..common.epochs import STATE
from ..common.progress import say
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Float32, Split
from ..dataset.features import Features
from ..dataset.negatives import Negative, to_learn_from
from ..model.bundle import Parts
from ..model.codebook import CENTROIDS
from ..model.export import NETWORK, REPRESENTATIVE_ROWS, to_int8, write_network
from ..model.head import COUNTS, HEAD, transformed
from . import augment
from .elsewhere import JOINT, NAMES, TRAINED, write_task
from .heard import new_pool
from .joint import EPSILON, Tree, cut
from .loop import Task, Training, begin, train
from .pool import UNSURE, Pool, on_device
from .refit import PRESENCE, TAUGHT, TRANSFORM, count_augmented, refit_head
from .trees import load_joint, save_joint

# Windows that the converter learns ranges from.
EXPORT_WINDOWS = 400


def hardened(joint: Tree, family: str) -> keras.Model:
    """Return one family's encoder in Keras with the norm of its latent vectors folded into the last layer."""
    layers, norm = joint["weights"]["encoders"][family], joint["norms"][family]
    spread = 1.0 / np.sqrt(norm["variance"] + EPSILON)
    kernels = [np.asarray(layer["kernel"]) for layer in layers]
    *hidden, last = [keras.layers.Dense(kernel.shape[1], "relu") for kernel in kernels]
    last.activation = keras.activations.linear
    plain = keras.Sequential([keras.layers.Input((len(kernels[0]),)), *hidden, last])
    inner = [weight for kernel, layer in zip(kernels, layers[:-1]) for weight in (kernel, np.asarray(layer["bias"]))]
    plain.set_weights([*inner, kernels[-1] * spread, -norm["mean"] * spread])
    return plain


def export(
    path: Path, joint: Tree, family: str, scaled: Float32, front_end: FrontEnd, rng: np.random.Generator
) -> None:
    """Write one family's int8 encoder and centroids into a folder.

    Parameters
    ----------
    scaled : float32 [shape=(N, columns, frames, M)], sound that the converter learns ranges from
    """
    patches = cut(tf.constant(scaled), front_end)[family].numpy()
    rows = rng.permutation(patches.reshape(-1, patches.shape[-1]))[:REPRESENTATIVE_ROWS]
    write_network(path, hardened(joint, family), rows)
    np.save(path / CENTROIDS, joint["weights"]["centroids"][family])


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

    @property
    def task(self) -> Task:
        """What the joint training is given beside its pool."""
        if self.sound.level is None:
            raise ValueError("the sound must have a level (got none)")
        return Task(self.config, self.sound.level, self.sound.front_end)

    @property
    def names(self) -> dict[str, Sequence[str]]:
        """What is learned, and what the teacher says."""
        return dict(zip(NAMES, (self.data.tags, self.data.teacher.labels if self.data.teacher else ())))

    @functools.cached_property
    def pool(self) -> Pool:
        """What is learned from."""
        return new_pool(self.sound, self.data, self.split.fit, self.negatives, self.config.augment)

    @functools.cached_property
    def inputs(self) -> Mapping[str, Any]:
        """What the joint training depends on."""
        return {
            "features": self.sound.key,
            "level": self.task.level.stored(),
            "fit": digest(self.split.fit.tolist()),
            "targets": digest(np.nan_to_num(self.data.presence(), nan=-1.0).tolist()),
            "teacher": self.data.teacher.digest() if self.data.teacher else None,
            "negatives": [[negative.content, *sorted(negative.may)] for negative in self.negatives],
            **self.task.settings(),
        }

    @property
    def elsewhere(self) -> Path:
        """The folder in which the joint training may be done on another machine."""
        return self.root / "elsewhere" / digest(self.inputs)[:16]

    def write_task(self) -> Path:
        """Write what the joint training reads into that folder, and return it."""
        write_task(self.elsewhere, self.pool, self.task, self.names)
        return self.elsewhere

    @functools.cached_property
    def joint_folder(self) -> Path:
        """The artefact of encoders, centroids and head trained together, here or elsewhere."""
        return artefact(self.root, "joint", self.inputs, self._train)

    def _train(self, path: Path) -> None:
        if (self.elsewhere / JOINT).exists():
            say(f"joint  trained elsewhere: {self.elsewhere / JOINT}")
            shutil.copyfile(self.elsewhere / JOINT, path / JOINT)
            return
        training = Training(self.task, self.pool, begin(self.task, self.pool))
        trained = {TRAINED: [json.dumps(self.task.settings())]}
        save_joint(path / JOINT, train(training, path), {**self.names, **trained})
        (path / STATE).unlink(missing_ok=True)

    @functools.cached_property
    def joint(self) -> Tree:
        """Encoders, centroids and head trained together, and the norms of latent vectors."""
        return load_joint(self.joint_folder / JOINT)[0]

    @property
    def warm_starts(self) -> list[dict[str, Any]]:
        """The settings of the joint trainings from whose ends this one went on, the first one first."""
        trained = load_joint(self.joint_folder / JOINT)[1].get(TRAINED, [])
        return [json.loads(settings) for settings in trained[:-1]]

    def streams(self, chance: int, count: int, noisy: float, windows: int) -> Iterator[tuple[Float32, ...]]:
        """Yield augmented streams for ever, (count, 10 * windows, 10, M), and what is in each.

        That is the presence of tags, (count, C + 1), and what the teacher says, (count, L), `UNSURE` where nothing.

        Parameters
        ----------
        chance : tells these streams from others of the same training
        """
        task = replace(self.task, config=self.config.with_values(noisy=noisy, stream_windows=windows))
        pool, key = on_device(self.pool, task.front_end), augment.new_key(self.config.seed, chance)
        for batch in itertools.count():
            scaled, presence, teacher, taught = task.draw(augment.fold(key, batch), pool, count)
            yield scaled.numpy(), presence.numpy(), np.where(taught[:, np.newaxis], teacher, UNSURE)

    @functools.cached_property
    def examples(self) -> Float32:
        """Windows that the converter learns ranges from."""
        return next(self.streams(3, EXPORT_WINDOWS, 0.0, 1))[0]

    def harden(self, family: str) -> Path:
        """Return the artefact with one family's exported encoder and centroids."""

        def make(path: Path) -> None:
            rng = np.random.default_rng(self.config.seed)
            export(path, self.joint, family, self.examples, self.sound.front_end, rng)

        inputs = {"joint": self.joint_folder.name, "family": family, "windows": EXPORT_WINDOWS}
        return artefact(self.root, f"hardened_{family}", inputs, make)

    def counts(self, networks: Mapping[str, Path]) -> Path:
        """Return the artefact with the counts of augmented sound."""
        inputs = {
            "networks": {family: path.name for family, path in networks.items()},
            "device": device_code(),
            "windows": self.config.refit.refit_windows if self.config.refit.refit_epochs else 0,
            "noisy": self.config.refit.refit_noisy,
            "context": self.config.context,
        }

        def make(path: Path) -> None:
            wanted = self.config.refit.refit_windows * len(self.pool.first)
            if not self.config.refit.refit_epochs:
                wanted = REPRESENTATIVE_ROWS
            batches = -(-wanted // self.config.learned.batch)
            streams = self.streams(2, self.config.learned.batch, self.config.refit.refit_noisy, self.config.context)
            count_augmented(path, itertools.islice(streams, batches), batches, networks, self.sound, self.config)

        return artefact(self.root, "augmented_counts", inputs, make)

    def refit(self, counts: Path) -> Path:
        """Return the artefact with the last head."""

        def make(path: Path) -> None:
            rows, presence, taught = (np.load(counts / name) for name in (COUNTS, PRESENCE, TAUGHT))
            final = refit_head(path, self.joint["weights"], rows, presence, taught, self.config)
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
    return Parts(networks, networks, head, TRANSFORM, config.context, config.scores.competition, learning.warm_starts)

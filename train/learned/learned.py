"""The learned codebook: encoders, centroids and head trained together, then hardened (past the paper; its section V).

    log-mel ─► augmentation ─► level ─► patches ─► encoders ─► nearest centroids ─► counts ─► head ─► loss

What runs on a device stays what it was. In training the counts are those of hard codes too, and only
the gradient pretends that codes are soft (straight-through). After training each encoder is
exported, and the head is fitted anew on what the exported encoders give for augmented sound:

joint ─► hardened encoders and codebooks ─► counts of augmented sound ─► last head
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.model.patches import FAMILIES

from ..common.config import TrainConfig
from ..common.device import device_code
from ..common.epochs import STATE
from ..common.progress import say
from ..common.shards import Shards
from ..common.store import artefact, digest, digest_of_rows
from ..dataset.data import DataSet, Float32, Split
from ..dataset.features import Features
from ..dataset.negatives import Negative, to_learn_from
from ..model.bundle import Parts
from ..model.counts import COUNTS, transformed
from ..model.export import NETWORK, REPRESENTATIVE_ROWS, to_int8
from ..model.head import HEAD
from . import augment
from .elsewhere import JOINT, NAMES, TRAINED, write_task
from .harden import export
from .heard import new_pools, pieces_of
from .joint import Tree
from .loop import Training, begin, train
from .pool import UNSURE, Tensors, on_device
from .pools import Pools
from .refit import TRANSFORM, count_augmented, refit_head
from .task import Task
from .trees import load_joint, save_joint

# Windows that the converter learns ranges from.
EXPORT_WINDOWS = 400


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
    def pools(self) -> Pools:
        """What is learned from."""
        settings, reel_mb = self.config.augment, self.config.reel_mb
        return new_pools(self.sound, self.data, self.split.fit, self.negatives, settings, reel_mb)

    @functools.cached_property
    def inputs(self) -> Mapping[str, Any]:
        """What the joint training depends on."""
        return {
            "features": self.sound.key,
            "level": self.task.level.stored(),
            "fit": digest(self.split.fit.tolist()),
            "targets": digest_of_rows(np.nan_to_num(self.data.presence(), nan=-1.0)),
            "teacher": self.data.teacher.digest() if self.data.teacher else None,
            "negatives": [[negative.content, *sorted(negative.may)] for negative in self.negatives],
            "reel_mb": self.config.reel_mb,
            **self.task.settings(),
        }

    @property
    def elsewhere(self) -> Path:
        """The folder in which the joint training may be done on another machine."""
        return self.root / "elsewhere" / digest(self.inputs)[:16]

    def write_task(self) -> Path:
        """Write what the joint training reads into that folder, and return it."""
        write_task(self.elsewhere, self.pools, self.task, self.names)
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
        training = Training(self.task, begin(self.task, self.pools[0]))
        trained = {TRAINED: [json.dumps(self.task.settings())]}
        save_joint(path / JOINT, train(training, self.pools, path), {**self.names, **trained})
        (path / STATE).unlink(missing_ok=True)

    @functools.cached_property
    def _loaded(self) -> tuple[Tree, dict[str, list[str]]]:
        return load_joint(self.joint_folder / JOINT)

    @property
    def joint(self) -> Tree:
        """Encoders, centroids and head trained together, and the norms of latent vectors."""
        return self._loaded[0]

    @property
    def warm_starts(self) -> list[dict[str, Any]]:
        """The settings of the joint trainings from whose ends this one went on, the first one first."""
        return [json.loads(settings) for settings in self._loaded[1].get(TRAINED, [])[:-1]]

    def streams(
        self, chance: int, count: int, noisy: float, windows: int, batches: int
    ) -> Iterator[tuple[Float32, ...]]:
        """Yield so many batches of augmented streams, (count, 10 * windows, 10, M), and what is in each.

        That is the presence of tags, (count, C + 1), and what the teacher says, (count, L), `UNSURE` where nothing.

        Parameters
        ----------
        chance : tells these streams from others of the same training
        """
        task = replace(self.task, config=self.config.with_values(noisy=noisy, stream_windows=windows))
        key = augment.new_key(self.config.seed, chance)
        pool: Tensors = {}
        for number, part in enumerate(np.array_split(np.arange(batches), len(self.pools))):
            pool.clear()  # before the next is made
            pool = on_device(self.pools[number].arrays(), task.front_end) if len(part) else {}
            for batch in part.tolist():
                scaled, presence, teacher, taught = task.draw(augment.fold(key, batch), pool, count)
                yield scaled.numpy(), presence.numpy(), np.where(taught[:, np.newaxis], teacher, UNSURE)

    @functools.cached_property
    def examples(self) -> Float32:
        """Windows that the converter learns ranges from."""
        return next(self.streams(3, EXPORT_WINDOWS, 0.0, 1, batches=1))[0]

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
            "reel_mb": self.config.reel_mb,
        }

        def make(path: Path) -> None:
            pieces = sum(len(pieces_of(negative, self.sound.front_end)) for negative in self.negatives)
            wanted = self.config.refit.refit_windows * (len(self.split.fit) + pieces)
            if not self.config.refit.refit_epochs:
                wanted = REPRESENTATIVE_ROWS
            size = self.config.learned.batch
            how = self.config.refit.refit_noisy, self.config.context, -(-wanted // size)
            count_augmented(Shards(path), self.streams(2, size, *how), how[-1], networks, self.sound, self.config)

        return artefact(self.root, "augmented_counts", inputs, make)

    def refit(self, counts: Path) -> Path:
        """Return the artefact with the last head."""

        def make(path: Path) -> None:
            counts_of = Shards(counts)
            final = refit_head(path, self.joint["weights"], counts_of, self.config)
            final.save(path / HEAD)
            some = counts_of.take(np.arange(min(REPRESENTATIVE_ROWS, counts_of.first[-1])), COUNTS)
            (path / NETWORK).write_bytes(to_int8(final, transformed(some, TRANSFORM)))

        inputs = {
            "joint": self.joint_folder.name,
            "counts": counts.name,
            "settings": asdict(self.config.refit),
            "reel_mb": self.config.reel_mb,
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

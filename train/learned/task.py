"""What a joint training is given beside what it learns from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from bowstream.model.front_end import FrontEnd
from bowstream.model.level import LevelSettings

from ..common.config import TrainConfig
from .joint import Tree, new_joint
from .pool import Pool, Tensors, compiled


@dataclass(frozen=True)
class Task:
    """What a joint training is given beside its pool.

    level, front_end : how sound becomes what encoders see
    """

    config: TrainConfig
    level: LevelSettings
    front_end: FrontEnd

    @property
    def windows(self) -> int:
        """How many windows a stream has."""
        return self.config.learned.stream_windows or self.config.context

    def settings(self) -> dict[str, Any]:
        """Return what of the config a joint training reads, as JSON can hold it."""
        one = self.config
        return {"context": one.context, "seed": one.seed} | {k: asdict(getattr(one, k)) for k in ("learned", "augment")}

    def new_joint(self, key: tf.Tensor, pool: Pool) -> Tree:
        """Return untrained weights and norms for what a pool holds."""
        n_targets, n_teacher = pool.presence.shape[1], pool.teacher.shape[1]
        settings, context = self.config.learned, self.config.context
        weights, norms = new_joint(key, settings, context, n_targets, n_teacher, self.front_end)
        return {"weights": weights, "norms": norms}

    def draw(self, key: tf.Tensor, pool: Tensors, count: int) -> tuple[tf.Tensor, ...]:
        """Return so many augmented streams, see `pool.augmented`."""
        return compiled(count, self.windows, self.config.augment, self.level, self.front_end)(key, pool)

    def windows_of(self, streams: tf.Tensor) -> tf.Tensor:
        """Return the windows of streams, (N * W, columns, frames, M)."""
        return tf.reshape(streams, (-1, self.front_end.columns_per_window, *streams.shape[2:]))

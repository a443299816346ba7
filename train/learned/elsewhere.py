"""The joint training on another machine: it reads one folder, and needs NumPy, JAX and this package alone.

`run --elsewhere` writes a folder per training below RUNS/elsewhere, with `pool.npz` and `training.json`;
`joint FOLDER`, on a machine with a GPU say, adds `joint.npz`; brought back, the next `run` takes it for its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bowstream.errors import UsageError
from bowstream.model.level import LevelSettings
from bowstream.model.log_mel import FrontEnd

from ..common.config import TrainConfig
from ..common.epochs import STATE
from .loop import train
from .pool import Pool
from .trees import save_joint

POOL, TRAINING, JOINT = "pool.npz", "training.json", "joint.npz"


def write_task(folder: Path, pool: Pool, config: TrainConfig, level: LevelSettings, front_end: FrontEnd) -> None:
    """Write all that a joint training reads into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pool.save(folder / POOL)
    task = {
        "context": config.context,
        "seed": config.seed,
        "learned": asdict(config.learned),
        "augment": asdict(config.augment),
        "level": asdict(level),
        "front_end": asdict(front_end),
    }
    (folder / TRAINING).write_text(json.dumps(task, indent=1) + "\n", "utf-8")


def carry_out(folder: Path) -> None:
    """Train what `write_task` wrote, and write `joint.npz` beside it.

    Raises
    ------
    UsageError
        If the folder holds no such task.
    """
    if not (folder / TRAINING).is_file():
        raise UsageError(f"{folder} must hold {POOL} and {TRAINING}, as `run --elsewhere` writes them")
    task: Mapping[str, Any] = json.loads((folder / TRAINING).read_text("utf-8"))
    config = TrainConfig(context=task["context"], seed=task["seed"]).with_values(**task["learned"], **task["augment"])
    level, front_end = LevelSettings(**task["level"]), FrontEnd(**task["front_end"])
    save_joint(folder / JOINT, train(Pool.load(folder / POOL), config, level, front_end, folder))
    (folder / STATE).unlink(missing_ok=True)

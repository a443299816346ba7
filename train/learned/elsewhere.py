"""The joint training by itself, on another machine if you like: it reads one folder.

`run --elsewhere` writes a folder per training below RUNS/elsewhere, with `pool-….npz` and `training.json`;
`joint FOLDER`, on a machine with a GPU say, adds `joint.npz`; brought back, the next `run` takes it for its own.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import UsageError
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import LevelSettings

from ..common.config import TrainConfig
from ..common.epochs import STATE
from .augment import new_key
from .devices import strategy_of, writes
from .joint import Tree
from .loop import Training, begin, train
from .pool import Pool
from .pools import Pools
from .task import Task
from .trees import leaves, load_joint, save_joint

POOL, TRAINING, JOINT = "pool-{:05}.npz", "training.json", "joint.npz"
# What a training says beside its arrays: the names of what its head gives, and the settings it was trained with, each
# in JSON, one after the other where it went on from another.
NAMES = "tags", "taught"
TRAINED = "trained"


def write_task(folder: Path, pools: Pools, task: Task, names: Mapping[str, Sequence[str]]) -> None:
    """Write all that a joint training reads into a folder.

    Parameters
    ----------
    names : what is learned, `tags`, and what the teacher says, `taught`, in the order of the pool's columns
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(pools)):
        pools[number].save(folder / POOL.format(number))
    content = {
        **task.settings(),
        "level": task.level.stored(),
        "front_end": asdict(task.front_end),
        **names,
    }
    (folder / TRAINING).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def carry_out(folder: Path, warm_start: Path | None = None, devices: int | None = None) -> None:
    """Train what `write_task` wrote, and write `joint.npz` beside it.

    Parameters
    ----------
    warm_start : what an earlier training of the same sizes came to, a `joint.npz`, to go on from
    devices : how many of this machine share the work, see `devices.strategy_of`

    Raises
    ------
    UsageError
        If the folder holds no such task, or the earlier training is another's.
    """
    task, pools, names = read_task(folder)
    strategy = strategy_of(devices)
    start, trained = earlier(warm_start, task, pools[0], names) if warm_start else (begin(task, pools[0]), [])
    with strategy.scope():
        joint = train(Training(task, start), pools, folder)
    if writes(strategy):
        save_joint(folder / JOINT, joint, {**names, TRAINED: [*trained, json.dumps(task.settings())]})
        (folder / STATE).unlink(missing_ok=True)


def read_task(folder: Path) -> tuple[Task, Pools, dict[str, Sequence[str]]]:
    """Return what `write_task` wrote.

    Raises
    ------
    UsageError
        If the folder holds no such task.
    """
    pools = saved(folder)
    if not len(pools) or not (folder / TRAINING).is_file():
        raise UsageError(f"{folder} must hold {POOL.format(0)} and {TRAINING}, as `run --elsewhere` writes them")
    given: Mapping[str, Any] = json.loads((folder / TRAINING).read_text("utf-8"))
    values = {**given["learned"], **given["augment"], "context": given["context"], "seed": given["seed"]}
    task = Task(TrainConfig().with_values(**values), LevelSettings.read(given["level"]), FrontEnd(**given["front_end"]))
    return task, pools, {name: given[name] for name in NAMES}


def saved(folder: Path) -> Pools:
    """Return the pools that are in a folder."""
    files = sorted(folder.glob(POOL.replace("{:05}", "*")))
    makers = [functools.partial(Pool.load, file) for file in files]
    return Pools(makers if len(makers) > 1 else [functools.cache(one) for one in makers])


def earlier(file: Path, task: Task, pool: Pool, names: Mapping[str, Sequence[str]]) -> tuple[Tree, list[str]]:
    """Return what an earlier training of the same sizes came to, for the tags that are wanted now, and its settings."""
    try:
        joint, known = load_joint(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"--warm-start {file} must be the joint.npz of a training: {error}") from error
    tags, taught = NAMES
    if known.get(taught, names[taught]) != list(names[taught]):
        raise UsageError(f"--warm-start {file} must know the same {taught} in the same order")
    if known.get(tags, names[tags]) != list(names[tags]):
        joint["weights"]["head"][-1] = for_tags(joint["weights"]["head"][-1], known[tags], names[tags])
    sizes, wanted = sizes_of(joint), sizes_of(task.new_joint(new_key(0, 0), pool))
    for place in sorted({*sizes, *wanted}):
        if sizes.get(place) != wanted.get(place):
            found = sizes.get(place, "nothing")
            raise UsageError(f"--warm-start {file} must have {place} of {wanted.get(place, 'nothing')} (got {found})")
    return joint, known.get(TRAINED, [])


def for_tags(layer: Tree, known: Sequence[str], wanted: Sequence[str]) -> Tree:
    """Return a head's last layer, made for some tags and "none", for others: those that are new begin as unlikely.

    A new tag has weights of 0 and the bias of the least likely one.
    """
    columns = [known.index(tag) if tag in known else -1 for tag in wanted] + [len(known)]
    new = np.array(columns) < 0
    kernel, bias = np.asarray(layer["kernel"])[:, columns], np.asarray(layer["bias"])[columns]
    return {"kernel": np.where(new, np.float32(0.0), kernel), "bias": np.where(new, layer["bias"].min(), bias)}


def sizes_of(joint: Tree) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array by its place."""
    return {place: tuple(array.shape) for place, array in leaves(joint)}

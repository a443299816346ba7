"""`python -m train augmentations`: what each augmentation brings to heads on a fold's encoders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import bowstream
from bowstream.errors import UsageError
from bowstream.model.bundle import Bundle

from ..common.crew import ALL_CORES
from ..common.learned_config import HeadTrials
from ..common.store import git_revision, now
from ..dataset.data import DataSet
from ..dataset.features import absolute
from ..dataset.problems import check
from ..learned.elsewhere import JOINT, read_task
from ..learned.heads import Encoders
from ..learned.pools import Pools
from ..learned.task import Task
from ..learned.trees import load_joint
from ..measure.augmentations import Comparison, count_held, some_of_each_source, what_each_brings
from ..measure.hearing import clips_for

PROTOCOL = (
    "Encoders and centroids stay as they were trained, with all augmentations; heads alone are trained from scratch, "
    "with and without each. Top-1 is over clips that have one of ESC-50's 50 kinds, among these; its standard error is "
    "over sources, that of mean average precision over tags, both of the differences."
)


def compare_augmentations(
    root: Path,
    folder: Path,
    bundle: Path,
    data: DataSet,
    changes: Mapping[str, Mapping[str, float]],
    out: Path,
    heads: HeadTrials,
) -> dict[str, Any]:
    """Write what each augmentation brings to a JSON file; return it.

    Parameters
    ----------
    root : the folder of all artefacts
    folder : of a joint training that was carried out
    bundle : made of it; clips of sources that it did not learn from are tried
    changes : settings that leave an augmentation out, by its name
    heads : that are trained

    Raises
    ------
    UsageError
        If the folder holds no training, or none that was carried out, or the bundle is another's.
    """
    task, pools, heard_by = carried_out(folder, bundle)
    windows = heads.windows or task.config.context
    task = replace(task, config=task.config.with_values(context=windows, stream_windows=windows))
    encoders = Encoders(task, load_joint(folder / JOINT)[0])
    clips = some_of_each_source(data, clips_for(data, [heard_by])[heard_by.path])
    held = count_held(encoders, absolute(root, data, check(data), ALL_CORES), clips)
    comparison = Comparison(encoders, data, heard_by.output_names, held, heads)
    metrics = {
        "protocol": PROTOCOL,
        "created": now(),
        "git_revision": git_revision(),
        "bundle": heard_by.description["sha256"],
        "settings": asdict(replace(heads, windows=windows)),
        **what_each_brings(comparison, pools[0], changes),
    }
    out.write_text(json.dumps(metrics, indent=1) + "\n", "utf-8")
    return metrics


def carried_out(folder: Path, bundle: Path) -> tuple[Task, Pools, Bundle]:
    """Return a joint training that was carried out, and the bundle made of it.

    Raises
    ------
    UsageError
        If the folder holds no training, or none that was carried out, or the bundle is another's.
    """
    task, pools, names = read_task(folder)
    if not (folder / JOINT).is_file():
        raise UsageError(f"{folder / JOINT} must be there: carry it out first, with `joint {folder}`")
    made = bowstream.load_bundle(bundle)
    if made.output_names != tuple(names["tags"]):
        raise UsageError(f"{bundle} must be made of {folder}: its tags are others")
    return task, pools, made

"""What a unit of work costs here, from short runs of all stages on made-up sound."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bowstream.archive.child import Child, Tell

from ..common.config import TrainConfig
from ..common.progress import console, say
from ..common.quiet import start_tensorflow
from ..common.spent import Spent
from ..common.store import record
from ..dataset.data import EVALUATION, TRAIN, VALIDATION, Clip, DataSet, data_set
from ..dataset.problems import check
from ..experiments import PAPER
from ..measure.evaluate import Held, measure
from ..measure.expense import expense
from ..measure.trial import study, try_split
from .extent import extent_of
from .work import KEPT, TRAINED, Work, scores_work, work_of

RATE_HZ = 44_100  # as most published sets have
LOUDNESS = 0.1
TIMES = 100
# Which part of four clips each is in.
PARTS = (TRAIN, TRAIN, VALIDATION, EVALUATION)
BRIEF = {**PAPER, "encoder_epochs": 1, "head_epochs": 1}


@dataclass(frozen=True)
class Short:
    """A short run: so many clips of a length, and settings that are tried on them, one after the other."""

    clips: int
    clip_s: float
    tags: int
    settings: Sequence[Mapping[str, Any]]


# Small and large of each: clips, lengths, tags, encoders, codebooks and heads. 512 patches are a step.
RUNS = (
    Short(
        160,
        3.1,
        4,
        [
            {
                "width": 256,
                "encoder_epochs": 2,
                "epoch_patches": 51_200,
                "head_epochs": 3,
                "codes": 16,
                "head_width": 256,
            },
            {"width": 256, "encoder_epochs": 2, "epoch_patches": 51_200, "codes": 64, "head_width": 1024},
        ],
    ),
    Short(
        200,
        9.7,
        40,
        [
            {"width": 768, "epoch_patches": 5_120, "codes": 256, "head_width": 512, "head_epochs": 2},
            {"width": 768, "epoch_patches": 5_120, "codes": 256, "head_width": 2048},
        ],
    ),
    Short(160, 6.1, 4, [{"width": 2048, "epoch_patches": 3_072, "codes": 64, "head_width": 4096}]),
)


@dataclass(frozen=True)
class Took:
    """What a stage took: processor time, the most memory that its process held itself, and what it left on disk."""

    cpu_s: float
    memory_mb: float
    disk_mb: float


Measured = list[tuple[Work, Took]]
Rates = Mapping[str, float]


def measured() -> Measured:
    """Carry out short runs, each in another process; return the work of each of their stages and what it took."""
    found: Measured = []
    for number, run in enumerate(RUNS):
        say(f"short run {number + 1} of {len(RUNS)}")
        with tempfile.TemporaryDirectory() as folder:
            child = Child()
            try:
                found += child.call(carried_out, run, Path(folder))
            finally:
                child.end()
    return found


def carried_out(run: Short, folder: Path, tell: Tell) -> Measured:
    """Return what the stages of a short run took; runs in a child."""
    console.quiet = True
    start_tensorflow()
    data = made_up(run, folder)
    (split,) = data.splits()
    extent = extent_of(data, [split])
    with Spent() as checking:
        hashes = check(data)
    found: Measured = []
    for settings in run.settings:
        config = TrainConfig().with_values(**{**BRIEF, **settings})
        before = stages(folder)
        trial = try_split(study(folder, data, hashes, config), split)
        held = repeated(trial.held)
        with Spent() as scoring:
            measure(held, data.presence(), data.single_label)
            expense(trial.shipped)
        took = {path.parent.name: of_stage for path, of_stage in stages(folder).items() if path not in before}
        took["check"] = spent(checking)
        found += [(work, took[work.name]) for work in work_of(config, extent, split.name) if work.name in took]
        found.append((scores_work(config, held.scores.size, ()), spent(scoring)))
    return with_kept(found)


def with_kept(found: Measured) -> Measured:
    """Return the same with all that the process had trained by the end of each stage: XLA keeps it while that lives."""
    trained = itertools.accumulate(work.disk.get(TRAINED, 0.0) for work, _ in found)
    return [(replace(work, memory={**work.memory, KEPT: kept}), took) for kept, (work, took) in zip(trained, found)]


def made_up(run: Short, folder: Path) -> DataSet:
    """Write noise as a data set with a split."""
    rng, clips = np.random.default_rng(0), []
    for number in range(run.clips):
        path = folder / f"{number}.wav"
        noise = rng.standard_normal(round(run.clip_s * RATE_HZ), np.float32)
        soundfile.write(path, LOUDNESS * noise * rng.uniform(0.01, 1.0), RATE_HZ, "PCM_16")
        tag = f"tag {number // len(PARTS) % run.tags}"
        clips.append(Clip(path.name, path, (tag,), PARTS[number % len(PARTS)]))
    return data_set("made-up sound", clips, "made up", published=True, single_label=False)


def repeated(held: Held) -> Held:
    """Return scores many times over: those of a short run are measured in no time."""
    return Held(np.tile(held.scores, (TIMES, 1)), np.tile(held.clip, TIMES))


def stages(root: Path) -> dict[Path, Took]:
    """Return what all artefacts below a folder took, by their folder."""
    found = {}
    for path in root.glob("*/*/stage.json"):
        if path.parent.suffix != ".partial":
            kept = record(path.parent)
            bytes_ = sum(file.stat().st_size for file in path.parent.iterdir())
            found[path.parent] = Took(kept["cpu_seconds"], kept["peak_memory_mb"], bytes_ / 1e6)
    return found


def spent(one: Spent) -> Took:
    """Return what work that leaves nothing on disk took."""
    return Took(one.cpu_seconds, one.peak_memory_mb, 0.0)


def rates_of(pairs: Iterable[tuple[Mapping[str, float], float]]) -> Rates:
    """Return what each unit costs, none of them less than nothing, so that relative errors are least.

    Parameters
    ----------
    pairs : units of work, and what they cost together
    """
    from scipy.optimize import nnls

    kept = [(units, cost) for units, cost in pairs if cost > 0.0]
    names = list(dict.fromkeys(name for units, _ in kept for name in units))
    if not names:
        return {}
    table = np.array([[units.get(name, 0.0) / cost for name in names] for units, cost in kept])
    scale = table.max(axis=0, initial=1e-300)
    found, _ = nnls(table / scale, np.ones(len(kept)))
    return dict(zip(names, found / scale))


def cost_of(units: Mapping[str, float], rates: Rates) -> float:
    """Return what so much work costs."""
    return sum(amount * rates.get(name, 0.0) for name, amount in units.items())

"""What memory each stage of a training takes as its set grows: tried on sets of some hours, told for ten times these.

The sets are made up of a small one: each clip is one of its, rolled in time, louder or fainter. They are in shards, and
learned from as any are; passes over them are few, as memory does not grow with these. It grows until pools and reels
are full, and from then on by what is known of each clip: so only the largest sets tell of larger ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.archive.child import Child, Tell
from bowstream.errors import UsageError

from .common.config import LEARNED, TrainConfig
from .common.crew import Crew
from .common.progress import say
from .common.quiet import start_tensorflow
from .common.shards import Arrays, Rows, Shards, deal
from .common.store import artefact, lineage, make_folder, record
from .dataset.data import DataSet
from .dataset.features import CLIP, LOG_MEL, Features, absolute, dealt_out, features
from .dataset.problems import check
from .model import recipe
from .model.bundle import Parts
from .report.numbers import table
from .report.plots import plot_over
from .sweep import write_rows

# Windows of a made-up clip; how much louder or fainter it is at most, in natural logs of power.
CLIP_WINDOWS, LOUDER = 5, 1.0
# Sets at least; how many times the largest is told of; growth of this share of a stage's memory is none.
FEWEST, TOLD_TIMES, NONE = 3, 10, 0.1
FLAT, GROWS, FILLS = "flat", "grows", "fills"
# Clips that are made up at a time.
AT_ONCE = 20

Row = dict[str, Any]


def scale(root: Path, data: DataSet, out: Path, hours: Sequence[float], config: TrainConfig, crew: Crew) -> None:
    """Train on made-up sets of so many hours; write each stage's memory, and what it grows by, into `out`.

    Raises
    ------
    UsageError
        If there are fewer than three sets.
    """
    sizes = sorted(set(hours))
    if len(sizes) < FEWEST:
        raise UsageError(f"--hours must be {FEWEST} sizes at least, or growth tells nothing (got {len(sizes)})")
    make_folder(out)
    hashes = check(data)
    start_tensorflow()
    learned = config.method == LEARNED
    small = absolute(root, data, hashes, crew) if learned else features(root, data, hashes, config.features, crew)
    rows: list[Row] = []
    for each in sizes:
        child = Child()  # a process for each set: what TensorFlow keeps of one model would count as the next one's
        for row in child.call(in_child, root, data, small, each, config, crew):
            rows.append(row)
            say("  ".join(f"{name} {value}" for name, value in row.items()))
            write_rows(out / "scale.csv", rows)
        child.kill()
    plot_over(out / "scale.png", rows, ("hours", "hours of sound"), ("peak_mb", "memory, MB"), ["stage"])
    grown = list(growth(rows))
    write_rows(out / "growth.csv", grown)
    say(table([list(grown[0]), ["---"] * len(grown[0]), *([str(value) for value in row.values()] for row in grown)]))
    if filling := [row["stage"] for row in grown if row["memory"] == FILLS]:
        say(f"{sizes[-1]:g} h are too few to tell of {', '.join(filling)}: what they keep of a set is not full yet")


def in_child(
    root: Path, data: DataSet, small: Features, hours: float, config: TrainConfig, crew: Crew, tell: Tell
) -> list[Row]:
    """Return what each stage of a training takes; runs in a process of its own."""
    start_tensorflow()
    return list(memory(root, data, small, hours, config, crew))


def memory(root: Path, data: DataSet, small: Features, hours: float, config: TrainConfig, crew: Crew) -> Iterator[Row]:
    """Yield what each stage of a training on so many hours takes."""
    rng = np.random.default_rng(config.seed)
    clips = round(hours * 3600 * small.front_end.sample_rate / small.front_end.window_length) // CLIP_WINDOWS
    of = rng.integers(len(data.clips), size=clips)
    many = tuple(replace(data.clips[number], name=f"{clip:07}") for clip, number in enumerate(of.tolist()))
    parts = fitted(root, made_up(root, small, of, config.seed), replace(data, clips=many), config, crew)
    made = [*parts.networks.values(), *parts.codebooks.values(), parts.head]
    stages = {path: record(path) for last in made for path in lineage(root, last)}
    for path, stage in stages.items():
        yield {"stage": path.parent.name, "hours": hours, "peak_mb": stage["peak_memory_mb"], "s": stage["seconds"]}


def fitted(root: Path, sound: Features, data: DataSet, config: TrainConfig, crew: Crew) -> Parts:
    """Return a model fitted on a whole set."""
    if config.method == LEARNED:
        from .learned import learned

        return learned.fit(root, sound, data, data.final(), config, [])
    return recipe.fit(root, sound, data, data.final(), config, crew)


def made_up(root: Path, small: Features, of: np.ndarray, seed: int) -> Features:
    """Return the sound of a set each of whose clips is one of another set, (clips,), changed by chance."""
    dealt = deal([1] * len(of))

    def parts(clips: np.ndarray) -> Iterator[Arrays]:
        for some in np.array_split(clips, -(-len(clips) // AT_ONCE)):
            log_mel = np.concatenate([changed(small.of_clip(of[clip]), [seed, clip]) for clip in some.tolist()])
            yield {CLIP: np.repeat(some, CLIP_WINDOWS).astype(np.int32), LOG_MEL: log_mel}

    def make(path: Path) -> None:
        for number, clips in enumerate(dealt):
            Shards(path).write(number, parts(clips))

    inputs = {"features": small.key, "clips": of.tolist(), "seed": seed}
    path = artefact(root, "made_up_features", inputs, make)
    first, length = dealt_out(Shards(path), dealt)
    return replace(small, key=path.name, log_mel=Rows(Shards(path), LOG_MEL), first=first, length=length, dealt=dealt)


def changed(log_mel: np.ndarray, seed: Sequence[int]) -> np.ndarray:
    """Return `CLIP_WINDOWS` windows of a clip's log-mel (windows, T, M), rolled and a little louder or fainter."""
    rng = np.random.default_rng(seed)
    frames = log_mel.reshape(-1, log_mel.shape[-1])
    rolled = np.resize(np.roll(frames, rng.integers(len(frames)), axis=0), (CLIP_WINDOWS, *log_mel.shape[1:]))
    return rolled + np.float32(rng.uniform(-LOUDER, LOUDER))


def growth(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield what each stage's memory grows by an hour between the two largest of three sets or more, and what it means.

    It is flat, or it grows by as much as before: then it is told for `TOLD_TIMES` the largest set by a straight line
    through these two. Where it grows, but by less than half of what it did before, pools are still being filled, and
    nothing can be told.
    """
    for stage in dict.fromkeys(row["stage"] for row in rows):
        own = sorted((row["hours"], row["peak_mb"]) for row in rows if row["stage"] == stage)
        hours, peak = np.array(own).T
        *_, before, last = np.diff(peak) / np.diff(hours)
        grown = GROWS if last >= before / 2 else FILLS
        memory = FLAT if peak[-1] - peak[-2] <= NONE * peak[-1] else grown
        told_hours = TOLD_TIMES * hours[-1]
        told = round(float(peak[-1] + max(0.0, last) * (told_hours - hours[-1])))
        yield {
            "stage": stage,
            "largest_mb": round(float(peak.max())),
            "mb_an_hour": round(float(last), 2),
            f"mb_at_{told_hours:g}_h": "" if memory == FILLS else told,
            "memory": memory,
        }

"""Features: bowstream's own log-mel of every clip, computed once into shards."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from bowstream.audio.convert import Converter
from bowstream.audio.file import FILE_COLUMNS, AudioFile
from bowstream.errors import AudioError
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.model.patches import cut_env, cut_fenv, cut_o, cut_pat

from ..common.config import FeatureSettings
from ..common.crew import ALL_CORES, Crew
from ..common.shards import Arrays, Rows, Shards, deal
from ..common.store import artefact, digest
from .data import DataSet, Float32, Index
from .errors import DataError

# What models are trained with: DC, hum and rumble are out, and the lowest band begins where the high-pass ends.
FRONT_END = FrontEnd(highpass_hz=61.0, fmin_hz=100.0)
WITHOUT_LOW_CUT = FrontEnd()
# What a row of a shard is: a window of a clip.
CLIP, LOG_MEL = "clip", "log_mel"
# Windows that are read at a time.
AT_ONCE = 500
# Of the synthetic sound that shows whether resampling is still the same.
STRANGE_RATE_HZ = 44_100


class Windows(Protocol):
    """Log-mel of windows, read where it is asked for: an array, or shards."""

    def __len__(self) -> int: ...

    def __getitem__(self, windows: Index) -> Float32: ...


@dataclass(frozen=True)
class Features:
    """Log-mel of all windows of a data set, numbered as they lie in shards.

    log_mel : float32 [shape=(windows, 100, 96)]
    first, length : int [shape=(clips,)], the first window of each clip, and how many it has
    dealt : the clips of each shard, in their order
    """

    key: str
    front_end: FrontEnd
    level: LevelSettings | None
    log_mel: Windows
    first: Index
    length: Index
    dealt: Sequence[Index] = ()

    @property
    def shards(self) -> Shards:
        """Where the windows are kept."""
        if not isinstance(self.log_mel, Rows):
            raise ValueError("the log-mel must be in shards (got an array)")
        return self.log_mel.shards

    def windows(self, clips: Index) -> Index:
        """Return the windows of these clips, in order."""
        return np.concatenate([self.first[clip] + np.arange(self.length[clip]) for clip in clips])

    def of_clip(self, clip: int) -> Float32:
        """Return a clip's log-mel, float32 [shape=(windows, 100, 96)]."""
        return self.log_mel[self.first[clip] + np.arange(self.length[clip])]

    def each(self, clips: Index) -> Iterator[tuple[int, Float32]]:
        """Yield clips, as they lie in shards, with their log-mel."""
        in_order = clips[np.argsort(self.first[clips])]
        turns = np.cumsum(self.length[in_order]) // AT_ONCE
        for some in np.split(in_order, np.flatnonzero(np.diff(turns)) + 1):
            log_mel = self.log_mel[self.windows(some)]
            yield from zip(some.tolist(), np.split(log_mel, np.cumsum(self.length[some])[:-1]))

    def clip_of_window(self) -> Index:
        """Return the clip that each window belongs to."""
        in_order = np.argsort(self.first)
        return np.repeat(in_order, self.length[in_order])


def hear(path: Path, front_end: FrontEnd, level: LevelSettings | None) -> Float32:
    """Return the log-mel of a recording as a tagger sees it: whole windows, the last completed with silence.

    Returns
    -------
    log_mel : float32 [shape=(windows, 100, 96)]
    """
    log_mel, leveller = LogMel(front_end), Level(level, front_end) if level else None
    with AudioFile(path, front_end.format) as source:
        samples = np.concatenate([heard.samples for heard in source])
    missing = -len(samples) % front_end.window_length
    frames = log_mel.push(np.concatenate([samples, np.zeros(missing, np.float32)]))
    if leveller:
        frames = leveller.push(frames)
    return frames.reshape(-1, front_end.frames_per_window, front_end.n_mels)


def fingerprint(front_end: FrontEnd, level: LevelSettings | None) -> str:
    """Return a hash of a synthetic sound's log-mel and patches: it changes when what makes them does."""
    second = synthetic_second(front_end)
    frames = LogMel(front_end).push(np.concatenate([second, resampled(second, front_end)]))
    if level:
        frames = Level(level, front_end).push(frames)
    columns = frames.reshape(-1, front_end.frames_per_column, front_end.n_mels)
    windows = frames[: front_end.frames_per_window][np.newaxis]
    heard = frames, cut_pat(columns), cut_env(columns), cut_fenv(windows), cut_o(windows)
    # Rounded, so that processors which differ in the last bits share a cache.
    return hashlib.sha256(b"".join(np.round(values, 2).tobytes() for values in heard)).hexdigest()


def resampled(second: Float32, front_end: FrontEnd) -> Float32:
    """Return what comes in of a sound, (n,), that is taken for one at another rate in two channels."""
    converter = Converter("synthetic", STRANGE_RATE_HZ, front_end.format, FILE_COLUMNS)
    return np.concatenate([*converter.push(np.stack([second, second[::-1]], axis=1)), *converter.finish()])


def synthetic_second(front_end: FrontEnd) -> Float32:
    """Return a second that has something of everything: a rising tone, a hum, noise that swells, clicks and silence."""
    rng = np.random.default_rng(143)
    n = front_end.window_length
    t = np.arange(n) / front_end.sample_rate
    second = 0.3 * np.sin(2 * math.pi * (200 * t + 1500 * t**2)) + 0.1 * np.sin(2 * math.pi * 50 * t)
    second += 0.2 * t * rng.standard_normal(n)
    second[:: n // 8] += 0.5
    second[n // 2 : n // 2 + n // 10] = 0.0
    return np.clip(second, -1.0, 1.0).astype(np.float32)


def absolute(root: Path, data: DataSet, hashes: Mapping[str, str], crew: Crew) -> Features:
    """Return the absolute log-mel of a data set, with the level that a bundle will have: augmentation comes between."""
    return replace(features(root, data, hashes, FeatureSettings(level="absolute"), crew), level=LevelSettings())


def features(
    root: Path, data: DataSet, hashes: Mapping[str, str], settings: FeatureSettings, crew: Crew = ALL_CORES
) -> Features:
    """Return the features of a data set, from the cache or computed by a crew.

    Parameters
    ----------
    hashes : SHA-256 of each clip's file, by the clip's name
    """
    front_end = FRONT_END if settings.low_cut == "yes" else WITHOUT_LOW_CUT
    level = LevelSettings() if settings.level == "relative" else None
    contents = [hashes[clip.name] for clip in data.clips]
    return of_recordings(root, [clip.path for clip in data.clips], contents, front_end, level, crew)


def of_recordings(
    root: Path,
    paths: Sequence[Path],
    contents: Sequence[str],
    front_end: FrontEnd,
    level: LevelSettings | None,
    crew: Crew,
) -> Features:
    """Return the features of recordings, whose SHA-256 are `contents`.

    Raises
    ------
    DataError
        If some cannot be heard to their end, with a line for each.
    """
    dealt, files = deal([path.stat().st_size for path in paths]), [path.absolute() for path in paths]
    inputs = {
        "front_end": asdict(front_end),
        "level": level.stored() if level else None,
        "fingerprint": fingerprint(front_end, level),
        "clips": hashlib.sha256("".join(contents).encode()).hexdigest(),
        "shards": digest([clips.tolist() for clips in dealt]),
    }

    def make(path: Path) -> None:
        work = Hearing(Shards(path), front_end, level)
        jobs = {number: (number, clips, [files[clip] for clip in clips]) for number, clips in enumerate(dealt)}
        if problems := sorted(itertools.chain(*crew.make(work.shards, work, jobs, "features"))):
            raise DataError(problems)

    path = artefact(root, "features", inputs, make)
    shards = Shards(path)
    first, length = dealt_out(shards, dealt)
    return Features(path.name, front_end, level, Rows(shards, LOG_MEL), first, length, dealt)


def dealt_out(shards: Shards, dealt: Sequence[Index]) -> tuple[Index, Index]:
    """Return the first window of each clip, and how many it has, by the shards that clips were dealt to."""
    clips = [shards.whole(number, [CLIP])[CLIP] for number in range(len(dealt))]
    length = np.bincount(np.concatenate(clips), minlength=sum(map(len, dealt)))
    first, order = np.empty(len(length), np.intp), np.concatenate(dealt)
    first[order] = np.cumsum(length[order]) - length[order]
    return first, length


@dataclass(frozen=True)
class Hearing:
    """Hears the recordings of a shard and writes it, perhaps on another machine."""

    shards: Shards
    front_end: FrontEnd
    level: LevelSettings | None

    def __call__(self, job: tuple[int, Index, Sequence[Path]]) -> list[str]:
        """Write the shard of a number, clips and their paths; return what is wrong with some, and write none then."""
        number, clips, paths = job
        try:
            self.shards.write(number, self._heard(clips, paths))
        except DataError as error:
            return list(error.problems)
        return []

    def _heard(self, clips: Index, paths: Sequence[Path]) -> Iterator[Arrays]:
        problems = []
        for clip, path in zip(clips.tolist(), paths):
            try:
                log_mel = hear(path, self.front_end, self.level)
            except AudioError as error:
                problems.append(str(error))
            else:
                yield {CLIP: np.full(len(log_mel), clip, np.int32), LOG_MEL: log_mel}
        if problems:
            raise DataError(problems)

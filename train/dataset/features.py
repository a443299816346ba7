"""Features: bowstream's own log-mel of every clip, computed once and mapped into memory."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bowstream.audio.convert import Converter
from bowstream.audio.file import FILE_COLUMNS, AudioFile
from bowstream.errors import AudioError
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.model.patches import cut_env, cut_fenv, cut_o, cut_pat

from ..common.config import FeatureSettings
from ..common.parallel import parallel
from ..common.progress import track
from ..common.store import artefact
from .data import DataSet, Float32, Index
from .errors import DataError

# What models are trained with: DC, hum and rumble are out, and the lowest band begins where the high-pass ends.
FRONT_END = FrontEnd(highpass_hz=61.0, fmin_hz=100.0)
WITHOUT_LOW_CUT = FrontEnd()
FRAMES = "log_mel.f32"
CLIPS = "clips.jsonl"
# Of the synthetic sound that shows whether resampling is still the same.
STRANGE_RATE_HZ = 44_100


@dataclass(frozen=True)
class Features:
    """Log-mel of all windows of a data set, clip after clip.

    log_mel : float32 [shape=(windows, 100, 96)], mapped
    first : int [shape=(clips + 1,)], the first window of each clip, and the end
    """

    key: str
    front_end: FrontEnd
    level: LevelSettings | None
    log_mel: Float32
    first: Index

    def windows(self, clips: Index) -> Index:
        """Return the windows of these clips, in order."""
        return np.concatenate([np.arange(self.first[clip], self.first[clip + 1]) for clip in clips])

    def of_clip(self, clip: int) -> Float32:
        """Return a clip's log-mel, float32 [shape=(windows, 100, 96)]."""
        return self.log_mel[self.first[clip] : self.first[clip + 1]]

    def clip_of_window(self) -> Index:
        """Return the clip that each window belongs to."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


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


def absolute(root: Path, data: DataSet, hashes: Mapping[str, str]) -> Features:
    """Return the absolute log-mel of a data set, with the level that a bundle will have: augmentation comes between."""
    return replace(features(root, data, hashes, FeatureSettings(level="absolute")), level=LevelSettings())


def features(root: Path, data: DataSet, hashes: Mapping[str, str], settings: FeatureSettings) -> Features:
    """Return the features of a data set, from the cache or computed on all cores.

    Parameters
    ----------
    hashes : SHA-256 of each clip's file, by the clip's name
    """
    front_end = FRONT_END if settings.low_cut == "yes" else WITHOUT_LOW_CUT
    level = LevelSettings() if settings.level == "relative" else None
    inputs = {
        "front_end": asdict(front_end),
        "level": level.stored() if level else None,
        "fingerprint": fingerprint(front_end, level),
        "clips": hashlib.sha256("".join(hashes[clip.name] for clip in data.clips).encode()).hexdigest(),
    }
    path = artefact(root, "features", inputs, lambda path: hear_all(path, data, front_end, level))
    lengths = [json.loads(line)["windows"] for line in (path / CLIPS).read_text("utf-8").splitlines()]
    shape = (sum(lengths), front_end.frames_per_window, front_end.n_mels)
    log_mel = np.memmap(path / FRAMES, np.float32, "r", shape=shape)
    return Features(path.name, front_end, level, log_mel, np.concatenate([[0], np.cumsum(lengths)]))


@dataclass(frozen=True)
class Hearing:
    """`hear` with its settings, for another process."""

    front_end: FrontEnd
    level: LevelSettings | None

    def __call__(self, path: Path) -> Float32 | AudioError:
        """Return the log-mel of a recording, or what is wrong with it."""
        try:
            return hear(path, self.front_end, self.level)
        except AudioError as error:
            return error


def hear_all(path: Path, data: DataSet, front_end: FrontEnd, level: LevelSettings | None) -> None:
    """Append the log-mel of each clip that is not there yet to one file, and a line about it to another."""
    window_bytes = front_end.frames_per_window * front_end.n_mels * np.dtype(np.float32).itemsize
    with (path / FRAMES).open("ab") as frames, (path / CLIPS).open("ab+") as lines:
        lines.seek(0)
        done = [line for line in lines if line.endswith(b"\n")]
        lines.truncate(sum(map(len, done)))
        frames.truncate(sum(json.loads(line)["windows"] for line in done) * window_bytes)
        waiting = data.clips[len(done) :]
        heard = parallel(Hearing(front_end, level), [clip.path for clip in waiting])
        problems = []
        for clip, log_mel in zip(waiting, track(heard, len(data.clips), "features", len(done))):
            if isinstance(log_mel, AudioError):
                problems.append(str(log_mel))
            elif not problems:
                log_mel.tofile(frames)
                frames.flush()
                lines.write(json.dumps({"name": clip.name, "windows": len(log_mel)}).encode() + b"\n")
                lines.flush()
    if problems:
        raise DataError(problems)

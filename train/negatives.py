"""Negatives: recordings of none of the tags, and made-up sounds that are nothing either, dealt out by file.

Half of them are learned from; the others, in two halves, measure how often a model raises a tag for nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from bowstream.frontend import FrontEnd
from bowstream.sources import SUFFIXES

from .data import DataError, DataSet, Float32
from .layouts import read_rows, readable
from .parallel import parallel
from .problems import content_hash, look_at
from .store import artefact

LEARN, MEASURE = "learn", ("measure 1", "measure 2")
DEAL = (MEASURE[0], LEARN, MEASURE[1], LEARN)
# A folder's own note of tags that may sound in a recording all the same, and how its cells separate them.
NOTE = "negatives.csv"
SEPARATORS = re.compile(r"[;,/]")
IN_BRACKETS = re.compile(r"\(.*?\)")
# Made-up sounds: their length, and their levels.
MADE_S = 60
LEVELS_DBFS = (-20, -50, -80)
HUMS_HZ = (50, 60)
# Power falls with frequency to this power.
COLOURS = {"white": 0, "pink": 1, "brown": 2}
LOWEST_HZ = 20.0


@dataclass(frozen=True)
class Negative:
    """A recording of none of the tags.

    kind : speech, music …: its file's name up to the first `_`
    part : `LEARN`, or one of `MEASURE`
    content : the file's SHA-256
    may : tags that may sound in it all the same
    """

    path: Path
    kind: str
    part: str
    content: str
    made: bool = False
    may: frozenset[str] = frozenset()


def find_negatives(root: Path, folder: Path, data: DataSet, hashes: Mapping[str, str]) -> tuple[Negative, ...]:
    """Return a folder's recordings and the made-up sounds, dealt out.

    Parameters
    ----------
    root : the folder of all artefacts
    hashes : SHA-256 of each clip of the data set, by the clip's name

    Raises
    ------
    DataError
        If there are too few, or one cannot be heard, is there twice or is a clip of the data set.
    """
    if not folder.is_dir():
        raise DataError([f"{folder} is no folder: wanted one with recordings as negatives"])
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if len(paths) < len(DEAL):
        raise DataError([f"{folder}: wanted at least {len(DEAL)} recordings as negatives, found {len(paths)}"])
    looked = list(parallel(look_at, paths))
    problems = [problem for problem, _ in looked if problem]
    contents = {path: content for path, (_, content) in zip(paths, looked) if content}
    problems += twins(contents, {content: name for name, content in hashes.items()})
    if problems:
        raise DataError(problems)
    may = tags_that_may_sound(folder)
    of_file = {path: may.get(path.relative_to(folder).as_posix(), frozenset()) for path in paths}
    recorded = [Negative(path, kind_of(path), part, contents[path], False, of_file[path]) for path, part in deal(paths)]
    return (*recorded, *made_up(root))


def twins(contents: Mapping[Path, str], clips: Mapping[str, str]) -> Iterator[str]:
    """Name negatives that are there twice, and those that are clips of the data set."""
    seen: dict[str, Path] = {}
    for path, content in contents.items():
        if content in clips:
            yield f"{path}: a negative with the content of clip {clips[content]}"
        if content in seen:
            yield f"{path}: a negative with the content of {seen[content].name}"
        seen[content] = path


def tags_that_may_sound(folder: Path) -> dict[str, frozenset[str]]:
    """Return what `negatives.csv`, if it is there, says in its columns `path` and `may_contain`."""
    if not (folder / NOTE).is_file():
        return {}
    rows = read_rows(folder / NOTE, "path")
    if "may_contain" not in rows[0]:
        raise DataError([f"{folder / NOTE}: wanted columns path, may_contain, may_contain not found"])
    cells = {row["path"]: row["may_contain"] for row in rows}
    return {
        path: frozenset(readable(tag) for tag in SEPARATORS.split(IN_BRACKETS.sub("", cell)) if tag.strip())
        for path, cell in cells.items()
    }


def kind_of(path: Path) -> str:
    """Return the file's name up to the first `_`; `other` where there is none."""
    kind, underscore, _ = path.stem.partition("_")
    return kind if underscore else "other"


def deal(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Deal files out kind by kind, in the order of a hash of the name: the same on every machine."""
    in_order = sorted(paths, key=lambda path: (kind_of(path), hashlib.sha256(path.name.encode()).digest()))
    return zip(in_order, cycle(DEAL))


def made_up(root: Path) -> list[Negative]:
    """Return silence, hum and noise at several levels, each a file of a minute, dealt out."""
    inputs = {"seconds": MADE_S, "levels": LEVELS_DBFS, "hums": HUMS_HZ, "colours": COLOURS, "lowest": LOWEST_HZ}
    folder = artefact(root, "made_up", inputs, write_made_up)
    paths = sorted(folder.glob("*.flac"))
    return [Negative(path, f"made {kind_of(path)}", part, content_hash(path), True) for path, part in deal(paths)]


def write_made_up(path: Path) -> None:
    """Write the made-up sounds."""
    rate = FrontEnd().sample_rate
    for name, samples in made_sounds(MADE_S * rate, rate):
        soundfile.write(path / f"{name}.flac", samples, rate, "PCM_16")


def made_sounds(count: int, sample_rate: int) -> Iterator[tuple[str, Float32]]:
    """Yield each made-up sound with its name."""
    t, rng = np.arange(count) / sample_rate, np.random.default_rng(0)
    yield "silence_digital", np.zeros(count, np.float32)
    shapes = {f"hum_{hz}hz": sum(np.sin(2 * np.pi * hz * n * t + n) / n for n in range(1, 9)) for hz in HUMS_HZ}
    shapes |= {f"noise_{colour}": coloured(count, sample_rate, slope, rng) for colour, slope in COLOURS.items()}
    for name, shape in shapes.items():
        for level_dbfs in LEVELS_DBFS:
            yield f"{name}_{level_dbfs}dbfs", at_level(shape, level_dbfs)


def coloured(count: int, sample_rate: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise whose power falls with frequency to the power of `slope`."""
    hz = np.fft.rfftfreq(count, 1 / sample_rate)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return np.fft.irfft(np.where(hz < LOWEST_HZ, 0.0, spectrum * np.maximum(hz, LOWEST_HZ) ** (-slope / 2)), count)


def at_level(samples: np.ndarray, level_dbfs: float) -> Float32:
    """Return samples at this root mean square below full scale."""
    return (samples * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(samples**2))).astype(np.float32)


def to_learn_from(negatives: Sequence[Negative]) -> list[Negative]:
    """Return the negatives that a model may learn from."""
    return [negative for negative in negatives if negative.part == LEARN]


def to_measure_with(negatives: Sequence[Negative]) -> list[Negative]:
    """Return the negatives that no model learns from."""
    return [negative for negative in negatives if negative.part in MEASURE]

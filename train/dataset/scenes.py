"""Scenes: continuous streams made of clips that are placed at known times into recordings of other sounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream._types import FORMAT
from bowstream.audio.file import AudioFile

from .data import DataSet, Float32, Index
from .deal import hashed
from .negatives import Negative

SNRS_DB = (0.0, 6.0, 12.0)
# The background's level, how long a clip sounds at most, and how long nothing is placed before it.
BACKGROUND_DBFS = -40.0
LONGEST_S = 5.0
PAUSE_S = (2.0, 5.0)
SCENE_S = 60.0
# A clip's sound begins and ends where it is so far below its loudest 10 ms.
ACTIVE_DB = 30.0
FRAME = FORMAT.sample_rate // 100
# Clips of a tag that are placed at most.
MOST_CLIPS = 12
SMALLEST = 1e-12
# A brief sound, alone in a quiet room: how long it is at most, how far the room's noise is below its peak, the scene's
# length, and when it begins.
BRIEF_S, QUIET_DB, ROOM_S, BEGINS_S = 1.5, 40.0, 8.0, (3.0, 4.0)


@dataclass(frozen=True)
class Placed:
    """A clip in a scene: its tags, what may sound in it unnamed, and when its sound begins and ends, in seconds."""

    tags: tuple[str, ...]
    may: frozenset[str]
    onset_s: float
    offset_s: float


@dataclass(frozen=True)
class Scene:
    """A stream of which it is known what sounds when.

    samples : float32 [shape=(n,)], at the front end's rate, whole columns; none once it was heard
    length : how many there are
    placed : in the order of their onsets; a scene without any is a background as it is
    may : tags that may sound in it all the same, and are neither right nor wrong
    snr_db : how far the clips are above the background
    made : whether it is a made-up sound
    """

    name: str
    samples: Float32
    placed: tuple[Placed, ...]
    may: frozenset[str]
    snr_db: float | None
    length: int
    made: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is a recorded background as it is."""
        return not self.placed and not self.made

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.length / FORMAT.sample_rate


def decoded(path: Path) -> Float32:
    """Return a recording's samples at the front end's rate, decoded as bowstream does, float32 (n,)."""
    with AudioFile(path) as source:
        return np.concatenate([block.samples for block in source])


def active(samples: Float32) -> Float32:
    """Return the part of a clip in which its sound is, `LONGEST_S` of it at most."""
    count = len(samples) // FRAME
    power = np.square(samples[: count * FRAME].reshape(count, FRAME)).mean(axis=1) + SMALLEST
    loud = np.flatnonzero(power >= power.max(initial=SMALLEST) * 10 ** (-ACTIVE_DB / 10))
    if not len(loud):
        return samples[:0]
    first = loud[0] * FRAME
    return samples[first : min((loud[-1] + 1) * FRAME, first + round(LONGEST_S * FORMAT.sample_rate))]


def chosen(data: DataSet, clips: Index) -> list[int]:
    """Return which of the clips are placed: a few of each tag, from as many sources as there are, rare tags first.

    A clip has a tag of its own to be there for; that it has others, too, does not matter.
    """
    number = Counter(tag for clip in clips for tag in data.clips[clip].tags)
    taken: Counter[str] = Counter()
    found: list[int] = []
    for tag in sorted(number, key=lambda tag: (number[tag], tag)):
        of_source: Counter[str] = Counter()
        waiting = []
        for clip in sorted((one for one in clips if tag in data.clips[one].tags), key=lambda one: hashed(str(one))):
            source = data.clips[clip].source
            waiting.append((of_source[source], hashed(source), int(clip)))
            of_source[source] += 1
        for _, _, clip in sorted(waiting):
            if taken[tag] < MOST_CLIPS and clip not in found:
                found.append(clip)
                taken.update(data.clips[clip].tags)
    return sorted(found, key=lambda clip: hashed(data.clips[clip].name))


def scenes(data: DataSet, clips: Index, backgrounds: Sequence[Negative], seed: int = 1) -> Iterator[Scene]:
    """Yield scenes of these clips, each clip in one of them, at 0, 6 and 12 dB in turn.

    Parameters
    ----------
    backgrounds : what the clips are placed into
    """
    rng, waiting = np.random.default_rng(seed), chosen(data, clips)
    order, number = rng.permutation(len(backgrounds)), 0
    sounds = {negative.path: decoded(negative.path) for negative in backgrounds}
    while waiting:
        background, snr_db = backgrounds[order[number % len(order)]], SNRS_DB[number % len(SNRS_DB)]
        bed = at_level(piece(sounds[background.path], SCENE_S, rng), BACKGROUND_DBFS)
        placed, end = [], 0
        while waiting:
            clip = data.clips[waiting[-1]]
            sound = active(decoded(clip.path))
            begin = end + int(rng.uniform(*PAUSE_S) * FORMAT.sample_rate)
            if begin + len(sound) > len(bed):
                break
            waiting.pop()
            if len(sound):
                bed[begin : begin + len(sound)] += at_level(sound, BACKGROUND_DBFS + snr_db)
                end = begin + len(sound)
                placed.append(Placed(clip.tags, clip.may, begin / FORMAT.sample_rate, end / FORMAT.sample_rate))
        number += 1
        name = f"scene {number}, {background.path.stem}"
        yield Scene(name, np.clip(bed, -1.0, 1.0), tuple(placed), background.may, snr_db, len(bed))


def backgrounds_alone(backgrounds: Sequence[Negative]) -> Iterator[Scene]:
    """Yield each background as it is."""
    for background in backgrounds:
        samples = decoded(background.path)
        whole = samples[: len(samples) // FORMAT.column_length * FORMAT.column_length]
        yield Scene(background.path.stem, whole, (), background.may, None, len(whole), background.made)


def in_a_quiet_room(data: DataSet, clips: Index, seed: int = 1) -> Iterator[Scene]:
    """Yield each of the chosen clips whose sound is brief, placed once into faint noise."""
    rng = np.random.default_rng(seed)
    for index in chosen(data, clips):
        clip = data.clips[index]
        sound = active(decoded(clip.path))
        peak = float(np.abs(sound).max(initial=0.0))
        if not 0 < len(sound) <= BRIEF_S * FORMAT.sample_rate or not peak:
            continue
        room = rng.standard_normal(round(ROOM_S * FORMAT.sample_rate)).astype(np.float32)
        room = at_level(room, 20 * float(np.log10(peak)) - QUIET_DB)
        begin = int(rng.uniform(*BEGINS_S) * FORMAT.sample_rate)
        room[begin : begin + len(sound)] += sound
        times = begin / FORMAT.sample_rate, (begin + len(sound)) / FORMAT.sample_rate
        placed = Placed(clip.tags, clip.may, *times)
        yield Scene(clip.name, np.clip(room, -1.0, 1.0), (placed,), frozenset(), QUIET_DB, len(room))


def piece(samples: Float32, seconds: float, rng: np.random.Generator) -> Float32:
    """Return so much of a recording from a random place on, from its beginning again where it ends."""
    count = round(seconds * FORMAT.sample_rate)
    return np.resize(np.roll(samples, -int(rng.integers(len(samples)))), count).copy()


def at_level(samples: Float32, level_dbfs: float) -> Float32:
    """Return samples at this root mean square below full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return np.asarray(samples * (10 ** (level_dbfs / 20) / np.sqrt(max(power, SMALLEST))), np.float32)

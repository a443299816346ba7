"""From data sets to the pools that the joint training learns from."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream.model.front_end import FrontEnd

from ..common.learned_config import AugmentSettings
from ..common.reels import reels_of
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features, hear
from ..dataset.negatives import Negative
from ..dataset.teacher import Teacher, as_stored
from .pool import UNSURE, Pool, audible_ends, kept
from .pools import Pools

# Windows of a negative that count as a clip.
PIECE = 5


@functools.cache  # each is asked for once a fold
def recorded(path: Path, front_end: FrontEnd) -> NDArray[np.uint8]:
    """Return what is kept of a recording's log-mel, (windows, T, M)."""
    return kept(hear(path, front_end, None), front_end)


@dataclass(frozen=True)
class Piece:
    """A piece of a negative: what is kept of its log-mel, (T, M), and which of how many equal ones it is."""

    steps: NDArray[np.uint8]
    negative: Negative
    place: int
    count: int


@dataclass(frozen=True)
class Part:
    """What a pool is made of: clips, as they lie in shards, and how often each is drawn beside the others; pieces."""

    clips: Index
    chance: Float32
    pieces: Sequence[Piece]

    def frames(self, sound: Features) -> int:
        """Return how many frames it has."""
        windows = int(sound.length[self.clips].sum())
        return windows * sound.front_end.frames_per_window + sum(len(piece.steps) for piece in self.pieces)


def new_pools(
    sound: Features,
    data: DataSet,
    fit: Index,
    negatives: Sequence[Negative],
    settings: AugmentSettings,
    reel_mb: float,
) -> Pools:
    """Return the pools of clips and negatives: one, or as many as it takes that each is no larger than a reel.

    Parameters
    ----------
    sound : absolute log-mel
    fit : the clips to learn from
    negatives : other recordings. What is present there, and in clips without tags, is one more tag, "none", unless
        the recording's kind is a tag, as speech and music may be
    """
    pieces = [piece for negative in negatives for piece in pieces_of(negative, sound.front_end)]
    chance = np.zeros(len(data.clips), np.float32)
    chance[fit] = chances(data.presence()[fit], [data.clips[clip].source for clip in fit], settings)
    size = Part(fit, chance[fit], pieces).frames(sound) * sound.front_end.n_mels
    of_shards = [clips[np.isin(clips, fit)] for clips in sound.dealt] or [fit]
    count = reels_of(len(of_shards), size, reel_mb)
    parts = []
    for number, shards in enumerate(np.array_split(np.arange(len(of_shards)), count)):
        clips = np.concatenate([of_shards[shard] for shard in shards])
        parts.append(Part(clips, chance[clips], pieces[number::count]))
    frames = max(part.frames(sound) for part in parts)
    most = max(len(part.clips) + len(part.pieces) for part in parts)
    make = functools.partial(new_pool, sound, data, settings=settings)
    makers = [lambda part=part: make(part).padded(frames, most, sound.front_end) for part in parts]
    return Pools(makers if count > 1 else [functools.cache(functools.partial(make, parts[0]))])


def new_pool(sound: Features, data: DataSet, part: Part, settings: AugmentSettings) -> Pool:
    """Return the pool of a part."""
    steps = np.empty((part.frames(sound), sound.front_end.n_mels), np.uint8)
    found, ends, length = 0, list[NDArray[np.int32]](), list[int]()
    of_clips = (kept(log_mel, sound.front_end) for _, log_mel in sound.each(part.clips))
    for one in itertools.chain(of_clips, (piece.steps for piece in part.pieces)):
        own = steps[found : found + one.size // steps.shape[1]]
        own[:] = one.reshape(own.shape)
        ends.append(audible_ends(own, settings.audible_db, sound.front_end))
        length.append(len(own))
        found += len(own)
    known = [data.presence()[part.clips], *(known_of(piece.negative, data)[np.newaxis] for piece in part.pieces)]
    presence = np.nan_to_num(np.concatenate(known), nan=UNSURE)
    none = ~(presence > 0.0).any(axis=1, keepdims=True)
    labels = data.teacher.labels if data.teacher else ()
    teacher, taught = np.zeros((len(length), len(labels)), np.uint8), np.zeros(len(length), bool)
    if data.teacher:
        scores, taught[: len(part.clips)] = data.teacher.of([data.clips[clip].name for clip in part.clips])
        teacher[: len(part.clips)] = as_stored(scores)
        said = said_of(part.pieces, data.teacher)
        for row, piece in enumerate(part.pieces, len(part.clips)):
            if (along := said[piece.negative.name]) is not None:
                teacher[row], taught[row] = as_stored(along[piece.place]), True
    until = np.cumsum(shared_out(part.chance, len(part.pieces), settings.negative_share)).astype(np.float32)
    until[-1] = 1.0  # which rounding may miss
    return Pool(
        steps=steps,
        first=(np.cumsum(length) - length).astype(np.int32),
        length=np.array(length, np.int32),
        ends=np.concatenate(ends),
        first_end=np.concatenate([[0], np.cumsum([len(end) for end in ends])]).astype(np.int32),
        until=until,
        presence=np.concatenate([presence, none], axis=1).astype(np.float32),
        teacher=teacher,
        taught=taught,
    )


def pieces_of(negative: Negative, front_end: FrontEnd) -> list[Piece]:
    """Return a negative in pieces of about `PIECE` windows, so that a long one does not count as one clip."""
    windows = recorded(negative.path, front_end)
    parts = np.array_split(windows, max(1, len(windows) // PIECE))
    return [Piece(part.reshape(-1, part.shape[-1]), negative, place, len(parts)) for place, part in enumerate(parts)]


def said_of(pieces: Sequence[Piece], teacher: Teacher) -> dict[str, Float32 | None]:
    """Return what a teacher says of each negative, float32 (count, L) by its name; None if it did not hear it."""
    counts = {piece.negative.name: piece.count for piece in pieces}
    return {name: teacher.along(name, count) if name else None for name, count in counts.items()}


def known_of(negative: Negative, data: DataSet) -> Float32:
    """Return what is known to be in a negative, float32 (C,): 1 what its kind means, NaN what may be there, else 0."""
    known = [1.0 if tag in negative.tags else np.nan if tag in negative.may else 0.0 for tag in data.tags]
    return np.array(known, np.float32)


def chances(presence: Float32, sources: Sequence[str], settings: AugmentSettings) -> Float32:
    """Return how often each clip is drawn beside the others: tags evenly, and of each tag its sources.

    A clip of several tags is drawn as often as they are on average, one of none as often as a clip is on average.

    Parameters
    ----------
    presence : float32 [shape=(clips, C)]
    """
    _, source = np.unique(sources, return_inverse=True)
    present = presence > 0.0
    often = np.zeros(len(present), np.float32)
    for has in present.T:
        if has.any():
            clips = np.bincount(source[has], minlength=source.max() + 1).astype(float)
            of_source = np.where(clips > 0, clips**settings.source_power, 0.0)
            a_clip = of_source / of_source.sum() / np.maximum(clips, 1.0)
            often[has] += has.sum() ** settings.tag_power * a_clip[source[has]]
    tags = present.sum(axis=1)
    often /= np.maximum(tags, 1)
    return np.where(tags > 0, often, often[tags > 0].mean())


def shared_out(chance: Float32, pieces: int, negative_share: float) -> Float32:
    """Return the probability of each clip and then of each piece of a negative, which has at most its share."""
    share = min(negative_share, pieces / (pieces + len(chance)))
    of_pieces = np.full(pieces, share / max(1, pieces))
    return np.concatenate([(1.0 - share) * chance / chance.sum(), of_pieces])

"""From data sets to the pool that the joint training learns from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bowstream.model.front_end import FrontEnd

from ..common.learned_config import AugmentSettings
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features, hear
from ..dataset.negatives import Negative
from ..dataset.teacher import as_stored
from .pool import UNSURE, Pool, audible_ends, kept

# Negatives are cut into pieces of this many windows, so that one recording does not count as one clip.
PIECE = 5


@functools.cache  # each is asked for once a fold
def recorded(path: Path, front_end: FrontEnd) -> Float32:
    """Return the absolute log-mel of a recording, (windows, T, M)."""
    return hear(path, front_end, None)


def new_pool(
    sound: Features, data: DataSet, fit: Index, negatives: Sequence[Negative], settings: AugmentSettings
) -> Pool:
    """Return the pool of clips and negatives.

    Parameters
    ----------
    sound : absolute log-mel
    fit : the clips to learn from
    negatives : other recordings. What is present there, and in clips without tags, is one more tag, "none", unless
        the recording's kind is a tag, as speech and music may be
    """
    pieces = [
        (piece, negative) for negative in negatives for piece in pieces_of(recorded(negative.path, sound.front_end))
    ]
    clips = [np.asarray(sound.of_clip(clip)) for clip in fit] + [piece for piece, _ in pieces]
    steps = [kept(clip.reshape(-1, clip.shape[-1]), sound.front_end) for clip in clips]
    length = np.array([len(clip) for clip in steps], np.int32)
    ends = [audible_ends(clip, settings.audible_db, sound.front_end) for clip in steps]
    known = [data.presence()[fit], *(known_of(negative, data)[np.newaxis] for _, negative in pieces)]
    presence = np.nan_to_num(np.concatenate(known), nan=UNSURE)
    none = ~(presence > 0.0).any(axis=1, keepdims=True)
    chance = chances(presence[: len(fit)], [data.clips[clip].source for clip in fit], settings)
    chance = shared_out(chance, len(pieces), settings.negative_share)
    labels = data.teacher.labels if data.teacher else ()
    teacher, taught = np.zeros((len(clips), len(labels)), np.uint8), np.zeros(len(clips), bool)
    if data.teacher:
        scores, taught[: len(fit)] = data.teacher.of([data.clips[clip].name for clip in fit])
        teacher[: len(fit)] = as_stored(scores)
    return Pool(
        steps=np.concatenate(steps),
        first=(np.cumsum(length) - length).astype(np.int32),
        length=length,
        ends=np.concatenate(ends),
        first_end=np.concatenate([[0], np.cumsum([len(end) for end in ends])]).astype(np.int32),
        until=np.cumsum(chance).astype(np.float32),
        presence=np.concatenate([presence, none], axis=1).astype(np.float32),
        teacher=teacher,
        taught=taught,
    )


def pieces_of(log_mel: Float32) -> list[Float32]:
    """Return a long recording in pieces of about `PIECE` windows."""
    return np.array_split(log_mel, max(1, len(log_mel) // PIECE))


def known_of(negative: Negative, data: DataSet) -> Float32:
    """Return what is known to be in a negative, float32 (C,): 1 what its kind is the name of, NaN what may be there.

    Where its kind is a tag, the other tags of that tag's group may be there (a piano in music), and so may tags that
    often sound unnamed.
    """
    entries = data.vocabulary.by_tag if data.vocabulary else {}
    group = entries[negative.kind].group if negative.kind in entries else None
    known = np.zeros(len(data.tags), np.float32)
    for place, tag in enumerate(data.tags):
        entry = entries.get(tag)
        if tag == negative.kind:
            known[place] = 1.0
        elif tag in negative.may or (entry and (entry.ambient or entry.group == group)):
            known[place] = np.nan
    return known


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

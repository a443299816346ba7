"""What can be taught to a bundle in trials: tags that it lacks, and single things that it never heard.

A thing is what a home has one of: this doorbell, this dog, this voice. Its clips are those of one group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..dataset.data import Clip, DataSet

TAG, THING = "tag", "thing"
# Clips and recordings that a tag needs to be tried, clips that a thing needs, and what is left of each to try it on.
FEWEST_CLIPS, FEWEST_GROUPS, FEWEST_OF_THING, FEWEST_TRIED = 5, 3, 3, 2
# Share of the clips that must surely be without a tag: what may be anywhere is told from nothing.
WITHOUT = 0.5
SEED = 5


@dataclass(frozen=True)
class Kind:
    """A tag or a thing.

    name : of the tag, or of the group
    what : `TAG` or `THING`
    clips : names of its clips, each with its recording, which is never both learned from and tried
    unclear : names of clips of which it is not known whether it sounds in them
    like : tags that a thing's clips have
    """

    name: str
    what: str
    clips: Mapping[str, str]
    unclear: frozenset[str] = frozenset()
    like: frozenset[str] = frozenset()


def a_tag(data: DataSet, name: str, known: Collection[str] = (), learned: Collection[str] = ()) -> Kind:
    """Return a tag of a data set; clips of sources that were learned from, under a tag that is known, are unclear."""
    clips = [clip for clip in data.clips if name in clip.tags]
    fresh = [clip for clip in clips if clip.source not in learned or set(known).isdisjoint(clip.tags)]
    unclear = {clip.name for clip in clips} | {clip.name for clip in data.clips if name in clip.may}
    own = {clip.name: clip.group or clip.name for clip in fresh}
    return Kind(name, TAG, own, frozenset(unclear - own.keys()))


def tags_outside(data: DataSet, known: Collection[str], learned: Collection[str] = ()) -> list[Kind]:
    """Return the tags that a bundle does not know and that have clips and recordings enough, and clips without.

    A tag that is there whenever one is that the bundle knows is known, too.
    """
    names = {*known, *(each.lower() for each in known)}
    if data.vocabulary:
        entries = (data.vocabulary.by_tag[name] for name in data.vocabulary.by_tag.keys() & names)
        names |= {general for entry in entries for general in entry.implies}
    outside = [
        a_tag(data, name, known, learned)
        for name in data.tags
        if name.lower() not in names and without(data, name) >= WITHOUT
    ]
    return [
        kind for kind in outside if len(kind.clips) >= FEWEST_CLIPS and len({*kind.clips.values()}) >= FEWEST_GROUPS
    ]


def things_outside(data: DataSet, learned: Collection[str]) -> list[Kind]:
    """Return the groups that are in no source that a bundle has learned from; each clip counts as a recording."""
    heard = {clip.group for clip in data.clips if clip.source in learned}
    groups: dict[str, list[Clip]] = {}
    for clip in data.clips:
        if clip.group and clip.group not in heard:
            groups.setdefault(clip.group, []).append(clip)
    return [
        Kind(
            name,
            THING,
            {clip.name: clip.name for clip in clips},
            like=frozenset().union(*(clip.tags for clip in clips)),
        )
        for name, clips in sorted(groups.items())
        if len(clips) >= FEWEST_OF_THING
    ]


def without(data: DataSet, tag: str) -> float:
    """Return the share of the clips that are surely without a tag."""
    return float(np.mean([tag not in clip.tags and tag not in clip.may for clip in data.clips]))


def fewer(clips: Sequence[Clip], kinds: Sequence[Kind], of_source: int) -> list[Clip]:
    """Return all clips of these kinds, and of each source so many that are drawn from all of its clips."""
    wanted: set[str] = set().union(*(kind.clips for kind in kinds))
    taken: Counter[str] = Counter()
    kept = {place for place, clip in enumerate(clips) if clip.name in wanted}
    for place in np.random.default_rng(SEED).permutation(len(clips)).tolist():
        taken[clips[place].source] += 1
        if taken[clips[place].source] <= of_source:
            kept.add(place)
    return [clip for place, clip in enumerate(clips) if place in kept]

"""Several data sets as one: labels mapped onto one vocabulary, licences, folds that hold groups or sources apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.progress import say
from .data import ALWAYS, EVALUATION, OWN_SPLIT, Clip, DataSet
from .deal import FOLDS, folds_of, hashed
from .errors import DataError
from .licences import LICENCES
from .teacher import Teacher, read_teacher
from .vocabulary import Vocabulary, read_vocabulary

GROUPS, SOURCES = "groups", "sources"
# Clips to learn from that a tag of a vocabulary needs.
FEWEST_CLIPS = 5


@dataclass(frozen=True)
class Joining:
    """How data sets become one.

    vocabulary : a vocabulary's name or CSV; without one, tags are those of the sets, and what a set has no clip of
        is unknown there
    licences : which clips are learned from, a name of `LICENCES`; all others are tried on only
    hold_out : what is held apart: groups, in the sets' own folds, or whole sources; then published sets with folds of
        their own are always learned from
    teacher : a file of teacher scores
    learn_only : sources that are never tried on
    fewest : clips to learn from that a tag of the vocabulary needs, else it is left out
    """

    vocabulary: str = ""
    licences: str = "stated"
    hold_out: str = GROUPS
    teacher: Path | None = None
    learn_only: Sequence[str] = ()
    fewest: int = FEWEST_CLIPS


def joined(sets: Sequence[DataSet], how: Joining) -> DataSet:
    """Return data sets as one.

    Raises
    ------
    DataError
        If no clip may be learned from, or a source is named that there is not.
    """
    sets = [licensed(data, how.licences) for data in sets]
    refuse_unknown_sources(sets, how.learn_only)
    vocabulary = read_vocabulary(how.vocabulary) if how.vocabulary else None
    teacher = read_teacher(how.teacher) if how.teacher else None
    if vocabulary:
        sets = [mapped(data, vocabulary, teacher) for data in sets]
    data = sets[0] if len(sets) == 1 else side_by_side(sets)
    data = replace(
        data,
        clips=tuple(replace(clip, fold=ALWAYS) if clip.source in how.learn_only else clip for clip in data.clips),
    )
    # Before tags are left out: folds are the same whatever licences are learned from.
    if how.hold_out == SOURCES:
        data = dealt_by_source(
            data, {*how.learn_only, *(clip.source for one in sets if one.published for clip in one.clips)}
        )
    if vocabulary:
        data = supported(data, vocabulary, how.fewest)
    return replace(data, teacher=teacher)


def licensed(data: DataSet, licences: str) -> DataSet:
    """Return a data set with what may not be learned from marked as such."""
    if data.published:
        allowed = {clip.name for clip in data.clips if licences != "free"}
    else:
        allowed = {clip.name for clip in data.clips if LICENCES[licences](clip)}
    if not allowed:
        raise DataError([f"{data.name}: --licences {licences} leaves nothing to learn from"])
    if kept := len(data.clips) - len(allowed):
        say(f"note: {data.name}: {kept} of {len(data.clips)} clips are tried on only, for their licences ({licences})")
    return replace(data, clips=tuple(replace(clip, learn=clip.name in allowed) for clip in data.clips))


def refuse_unknown_sources(sets: Iterable[DataSet], learn_only: Iterable[str]) -> None:
    """Raise `DataError` for sources that are named and no clip is from."""
    known = {clip.source for data in sets for clip in data.clips}
    problems = [
        f"--learn-only {name}: no clip is from there; there are {', '.join(sorted(known))}"
        for name in sorted(set(learn_only) - known)
    ]
    if problems:
        raise DataError(problems)


def side_by_side(sets: Sequence[DataSet]) -> DataSet:
    """Return the clips of several sets as one set's, in folds that all have; names stay, where they are one clip's."""
    tags = sorted({tag for data in sets for tag in data.tags})
    times = Counter(clip.name for data in sets for clip in data.clips)
    clips = []
    for data in sets:
        elsewhere = frozenset() if data.vocabulary else frozenset(tags) - frozenset(data.tags)
        fold_of = common_folds(data)
        for clip in data.clips:
            name = clip.name if times[clip.name] == 1 else f"{data.name}/{clip.name}"
            learn = clip.learn and not (data.own_split and clip.fold == EVALUATION)
            clips.append(
                replace(
                    clip, name=name, fold=fold_of(clip), learn=learn, may=clip.may | elsewhere, group=group_of(clip)
                )
            )
    return DataSet(
        " + ".join(data.name for data in sets),
        tuple(sorted(clips, key=lambda clip: clip.name)),
        tuple(tags),
        all(data.single_label for data in sets),
        "\n\n".join(f"{data.name}: {data.licence}" for data in sets),
        published=any(data.published for data in sets),
        vocabulary=sets[0].vocabulary,
    )


def group_of(clip: Clip) -> str:
    """Return what tells a clip's group from those of all sources."""
    return f"{clip.source}:{clip.group}" if clip.group else ""


def common_folds(data: DataSet) -> Callable[[Clip], str]:
    """Return what tells the fold of a set's clip among `FOLDS`.

    Of a set with its own split, the training and validation parts are always learned from.
    """
    places = {fold: str(place % FOLDS + 1) for place, fold in enumerate(data.folds)}
    if {*data.folds} == OWN_SPLIT:
        return lambda clip: ALWAYS if clip.fold != EVALUATION else str(hashed(clip.name)[0] % FOLDS + 1)
    return lambda clip: places[clip.fold]


def mapped(data: DataSet, vocabulary: Vocabulary, teacher: Teacher | None) -> DataSet:
    """Return a data set whose clips have tags of a vocabulary, and which tags may sound in each all the same.

    Of a published set with one label a clip, that one was chosen among all that the set has: the others are absent.
    """
    heard, asked = {}, [False] * len(data.clips)
    if teacher:
        scores, there = teacher.of([clip.name for clip in data.clips])
        heard, asked = vocabulary.heard(teacher.labels, scores), there.tolist()
        say(f"note: {data.name}: the teacher was asked about {sum(asked)} of {len(data.clips)} clips")
    whole = data.published and data.single_label
    chosen_among = (
        frozenset(tag for label in data.tags for tag in vocabulary.tags_of([label])) if whole else frozenset()
    )
    clips = []
    for index, clip in enumerate(data.clips):
        tags = vocabulary.tags_of(clip.tags)
        said = {tag: float(values[index]) for tag, values in heard.items()} if asked[index] else None
        clips.append(replace(clip, tags=tags, may=vocabulary.may(clip.tags, tags, said) - chosen_among))
    unmeant = Counter(label for clip in data.clips for label in clip.tags if not vocabulary.means(label))
    if unmeant:
        named = ", ".join(f"{label} ({times})" for label, times in unmeant.most_common())
        say(f"note: {data.name}: labels that mean no tag: {named}")
    tags = tuple(vocabulary.by_tag)
    single = all(len(clip.tags) == 1 for clip in clips)
    return replace(data, clips=tuple(clips), tags=tags, single_label=single, vocabulary=vocabulary)


def supported(data: DataSet, vocabulary: Vocabulary, fewest: int) -> DataSet:
    """Return a data set with those tags of its vocabulary of which there are enough clips to learn from.

    Raises
    ------
    DataError
        If there is none.
    """
    learned = Counter(tag for clip in data.clips if clip.learn for tag in clip.tags)
    kept = tuple(entry.tag for entry in vocabulary.entries if learned[entry.tag] >= fewest)
    if thin := [entry.tag for entry in vocabulary.entries if entry.tag not in kept]:
        say(f"note: left out, with fewer than {fewest} clips to learn from: {', '.join(thin)}")
    if not any(learned[tag] for tag in kept):
        raise DataError([f"{data.name}: its labels mean no tag of {vocabulary.name} {fewest} times or more"])
    return replace(data, clips=tuple(only(clip, kept) for clip in data.clips), tags=kept, vocabulary=vocabulary)


def only(clip: Clip, tags: Collection[str]) -> Clip:
    """Return a clip with these of its tags only."""
    return replace(clip, tags=tuple(tag for tag in clip.tags if tag in tags), may=clip.may.intersection(tags))


def dealt_by_source(data: DataSet, always: Collection[str]) -> DataSet:
    """Return a data set whose folds hold whole sources; some are always learned from.

    Raises
    ------
    DataError
        If fewer than two sources are left to hold out.
    """
    of_source: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in data.clips:
        if clip.source not in always:
            of_source[clip.source].update(clip.tags)
    if len(of_source) < 2:
        raise DataError([f"{data.name}: --hold-out sources needs at least two sources, found {len(of_source)}"])
    folds = folds_of(of_source)
    return replace(data, clips=tuple(replace(clip, fold=folds.get(clip.source, ALWAYS)) for clip in data.clips))

"""Corrections, measured: a replayed day in which a user says of each tag's first false events that they were wrong.

Recordings of none of the tags are a day; a half is marked, as a user would, and all is heard again. What that costs is
the share of clips that still raise their tags. All through the product's own tracker and correction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import numpy as np

from bowstream._ids import event_id
from bowstream.config.settings import Settings
from bowstream.errors import AudioError
from bowstream.events import Event, EventTracker
from bowstream.learn.correct import Corrector
from bowstream.learn.evidence import Evidence, Peaks
from bowstream.model.bundle import Bundle
from bowstream.model.learned import Learned, nothing_learned
from bowstream.scores import Scores
from bowstream.tagger import Tagger

from ..common.parallel import parallel
from ..common.progress import track
from ..dataset.data import DataSet
from ..dataset.negatives import Negative
from .evaluate import loaded

MARKS = 5
# What is marked: the first half of each recording, or every other recording.
TIME, RECORDINGS = "time", "recordings"
DAY = datetime(2027, 1, 15, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Recording:
    """A recording that was heard.

    name : no other has it
    windows : as a tagger returns them, for their codes and levels
    tags : what sounds in it
    may : what may sound in it as well: neither true nor false
    marked : whether its false events are marked
    """

    name: str
    windows: tuple[Scores, ...]
    tags: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    marked: bool = False

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.windows[-1].end_s - self.windows[0].start_s) / 3600.0


@dataclass(frozen=True)
class Corrections:
    """What was measured. Rates are false events per hour, `marked` and `other` recordings; recall is of clips.

    marks, tags : events that were marked, and tags that were corrected
    """

    marks: int
    tags: int
    marked_before: float
    marked_after: float
    other_before: float
    other_after: float
    recall_before: float
    recall_after: float

    def __str__(self) -> str:
        """As Markdown."""
        rows = (
            ("false events per hour, the marked half again", self.marked_before, self.marked_after),
            ("false events per hour, the other half", self.other_before, self.other_after),
            ("recall", self.recall_before, self.recall_after),
        )
        lines = [f"{self.marks} events marked, {self.tags} tags corrected", "", "| | before | after | ratio |"]
        lines += ["| --- | ---: | ---: | ---: |"]
        lines += [f"| {name} | {old:.3g} | {new:.3g} | {new / old if old else 1.0:.2f} |" for name, old, new in rows]
        return "\n".join(lines) + "\n"


def corrections(
    bundle: Path, data: DataSet, negatives: Sequence[Negative], sensitivity: float, apart: str = TIME
) -> Corrections:
    """Return what marking half of the negatives does to a bundle's false events, and to its recall of clips.

    Parameters
    ----------
    apart : how halves are told apart, `TIME` or `RECORDINGS`
    """
    known = set(loaded(str(bundle)).output_names)
    recorded = [each for each in negatives if not each.made]
    clips = [clip for clip in data.clips if known.intersection(clip.tags)]
    work, paths = (
        partial(windows_of, bundle=str(bundle)),
        [*(each.path for each in recorded), *(each.path for each in clips)],
    )
    heard = [*track(parallel(work, paths), len(paths), "corrections")]
    days = [
        part
        for each, windows in zip(recorded, heard)
        for part in parts_of(Recording(each.path.name, windows, may=each.may, marked=each.part % 2 == 0), apart)
    ]
    tried = [
        Recording(clip.name, windows, frozenset(known.intersection(clip.tags)), clip.may)
        for clip, windows in zip(clips, heard[len(recorded) :])
        if windows
    ]
    return measure(loaded(str(bundle)), days, tried, sensitivity)


def parts_of(recording: Recording, apart: str) -> list[Recording]:
    """Return the parts of a recording that are marked and those that are not; none if it cannot be heard."""
    if apart == RECORDINGS:
        return [recording] if recording.windows else []
    middle = len(recording.windows) // 2
    halves = {True: recording.windows[:middle], False: recording.windows[middle:]}
    return [replace(recording, windows=each, marked=marked) for marked, each in halves.items() if each]


def windows_of(path: Path, bundle: str) -> tuple[Scores, ...]:
    """Return a recording's windows; none if it cannot be heard."""
    try:
        return Tagger(loaded(bundle)).tag(path).windows
    except AudioError:
        return ()


def measure(bundle: Bundle, days: Sequence[Recording], clips: Sequence[Recording], sensitivity: float) -> Corrections:
    """Return what marking does: recordings in their order, and a tag is corrected at the end of each."""
    corrector, before = Corrector.of(bundle), nothing_learned(bundle)
    learned, marks = before, Counter[str]()
    for recording in days:
        for evidence in false_events(recording, bundle, learned, sensitivity) if recording.marked else ():
            if marks[evidence.tag] < MARKS:
                marks[evidence.tag] += 1
                learned = corrector.judge(learned, evidence, evidence.tag, right=False).learned
    rates = [
        per_hour([each for each in days if each.marked is marked], bundle, now, sensitivity)
        for marked in (True, False)
        for now in (before, learned)
    ]
    recalls = [recall(clips, bundle, now, sensitivity) for now in (before, learned)]
    return Corrections(marks.total(), len(marks), *rates, *recalls)


def raised(recording: Recording, bundle: Bundle, learned: Learned, sensitivity: float) -> Iterator[Evidence]:
    """Yield what each event of a recording is raised by."""
    taught = learned.applied(bundle)
    logits = bundle.sensitivity.shift(Settings.hop_s, sensitivity)
    head, tags = taught.head.shifted(logits), [tag.shifted(logits) for tag in taught.tags]
    tracker = EventTracker(tags, Settings.hop_s, Settings.hold_s, Settings.confirm_hops)
    peaks = Peaks(learned.bundle)

    def named(event: Event) -> Event:
        return replace(event, id=event_id(DAY + timedelta(seconds=event.onset_s), recording.name, event.tag))

    for window in recording.windows:
        scores = replace(window, array=head(window.codes[np.newaxis])[0])
        peaks.score(scores)
        known = [(event, peaks.event(named(event))) for event in tracker.push(scores)]
        yield from (each for event, each in known if each and event.offset_s is not None)
    for event in tracker.close(recording.windows[-1].end_s):
        if each := peaks.event(named(event)):
            yield each


def false_events(recording: Recording, bundle: Bundle, learned: Learned, sensitivity: float) -> list[Evidence]:
    """Return what false events of a recording are raised by."""
    events = raised(recording, bundle, learned, sensitivity)
    return [each for each in events if each.tag not in recording.may and each.tag not in recording.tags]


def per_hour(days: Sequence[Recording], bundle: Bundle, learned: Learned, sensitivity: float) -> float:
    """Return the false events per hour."""
    count = sum(len(false_events(each, bundle, learned, sensitivity)) for each in days)
    return count / sum(each.hours for each in days)


def recall(clips: Sequence[Recording], bundle: Bundle, learned: Learned, sensitivity: float) -> float:
    """Return the share of clips' tags that raise an event, the mean over tags."""
    found: dict[str, list[bool]] = {}
    for clip in clips:
        events = {each.tag for each in raised(clip, bundle, learned, sensitivity)}
        for tag in clip.tags:
            found.setdefault(tag, []).append(tag in events)
    return float(np.mean([np.mean(each) for each in found.values()]))

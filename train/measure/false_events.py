"""False events: how often a model raises a tag for nothing, against how often for what is there.

The thresholds of all tags are raised together, by so many logits. What is measured are events, through
bowstream's own tracker with its default hop, hold and confirmation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowstream.config.settings import Settings
from bowstream.events import EventTracker
from bowstream.model.front_end import FrontEnd
from bowstream.model.tags import Tag
from bowstream.scores import Scores

from ..dataset.data import DataSet, Float32, Index
from ..dataset.negatives import Negative
from ..model.bundle import TagCalibration
from ..model.calibrate import shifted
from .evaluate import Held
from .trial import Model

Hours = NDArray[np.float64]

OFFSETS = tuple(0.25 * step for step in range(25))  # logits
MOST_PER_HOUR = 1.0
LEAST_SHARE = 0.5
RULE = (
    f"the lowest thresholds with at most {MOST_PER_HOUR:g} false event an hour, over recorded and over made-up sounds "
    f"each, but none that leave less than {LEAST_SHARE:g} of the recall of unraised ones"
)
PROTOCOL = (
    "Each file is heard by a model that did not learn from it; each model's calibration and thresholds come from other "
    "clips than it is tried on. A false event is one on a negative, unless its tag may sound there. Recall is the "
    "share of tags of held-out clips that raise an event there, the mean over models. The rate beside the shipped "
    "thresholds is measured on each file with the thresholds that the rule chooses on all others."
)
NO_CODES = np.empty(0, np.intp)


@dataclass(frozen=True)
class Point:
    """What thresholds raised by `offset` logits give: recall, and the events on each negative, (files,)."""

    offset: float
    recall: float
    events: Float32


def raised(tags: Sequence[Tag], scores: Float32, front_end: FrontEnd) -> list[str]:
    """Return the tag of each event that a stream's scores, float32 [shape=(windows, C)], raise."""
    names, hop_s, window_s = tuple(tag.name for tag in tags), Settings().hop_s, front_end.window_s
    tracker = EventTracker(tags, hop_s, Settings().hold_s, Settings().confirm_hops)
    starts_s = [round(hop_s * place, 1) for place in range(len(scores))]
    windows = (Scores(names, row, at_s, at_s + window_s, NO_CODES) for at_s, row in zip(starts_s, scores))
    changed = [tracker.push(window) for window in windows]
    return [event.tag for events in changed for event in events if event.offset_s is None]


def streams(held: Held, tags: Sequence[TagCalibration]) -> dict[int, Float32]:
    """Return the calibrated scores of each clip or file, (windows, C) by its number."""
    scores = held.calibrated(tags).scores
    return {int(clip): scores[held.clip == clip] for clip in np.unique(held.clip)}


def trade(data: DataSet, front_end: FrontEnd, negatives: Sequence[Negative], models: Sequence[Model]) -> list[Point]:
    """Return what each offset gives: the mean recall of the folds' models, and the events on their own negatives."""
    heard = [(model, streams(model.held, model.tags), streams(model.of_negatives, model.tags)) for model in models]
    points = []
    for offset in OFFSETS:
        recalls, events = [], np.zeros(len(negatives), np.float32)
        for model, of_clips, of_files in heard:
            tags = [Tag(name, at.on, at.off) for name, at in zip(data.tags, shifted(model.tags, offset))]
            for file, scores in of_files.items():
                events[file] = sum(tag not in negatives[file].may for tag in raised(tags, scores, front_end))
            found = [
                tag in names
                for clip, scores in of_clips.items()
                for names in [raised(tags, scores, front_end)]
                for tag in data.clips[clip].tags
            ]
            recalls.append(np.mean(found))
        points.append(Point(offset, float(np.mean(recalls)), events))
    return points


@dataclass(frozen=True)
class Exposure:
    """What was heard of the negatives, each [shape=(files,)]: hours, whether it is made up, and its kind."""

    hours: Hours
    made: Index
    kind: Index

    @classmethod
    def of(cls, front_end: FrontEnd, negatives: Sequence[Negative], models: Sequence[Model]) -> Exposure:
        """Return what models have heard."""
        windows = np.bincount(np.concatenate([model.of_negatives.clip for model in models]), minlength=len(negatives))
        made = np.array([negative.made for negative in negatives])
        return cls(windows * front_end.window_s / 3600, made, np.array([negative.kind for negative in negatives]))

    def kinds(self) -> list[str]:
        """Return the kinds of what was heard."""
        return sorted(set(self.kind[self.hours > 0]))

    def per_hour(self, events: Float32, those: Index) -> float:
        """Return how many events some files have an hour."""
        return round(float(events[those].sum() / self.hours[those].sum()), 2)

    def rates(self, events: Float32) -> dict[str, Any]:
        """Return events an hour of recorded files, of made-up ones and of each kind."""
        return {
            "recorded_per_hour": self.per_hour(events, ~self.made),
            "made_per_hour": self.per_hour(events, self.made),
            "by_kind_per_hour": {name: self.per_hour(events, self.kind == name) for name in self.kinds()},
        }

    def interval(self, count: float) -> list[float]:
        """Return the exact 95 % interval of a Poisson count on recorded files, an hour."""
        from scipy.stats import chi2

        ends = chi2.ppf(0.025, 2 * count) if count else 0.0, chi2.ppf(0.975, 2 * count + 2)
        return [round(float(end / 2 / self.hours[~self.made].sum()), 2) for end in ends]


def choose(points: Sequence[Point], hours: Hours, made: Index, among: Index) -> Point:
    """Return the point that `RULE` picks, looking at some of the files only.

    Parameters
    ----------
    hours : float64 [shape=(files,)]
    made : bool [shape=(files,)], which are made up
    among : the numbers of those that may be looked at
    """
    quiet = [point for point in points if is_quiet(point, hours, made, among)]
    able = [point for point in points if point.recall >= LEAST_SHARE * points[0].recall]
    return min([*quiet[:1], able[-1]], key=lambda point: point.offset)


def is_quiet(point: Point, hours: Hours, made: Index, among: Index) -> bool:
    """Whether a point has at most `MOST_PER_HOUR`, over recorded and over made-up files each."""
    recorded_and_made = among[~made[among]], among[made[among]]
    return all(point.events[those].sum() <= MOST_PER_HOUR * hours[those].sum() for those in recorded_and_made)


def false_events(
    data: DataSet, front_end: FrontEnd, negatives: Sequence[Negative], models: Sequence[Model]
) -> dict[str, Any]:
    """Return the trade of false events against recall, the thresholds to ship, and what they cost."""
    points, heard = trade(data, front_end, negatives, models), Exposure.of(front_end, negatives, models)
    hours, made, files = heard.hours, heard.made, np.flatnonzero(heard.hours)
    chosen = {int(file): choose(points, hours, made, files[files != file]) for file in files}
    events = np.array([chosen[file].events[file] if file in chosen else 0.0 for file in range(len(negatives))])
    shipped, count = choose(points, hours, made, files), float(events[~made].sum())
    return {
        "protocol": PROTOCOL,
        "rule": RULE,
        "files": len(files),
        "hours": {"recorded": round(float(hours[~made].sum()), 3), "made": round(float(hours[made].sum()), 3)},
        "hours_by_kind": {name: round(float(hours[heard.kind == name].sum()), 3) for name in heard.kinds()},
        "full_recall": round(points[0].recall, 4),
        "shipped": {
            "offset": shipped.offset,
            "recall": round(shipped.recall, 4),
            "quiet": is_quiet(shipped, hours, made, files),
            "recorded_events": int(count),
            "recorded_interval_95": heard.interval(count),
            **heard.rates(events),
        },
        "curve": [{"offset": p.offset, "recall": round(p.recall, 4), **heard.rates(p.events)} for p in points],
    }

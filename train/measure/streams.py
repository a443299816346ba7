"""Streams: what bundles and another tagger say of scenes, and the events that it makes at any threshold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowstream._types import FORMAT
from bowstream.config.settings import Settings
from bowstream.events import Event, EventTracker
from bowstream.model.front_end import FrontEnd
from bowstream.model.log_mel import LogMel
from bowstream.model.onset import levels_of
from bowstream.model.tags import Tag
from bowstream.scores import Scores
from bowstream.tagger import Tagger

from ..common.parallel import parallel
from ..common.progress import track
from ..dataset.data import Float32
from ..dataset.scenes import Placed, Scene
from ..dataset.vocabulary import Vocabulary
from .evaluate import loaded
from .waveform import WaveformTagger

WINDOW_S = FrontEnd().window_s
NO_CODES = np.empty((0, 0), np.intp)
# All thresholds, once scores are scaled so that 0.5 is raised.
ON, OFF = 0.5, 0.25
# An event is of a sound that it overlaps, or that began so shortly before it.
PATIENCE_S = 1.0


@dataclass(frozen=True)
class Heard:
    """A scene without its samples, and what a tagger says of it.

    logits : float32 [shape=(windows, C)]
    levels : float32 [shape=(columns, bands)], of the scene's columns, for onsets
    hop_s : seconds between two windows
    usual : what tags usually score, as logits, float32 [shape=(C,)]; None if they are to have no floor
    """

    scene: Scene
    logits: Float32
    levels: Float32
    hop_s: float
    usual: Float32 | None = None

    def scaled(self, slopes: Float32, biases: Float32) -> Heard:
        """Return the same with calibrated logits; what is usual for them is to be found out."""
        return replace(self, logits=(slopes * self.logits + biases).astype(np.float32), usual=None)

    def events(self, tags: Sequence[str], shift: float | Float32 = 0.0, onsets: bool = True) -> list[Event]:
        """Return the events that bowstream's tracker makes of the scores, with logits shifted.

        What may sound in the scene without being placed raises none.

        Parameters
        ----------
        onsets : whether they are searched for in the levels; without, events begin with the hop that raised them
        """
        levels = self.levels if onsets else self.levels[:0]
        kept = [index for index, tag in enumerate(tags) if tag not in self.scene.may]
        usual = [None] * len(tags) if self.usual is None else (self.usual + shift).tolist()
        tracked = [Tag(tags[index], ON, OFF, usual=usual[index]) for index in kept]
        tracker = EventTracker(tracked, self.hop_s, Settings().hold_s)
        scores = sigmoid(self.logits + shift)[:, kept]
        names, hop = tuple(tags[index] for index in kept), round(self.hop_s / COLUMN_S)
        found, begin = [], 0
        for number, row in enumerate(scores):
            end = round(WINDOW_S / COLUMN_S) + number * hop
            end_s = end * COLUMN_S
            window = Scores(names, row, end_s - WINDOW_S, end_s, NO_CODES, levels=levels[begin:end])
            found += tracker.push(window)
            begin = end
        found += tracker.close(self.scene.duration_s)
        return [event for event in found if event.offset_s is not None]


COLUMN_S = FORMAT.column_length / FORMAT.sample_rate


def sigmoid(logits: Float32) -> Float32:
    """Return scores, 0 … 1."""
    return np.asarray(1.0 / (1.0 + np.exp(-logits)), np.float32)


def logit(scores: NDArray[np.float32]) -> Float32:
    """Return the inverse of `sigmoid`; scores of 0 and 1 are a little less sure."""
    clipped = np.clip(scores.astype(np.float64), 1e-7, 1.0 - 1e-7)
    return np.log(clipped / (1.0 - clipped)).astype(np.float32)


def usual_of(heard: Sequence[Heard], tags: Sequence[str]) -> Float32:
    """Return what tags usually score, as logits, float32 [shape=(C,)]: the median over scenes without it unnamed."""
    usual = np.empty(len(tags), np.float32)
    for place, tag in enumerate(tags):
        without = [one for one in heard if tag not in one.scene.may] or heard
        usual[place] = np.median(np.concatenate([one.logits[:, place] for one in without]))
    return usual


def with_usual(heard: Sequence[Heard], usual: Float32) -> list[Heard]:
    """Return the same with what tags usually score, (C,)."""
    return [replace(one, usual=usual) for one in heard]


def hear(scenes: Iterable[Scene], work: Callable[[Scene], Heard], count: int) -> list[Heard]:
    """Return what is said of scenes, worked out on all cores."""
    return list(track(parallel(work, list(scenes)), count, "streams"))


def by_bundle(bundle: Path, hop_s: float, scene: Scene) -> Heard:
    """Return what a bundle says of a scene: its scores as logits."""
    tagger = Tagger(loaded(str(bundle)), hop_s)
    windows = tagger.tag(scene.samples).windows
    return told(scene, logit(np.stack([window.array for window in windows])), hop_s)


def by_other(other: WaveformTagger, vocabulary: Vocabulary, tags: tuple[str, ...], hop_s: float, scene: Scene) -> Heard:
    """Return what another tagger says of a scene, at the ends of bowstream's windows; unknown tags score 0."""
    lead = round(WINDOW_S * FORMAT.sample_rate) - other.window_length
    if lead < 0:
        raise ValueError(f"its window must be at most {WINDOW_S:g} s (got {other.window_length} samples)")
    scores = other.scores(scene.samples[lead:], round(hop_s * FORMAT.sample_rate))
    heard = vocabulary.heard(other.labels, scores, near=False)
    columns = [heard.get(tag, np.zeros(len(scores), np.float32)) for tag in tags]
    return told(scene, logit(np.stack(columns, axis=1)), hop_s)


def told(scene: Scene, logits: Float32, hop_s: float) -> Heard:
    """Return what was said with what the tracker needs of the scene."""
    front_end = FrontEnd()
    whole = len(scene.samples) // FORMAT.column_length * FORMAT.column_length
    levels = levels_of(LogMel(front_end).push(scene.samples[:whole]), front_end)
    return Heard(without_samples(scene), logits, levels, hop_s)


def without_samples(scene: Scene) -> Scene:
    """Return a scene without its samples, which take much memory."""
    return replace(scene, samples=np.empty(0, np.float32))


def matched(events: Sequence[Event], placed: Sequence[Placed]) -> tuple[list[Event], list[tuple[str, bool]]]:
    """Return the events that are of nothing placed, and each placed tag with whether an event is of it.

    An event of a tag that may sound in a placed clip without being named is neither.
    """
    false = [event for event in events if not any(is_of(event, one, {*one.tags, *one.may}) for one in placed)]
    found = [(tag, any(is_of(event, one, {tag}) for event in events)) for one in placed for tag in one.tags]
    return false, found


def is_of(event: Event, placed: Placed, tags: Collection[str]) -> bool:
    """Whether an event is of one of these tags of a placed sound."""
    assert event.offset_s is not None
    return (
        event.tag in tags
        and event.onset_s < placed.offset_s + PATIENCE_S
        and event.offset_s > placed.onset_s - PATIENCE_S / 2
    )

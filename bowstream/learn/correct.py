"""From verdicts on events to a correction of their tag: sounds like the wrong ones have to be surer from now on.

The direction is found as in `fit`: to the wrong events, from halfway between everyday sound and what the tag is right
about. What lies further along it than most everyday sound, and than most right events, is lowered, the more the
further: a wrong event by what takes it below its threshold. More wrong events than are put up with raise the threshold
itself, but not above most right events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from bowstream._ids import onset_of
from bowstream._types import Float32
from bowstream.config.settings import Settings
from bowstream.errors import BowstreamError, UsageError
from bowstream.learn import store
from bowstream.learn.evidence import Evidence
from bowstream.learn.fit import Background
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.model.head import features_of, scores_of
from bowstream.model.learned import Correction, Hidden, Learned, Row, Verdict, nothing_learned

# Share of everyday sound, and of the right events, that is let alone.
LET_ALONE, RIGHT = 0.9, 0.9
# How far below its threshold a wrong event is to come, as a logit; the highest sensitivity raises logits by 2.
MARGIN = 3.0
# How far a wrong event that is not put up with raises its tag's threshold, as a logit: a tenth of the sensitivity.
STEP = 0.4
# Verdicts on a tag that are kept, the newest.
MOST_VERDICTS = 100


@dataclass(frozen=True)
class Corrected:
    """What came of a verdict.

    learned : now, in all
    correction : of the tag, or None if nothing is left of it
    before, after : the score of the window that raised the event, at the usual sensitivity
    """

    learned: Learned
    name: str
    correction: Correction | None
    before: float
    after: float

    def __str__(self) -> str:
        """In a line."""
        right, wrong = self.correction.counts if self.correction else (0, 0)
        said = f"{self.name}: {wrong} wrong, {right} right"
        return f"{said}; the sound of this event scored {self.before:.2f}, and scores {self.after:.2f} now"


class Corrector:
    """Learns from verdicts, beside a bundle.

    Parameters
    ----------
    bundle : as it was loaded, without what was learned
    background : everyday sound
    false_per_day : wrong events of a tag that are acceptable
    """

    def __init__(self, bundle: Bundle, background: Background, false_per_day: float = Settings.false_per_day) -> None:
        self.bundle, self.background, self.false_per_day = bundle, background, false_per_day

    @classmethod
    def of(cls, bundle: Bundle, room: Sequence[Codes] = (), false_per_day: float = Settings.false_per_day) -> Corrector:
        """Return one with the bundle's own everyday sound, and the room's; raise `BundleError` if it has none."""
        return cls(bundle, Background.of(bundle, room), false_per_day)

    def judge(self, learned: Learned, evidence: Evidence, name: str, right: bool | None) -> Corrected:
        """Return what is learned from a verdict on an event, beside what was learned before.

        Parameters
        ----------
        evidence : of the event
        name : of its tag, as the bundle or the file of what was taught has it
        right : whether it was what it was taken for; None takes back what was said

        Raises
        ------
        BowstreamError
            If the event was heard with another bundle, or there is no such tag.
        """
        if evidence.bundle != self.bundle.description["sha256"]:
            raise BowstreamError(f"{evidence.event} was heard with another bundle: nothing can be learned from it")
        if name not in names_of(self.bundle, learned):
            raise BowstreamError(f"{name!r} is not a tag any more: nothing can be learned from it")
        hidden = self.bundle.head.hidden(evidence.codes[np.newaxis])
        old = learned.correction(name)
        verdicts = [each for each in old.verdicts if each.event != evidence.event] if old else []
        if right is not None:
            verdicts.append(Verdict(evidence.event, right, hidden[0]))
        new = self.correction(learned, name, verdicts[-MOST_VERDICTS:])
        logits = logits_of(self.bundle, learned, name, hidden)
        lowered = [each.lowers(features_of(hidden)) if each else np.float32(0.0) for each in (old, new)]
        before, after = (float(scores_of(logits - by)[0]) for by in lowered)
        rest = learned.without_correction(name)
        return Corrected(rest.with_correction(new) if new else rest, name, new, before, after)

    def again(self, learned: Learned, name: str) -> Learned:
        """Return what was learned with a tag's correction made again: the tag has learned more, perhaps."""
        old = learned.correction(name)
        new = self.correction(learned, name, old.verdicts) if old else None
        return learned.with_correction(new) if new else learned

    def correction(self, learned: Learned, name: str, verdicts: Sequence[Verdict]) -> Correction | None:
        """Return a tag's correction by these verdicts; None if there is no verdict."""
        if not verdicts:
            return None
        wrong = np.array([each.hidden for each in verdicts if not each.right], np.int8)
        if not len(wrong):
            return Correction(name, tuple(verdicts), Row(np.zeros(self.bundle.head.n_hidden, np.float32), 0.0))
        right = np.array([each.hidden for each in verdicts if each.right], np.int8).reshape(-1, wrong.shape[1])
        on = threshold_of(self.bundle, learned, name)
        above = logits_of(self.bundle, learned, name, wrong) - on
        told = np.concatenate([features_of(right), *examples_of(learned, name)])
        likely = told if name in learned.names else np.concatenate([told, self.raising(name, on)])
        plain = Correction(name, tuple(verdicts), self.row(features_of(wrong), above, told, likely))
        raised = STEP * too_many(verdicts, self.false_per_day)
        if len(right):
            left = logits_of(self.bundle, learned, name, right) - plain.lowers(features_of(right)) - on
            raised = min(raised, max(0.0, float(np.quantile(left, 1.0 - RIGHT))))
        return replace(plain, raised=raised)

    def raising(self, name: str, on: float) -> Float32:
        """Return the features of everyday sound that raises a tag of the bundle, most likely rightly."""
        raising = self.everyday_logits[:, names_of(self.bundle, nothing_learned(self.bundle)).index(name)] >= on
        raised: Float32 = self.background.features[: len(raising)][raising]
        return raised

    @cached_property
    def everyday_logits(self) -> Float32:
        """The logits of the bundle's everyday sound, float32 [shape=(n, outputs)]."""
        assert self.background.hidden is not None
        return self.bundle.head.logits_of(self.background.hidden)

    def row(self, wrong: Float32, above: Float32, told: Float32, likely: Float32) -> Row:
        """Return what lowers the logits of wrong events.

        Parameters
        ----------
        wrong : float32 [shape=(n, F)], features of wrong events
        above : float32 [shape=(n,)], how far their logits are above the threshold
        told : of what is right for sure: right events, and a learned tag's examples
        likely : of all that is most likely right
        """
        middle = (self.background.mean + likely.mean(axis=0)) / 2.0 if len(likely) else self.background.mean
        direction = self.background.direction(wrong.mean(axis=0) - middle, len(wrong))
        everyday = self.background.features @ direction
        let_alone = float(np.quantile(everyday, LET_ALONE))
        if len(told):
            let_alone = max(let_alone, float(np.quantile(told @ direction, RIGHT)))
        room = max(float(np.median(wrong @ direction)) - let_alone, 0.5 * float(everyday.std()), 1e-6)
        steepness = (max(float(above.max()), 0.0) + MARGIN) / room
        return Row((direction * steepness).astype(np.float32), -let_alone * steepness)


def correct(path: Path, corrector: Corrector, evidence: Evidence, name: str, right: bool | None) -> Corrected:
    """Learn from a verdict, in the file of what was taught; `Corrector.judge` and `store` say what it raises."""
    with store.alone(path):
        corrected = corrector.judge(store.read(path, corrector.bundle), evidence, name, right)
        store.write(path, corrected.learned)
    return corrected


def names_of(bundle: Bundle, learned: Learned) -> list[str]:
    """Return the names of a bundle's tags as they were loaded, then of the learned ones."""
    return [*bundle.output_names, *learned.names]


def examples_of(learned: Learned, name: str) -> list[Float32]:
    """Return the features of what a tag was learned from; none of a bundle's tag."""
    return [features_of(one.hidden) for tag in learned.tags if tag.name == name for one in tag.examples]


def logits_of(bundle: Bundle, learned: Learned, name: str, hidden: Hidden) -> Float32:
    """Return a tag's logits as they are without a correction, float32 [shape=(n,)]."""
    for tag in learned.tags:
        if tag.name == name:
            return tag.row(features_of(hidden))
    logits: Float32 = bundle.head.logits_of(hidden)[:, names_of(bundle, learned).index(name)]
    return logits


def threshold_of(bundle: Bundle, learned: Learned, name: str) -> float:
    """Return the logit at which a tag is raised."""
    tags = [*bundle.tags, *(each.tag for each in learned.tags)]
    # What does not ship is never raised, nor is 1, unless the user lowers it.
    on = np.clip(next((tag.on for tag in tags if tag.name == name), 1.0), 0.0001, 0.9999)
    return float(np.log(on / (1.0 - on)))


def too_many(verdicts: Sequence[Verdict], per_day: float) -> float:
    """Return how many wrong events there are beyond those that are put up with.

    It is a cumulative sum that begins at `-per_day` and never falls below: a wrong event adds 1, a right one takes 1
    away, and a day takes `per_day`. So it is above 0 where wrong events have come more often for a while.
    """
    above, before = -per_day, None
    for each in sorted(verdicts, key=lambda verdict: verdict.event):
        onset = onset_of(each.event)
        days = (onset - before) / timedelta(days=1) if before else 0.0
        above = max(above - per_day * days, -per_day)
        above = max(above + (-1.0 if each.right else 1.0), -per_day)
        before = onset
    return max(above, 0.0)


def without_correction(learned: Learned, name: str) -> Learned:
    """Return what was learned without a tag's correction; raise `UsageError` if there is none."""
    corrected = [each.name for each in learned.corrections]
    if name not in corrected:
        raise UsageError(f"nothing was corrected of {name!r} (what was: {', '.join(corrected) or 'nothing yet'})")
    return learned.without_correction(name)

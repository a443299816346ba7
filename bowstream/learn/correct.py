"""From verdicts on events to a correction of their tag: sounds like the wrong ones have to be surer from now on.

The direction is that of `fit`: from everyday sound to the wrong events. What lies further along it than most everyday
sound, and than most right events, is lowered, the more the further: a wrong event by what takes it below its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bowstream._types import Float32
from bowstream.errors import BowstreamError
from bowstream.learn import store
from bowstream.learn.evidence import Evidence
from bowstream.learn.fit import Background
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.model.head import features_of, scores_of
from bowstream.model.learned import Correction, Learned, Row, Verdict

# Share of everyday sound, and of the right events, that is let alone.
LET_ALONE, RIGHT = 0.9, 0.9
# How far below its threshold a wrong event is to come, as a logit.
MARGIN = 3.0
# Verdicts on a tag that are kept, the newest.
MOST_VERDICTS = 100


class Corrected:
    """What came of a verdict: what was learned, now in all, and the event's score before and after."""

    def __init__(self, bundle: Bundle, before: Learned, after: Learned, name: str, verdict: Verdict) -> None:
        self.learned, self.name = after, name
        self.before, self.after = (score_of(bundle, each, name, verdict) for each in (before, after))
        self.right = sum(each.right for each in after.verdicts_on(name))
        self.wrong = len(after.verdicts_on(name)) - self.right

    def __str__(self) -> str:
        """In a line."""
        said = f"{self.name}: {self.wrong} wrong, {self.right} right"
        return f"{said}; what raised this event scored {self.before:.2f}, and scores {self.after:.2f} now"


class Corrector:
    """Learns from verdicts, beside a bundle.

    Parameters
    ----------
    bundle : as it was loaded, without what was learned
    background : everyday sound
    """

    def __init__(self, bundle: Bundle, background: Background) -> None:
        self.bundle, self.background = bundle, background

    @classmethod
    def of(cls, bundle: Bundle, room: Sequence[Codes] = ()) -> Corrector:
        """Return one with the bundle's own everyday sound, and the room's; raise `BundleError` if it has none."""
        return cls(bundle, Background.of(bundle, room))

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
            raise BowstreamError(f"{name!r} is no tag any more: nothing can be learned of it")
        hidden = self.bundle.head.hidden(evidence.codes[np.newaxis])[0]
        verdict = Verdict(evidence.event, bool(right), hidden)
        verdicts = tuple(each for each in learned.verdicts_on(name) if each.event != evidence.event)
        if right is not None:
            verdicts = (*verdicts, verdict)[-MOST_VERDICTS:]
        return Corrected(self.bundle, learned, self.with_verdicts(learned, name, verdicts), name, verdict)

    def with_verdicts(self, learned: Learned, name: str, verdicts: tuple[Verdict, ...]) -> Learned:
        """Return what was learned with a tag's correction made anew, of these verdicts."""
        rest = learned.without_correction(name)
        if not verdicts:
            return rest
        right = [features_of(each.hidden[np.newaxis]) for each in verdicts if each.right]
        right += [features_of(one.hidden) for tag in learned.tags if tag.name == name for one in tag.examples]
        wrong = np.array([each.hidden for each in verdicts if not each.right], np.int8)
        row = Row(np.zeros(self.bundle.head.n_hidden, np.float32), 0.0)
        if len(wrong):
            row = self.row(features_of(wrong), excess(self.bundle, rest, name, wrong), right)
        return rest.with_correction(Correction(name, verdicts, row))

    def row(self, wrong: Float32, excess: Float32, right: list[Float32]) -> Row:
        """Return what lowers the logits of wrong events.

        Parameters
        ----------
        wrong : float32 [shape=(n, F)], features of wrong events
        excess : float32 [shape=(n,)], how far their logits are above the threshold
        right : features of right events, and of a learned tag's examples
        """
        direction = self.background.direction(wrong.mean(axis=0))
        everyday = self.background.features @ direction
        let_alone = float(np.quantile(everyday, LET_ALONE))
        if right:
            let_alone = max(let_alone, float(np.quantile(np.concatenate(right) @ direction, RIGHT)))
        room = max(float(np.median(wrong @ direction)) - let_alone, 0.5 * float(everyday.std()), 1e-6)
        steepness = (max(float(excess.max()), 0.0) + MARGIN) / room
        return Row((direction * steepness).astype(np.float32), -let_alone * steepness)

    def again(self, learned: Learned, name: str) -> Learned:
        """Return what was learned with a tag's correction made anew: the tag has learned more, perhaps."""
        return self.with_verdicts(learned, name, learned.verdicts_on(name))


def correct(path: Path, corrector: Corrector, evidence: Evidence, name: str, right: bool | None) -> Corrected:
    """Learn from a verdict, in the file of what was taught; `Corrector.judge` and `store` say what it raises."""
    with store.alone(path):
        corrected = corrector.judge(store.read(path, corrector.bundle), evidence, name, right)
        store.write(path, corrected.learned)
    return corrected


def names_of(bundle: Bundle, learned: Learned) -> list[str]:
    """Return the names of a bundle's tags as they were loaded, then of the learned ones."""
    return [*(tag["name"] for tag in bundle.description["tags"]), *learned.names]


def excess(bundle: Bundle, learned: Learned, name: str, hidden: np.ndarray) -> Float32:
    """Return how far a tag's logits are above its threshold, float32 [shape=(n,)]."""
    taught, place = learned.applied(bundle), names_of(bundle, learned).index(name)
    # What does not ship is never raised, nor is 1, unless the user lowers it.
    on = min(np.float32(next((tag.on for tag in taught.tags if tag.name == name), 1.0)), np.float32(0.9999))
    above: Float32 = taught.head.logits_of(hidden)[:, place] - np.log(on / (1.0 - on))
    return above


def score_of(bundle: Bundle, learned: Learned, name: str, verdict: Verdict) -> float:
    """Return the score of the window that raised an event."""
    logits = learned.applied(bundle).head.logits_of(verdict.hidden[np.newaxis])
    return float(scores_of(logits)[0, names_of(bundle, learned).index(name)])


def without_correction(learned: Learned, name: str) -> Learned:
    """Return what was learned without a tag's correction; raise `BowstreamError` if there is none."""
    corrected = [each.name for each in learned.corrections]
    if name not in corrected:
        raise BowstreamError(f"nothing was corrected of {name!r} (what was: {', '.join(corrected) or 'nothing yet'})")
    return learned.without_correction(name)

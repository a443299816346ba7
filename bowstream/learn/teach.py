"""Teaching: recordings of a sound in, a tag out, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from bowstream._text import UNPRINTABLE
from bowstream._types import Float32
from bowstream.config.settings import Settings
from bowstream.errors import UsageError
from bowstream.learn.correct import Corrector
from bowstream.learn.fit import OFF, ON, Background
from bowstream.learn.sound import Cut, variations
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.model.head import features_of, scores_of
from bowstream.model.learned import MOST_TAGS, Example, Hidden, Learned, LearnedTag
from bowstream.model.learned_file import LONGEST_NAME
from bowstream.model.tags import Tag
from bowstream.tagger import Tagger

# Windows of examples begin so far apart: the sound is anywhere in a window when it is heard.
HOP_S = 0.5
MOST_EXAMPLES = 100
# So many examples are enough, by the measurements of `train fewshot`.
ENOUGH = 5
# Another tag is mistaken for it if it rises in so many of its windows.
MISTAKEN_SHARE = 0.3
SEED = 20


@dataclass(frozen=True)
class Lesson:
    """What came of teaching a tag: what was learned, now in all, and the tag that is new or knows more."""

    learned: Learned
    tag: LearnedTag

    def __str__(self) -> str:
        """In a line or two, honestly."""
        tag, examples = self.tag, len(self.tag.examples)
        said = []
        if tag.tries:
            said.append(f"told apart from background sound in {tag.told} of {tag.tries} tries")
        else:
            said.append("learned from one example, so it was not tested")
        if tag.mistaken_for:
            said.append(f"may be mistaken for {' or '.join(tag.mistaken_for)}")
        if examples < ENOUGH or tag.told < 0.8 * tag.tries:
            more = max(ENOUGH - examples, 3 if tag.told < 0.8 * tag.tries else 0)
            said.append(f"{more} more example{'s' * (more > 1)} would help")
        return "; ".join(said)


class Teacher:
    """Teaches tags beside a bundle's.

    Parameters
    ----------
    bundle : as it was loaded, without what was taught before
    room : windows of the user's room, int [shape=(context, P)] each
    false_per_day : wrong events of a tag that are acceptable
    """

    def __init__(
        self, bundle: Bundle, room: Sequence[Codes] = (), false_per_day: float = Settings.false_per_day
    ) -> None:
        self.bundle = bundle
        self.background = Background.of(bundle, room)
        # A tag that knows more needs another correction.
        self.corrector = Corrector(bundle, self.background, false_per_day)

    def check_name(self, name: str, learned: Learned, more: bool) -> None:
        """Raise `UsageError` if a name cannot be a new tag's, or, if it is to know more, is none that was taught."""
        groups = {tag.get("group", "") for tag in self.bundle.description["tags"]}
        if not name.strip() or len(name) > LONGEST_NAME:
            raise UsageError(f"a name must have 1 … {LONGEST_NAME} characters (got {len(name)})")
        if UNPRINTABLE.search(name):
            raise UsageError(f"a name must be without control characters (got {name!r})")
        if name in self.bundle.output_names or name in groups:
            raise UsageError(f"the bundle has a tag or group {name!r}: choose another name")
        if name in learned.names and not more:
            raise UsageError(f"{name!r} was taught already: --more adds examples to it, 'bowstream forget' removes it")
        if more and name not in learned.names:
            raise UsageError(f"there is no taught sound {name!r} yet to add to")
        if len(learned.names) >= MOST_TAGS and not more:
            raise UsageError(f"at most {MOST_TAGS} tags can be taught: forget one first")

    def teach(self, learned: Learned, name: str, cuts: Sequence[Cut], keep: bool = False) -> Lesson:
        """Return what is learned with these examples of a sound, beside what was learned before.

        Parameters
        ----------
        learned : so far
        name : of the tag, new, or one that was taught and learns more
        cuts : the examples
        keep : whether their sound is kept, to learn it again with another bundle

        Raises
        ------
        UsageError
            If the tag would have too many examples.
        """
        before = next((each.examples for each in learned.tags if each.name == name), ())
        if len(before) + len(cuts) > MOST_EXAMPLES:
            raise UsageError(f"a tag must have at most {MOST_EXAMPLES} examples (got {len(before) + len(cuts)})")
        examples = (*before, *(self.example(cut, keep) for cut in cuts))
        features = [features_of(example.hidden) for example in examples]
        row = self.background.fit(features)
        tag = LearnedTag(
            Tag(name, ON, OFF, usual=round(self.background.usual(row), 2)),
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
            examples,
            row,
            len(examples) if len(examples) > 1 else 0,
            self.background.told(features),
            self.mistaken_for(np.concatenate([example.hidden for example in examples])),
        )
        return Lesson(self.corrector.again(learned.with_tag(tag), name), tag)

    def again(self, old: Learned) -> tuple[Learned, tuple[str, ...]]:
        """Return what is learned from the sound that was kept of examples, and the tags of which none was kept.

        Parameters
        ----------
        old : what was learned, with another bundle perhaps
        """
        learned, lost = Learned(self.bundle.description["sha256"]), []
        for tag in old.tags:
            cuts = [kept for example in tag.examples if (kept := kept_of(example))]
            if not cuts:
                lost.append(tag.name)
                continue
            self.check_name(tag.name, learned, more=False)
            learned = self.teach(learned, tag.name, cuts, keep=True).learned
        return learned, tuple(lost)

    def example(self, cut: Cut, keep: bool) -> Example:
        """Return what is learned from, of a sound."""
        samples = as_integers(cut.samples) if keep else np.empty(0, np.int16)
        length_s = round(cut.last_s - cut.first_s, 3)
        return Example(cut.name, round(cut.start_s, 3), length_s, self.hidden(cut), samples, cut.first_s)

    def hidden(self, cut: Cut) -> Hidden:
        """Return what the head's first layer makes of an example and its variations, int8 [shape=(n, H)]."""
        rng = np.random.default_rng(SEED)
        tagger = Tagger(self.bundle, HOP_S)
        codes: list[Codes] = []
        for samples, speed in variations(cut.samples, rng):
            first_s, last_s = cut.first_s / speed, cut.last_s / speed
            windows = tagger.tag(samples).windows
            inside = [each for each in windows if each.end_s > first_s + HOP_S and each.start_s < last_s - HOP_S]
            codes += [each.codes for each in inside or windows[:1]]
        return self.bundle.head.hidden(np.stack(codes))

    def mistaken_for(self, hidden: Hidden) -> tuple[str, ...]:
        """Return the bundle's tags that rise in many of these windows, the surest first, two at the most."""
        scores = scores_of(self.bundle.head.logits_of(hidden))
        on = np.array([tag["on"] for tag in self.bundle.description["tags"]], np.float32)
        shares = (scores >= on).mean(axis=0)
        surest = [int(place) for place in np.argsort(-shares)[:2] if shares[place] >= MISTAKEN_SHARE]
        return tuple(self.bundle.output_names[place] for place in surest)


def kept_of(example: Example) -> Cut | None:
    """Return the sound that was kept of an example; None if none was."""
    if not len(example.samples):
        return None
    samples = (example.samples / np.float32(32767.0)).astype(np.float32)
    last_s = example.inside_s + example.length_s
    return Cut(example.name, example.start_s, samples, example.inside_s, last_s)


def as_integers(samples: Float32) -> NDArray[np.int16]:
    """Return samples as 16-bit integers."""
    integers: NDArray[np.int16] = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    return integers


def without(learned: Learned, name: str) -> Learned:
    """Return what was learned without a tag; raise `UsageError` if there is none of this name."""
    if name not in learned.names:
        known = ", ".join(learned.names) or "nothing yet"
        raise UsageError(f"{name!r} was not taught (what was: {known})")
    return learned.without_tag(name)

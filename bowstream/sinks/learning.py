"""What a listener learns while it listens: it keeps what events were raised by, and learns from verdicts on them.

A worker beside the sinks, so that the loop never waits for it. The file of what was taught changes as it does when a
command changes it; the loop finds that out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bowstream.audio.source import Notice
from bowstream.config.settings import Settings
from bowstream.errors import BowstreamError, BundleError
from bowstream.events import Event
from bowstream.learn import store
from bowstream.learn.correct import Corrector, correct
from bowstream.learn.evidence import Evidence, Peaks, find, keep
from bowstream.learn.newest import Newest
from bowstream.learn.room import Room, read_room, write_room
from bowstream.learn.sound import Cut
from bowstream.learn.teach import Teacher
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.records import Gap, Record, Sound, StreamInfo
from bowstream.scores import Scores
from bowstream.sinks.files import make_folder
from bowstream.sinks.worker import RetryableError, Sink
from bowstream.tagger import load_bundle

# How often what the room sounds like is written.
ROOM_EVERY_S = 900.0
# Events that are known without the file.
KNOWN = 200


@dataclass(frozen=True)
class Places:
    """Where what is learned comes from and goes to, and how it is learned.

    bundle : folder of the bundle; None for the one that is shipped
    learned : file of what was taught
    evidence : file of what events were raised by; None to keep that in memory only
    room : file of what the room sounds like; None to keep none
    keep_examples : whether the sound of what is taught is kept in its file
    false_per_day : wrong events of a tag that are acceptable
    """

    bundle: Path | None
    learned: Path
    evidence: Path | None
    room: Path | None = None
    keep_examples: bool = Settings.keep_examples
    false_per_day: float = Settings.false_per_day


@dataclass(frozen=True)
class Judged:
    """A verdict on the event with this id: `right`, `wrong`, or None to take it back."""

    event: str
    verdict: str | None


@dataclass(frozen=True)
class Taught:
    """An example of a sound, and its name: of a new tag, or of one that learns more."""

    name: str
    example: Cut


Item: TypeAlias = "Evidence | Judged | Room | Taught"


class Learning(Sink[Item]):
    """Learns beside a session.

    Parameters
    ----------
    places : of files
    streams : describe what is heard
    bundle : of the sessions
    own_name : returns the name of a tag in the bundle, for its name in all output

    Attributes
    ----------
    newest : the newest seconds of sound of each source, by its name
    """

    takes_sound = True

    def __init__(
        self, places: Places, streams: Sequence[StreamInfo], bundle: Bundle, own_name: Callable[[str], str]
    ) -> None:
        super().__init__("learning")
        self.newest = {info.key: Newest(info.sample_rate) for info in streams}
        self._places, self._own_name = places, own_name
        self._bundle = bundle.description["sha256"]
        self._peaks: dict[str, Peaks] = {}  # by source
        self._room = self._begin_room(bundle)
        self._room_due_s = ROOM_EVERY_S
        self._known: dict[str, Evidence] = {}  # of the newest events, for the worker's thread

    def _begin_room(self, bundle: Bundle) -> Room | None:
        """Go on with what the room sounds like; None if that is not wanted."""
        if not self._places.room:
            return None
        try:
            return read_room(self._places.room, bundle)
        except BundleError as error:
            self.warn(f"{error}; a new one is begun")
            return Room(bundle.description["sha256"])

    def flush(self) -> Iterator[Room]:
        """Return what the room sounds like, when the session ends."""
        if self._room and self._room.codes:
            yield self._room.snapshot()

    def convert(self, record: Record) -> Iterator[Item]:
        """Return what an event is raised by, when it opens and when it ends; keep the newest sound."""
        if isinstance(record, Scores):
            self._peaks.setdefault(record.source, Peaks(self._bundle)).score(record)
            yield from self._draw(record)
        elif isinstance(record, Event):
            peaks = self._peaks.get(record.source)
            if peaks and (found := peaks.event(record)):
                yield found
        elif isinstance(record, Sound):
            self.newest[record.source].push(record.samples)
        elif isinstance(record, Gap) or (isinstance(record, Notice) and record.kind == "away"):
            self.newest[record.source].clear()

    def _draw(self, scores: Scores) -> Iterator[Room]:
        """Let the room's windows be drawn from; return the room when it is due to be written."""
        if self._room:
            self._room.score(scores)
            if scores.end_s >= self._room_due_s:
                self._room_due_s = scores.end_s + ROOM_EVERY_S
                yield from self.flush()

    def judged(self, event: str, verdict: str | None) -> None:
        """Learn from a verdict; called by any thread."""
        self.enqueue(Judged(event, verdict))

    def teach(self, name: str, example: Cut) -> None:
        """Learn a tag, or more of one, from an example; called by any thread."""
        self.enqueue(Taught(name, example))

    def deliver(self, item: Item) -> None:
        """Keep evidence or the room, or learn from a verdict: it leaves a line of what comes of that."""
        if isinstance(item, Evidence):
            self._known[item.event] = item
            while len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]
            if self._places.evidence:
                self._keep(self._places.evidence, item)
            return
        if isinstance(item, Room):
            assert self._places.room
            make_folder(self._places.room.parent, shared=False)
            write_room(self._places.room, item)
            return
        try:
            self.warn(self._teach(item) if isinstance(item, Taught) else self._learn(item))
        except (BowstreamError, OSError) as error:
            what = item.name if isinstance(item, Taught) else f"the verdict on {item.event}"
            self.warn(f"nothing is learned from {what}: {error}")

    def _keep(self, path: Path, evidence: Evidence) -> None:
        try:
            make_folder(path.parent, shared=False)
            keep(path, evidence)
        except sqlite3.OperationalError as error:  # locked, full, not ours
            raise RetryableError(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            path.unlink(missing_ok=True)  # it can be done without
            raise RetryableError(f"{path} was damaged: a new one is begun") from error

    def _learn(self, judged: Judged) -> str:
        """Correct the event's tag; return what came of it."""
        evidence = self._known.get(judged.event)
        if evidence is None and self._places.evidence:
            evidence = find(self._places.evidence, judged.event)
        if evidence is None:
            raise BowstreamError("the codes that raised it are not known any more")
        # A bundle for this thread: the session's is in use. It is not kept, since verdicts are rare.
        bundle = load_bundle(self._places.bundle)
        corrector = Corrector.of(bundle, self._windows(bundle), self._places.false_per_day)
        right = None if judged.verdict is None else judged.verdict == "right"
        return str(correct(self._places.learned, corrector, evidence, self._own_name(evidence.tag), right))

    def _teach(self, taught: Taught) -> str:
        """Learn from an example; return what came of it."""
        bundle = load_bundle(self._places.bundle)
        teacher = Teacher(bundle, self._windows(bundle), self._places.false_per_day)
        with store.alone(self._places.learned):
            learned = store.read(self._places.learned, bundle)
            teacher.check_name(taught.name, learned, more=taught.name in learned.names)
            lesson = teacher.teach(learned, taught.name, [taught.example], self._places.keep_examples)
            store.write(self._places.learned, lesson.learned)
        return f"{taught.name}: {lesson}"

    def _windows(self, bundle: Bundle) -> Sequence[Codes]:
        """Return windows of the room, if they are gathered."""
        return read_room(self._places.room, bundle).codes if self._places.room else ()

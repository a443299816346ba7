"""Several sources in one loop: each is captured in its own thread, and has its own session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from bowstream.audio.capture import Capture, Heard
from bowstream.audio.source import Notice
from bowstream.audio.stream import LONGEST_WAIT_S
from bowstream.errors import BowstreamError
from bowstream.merge import Merger
from bowstream.records import Idle, Record
from bowstream.session import Session


@dataclass(frozen=True)
class Ear:
    """A source's thread and its session, which all run in one thread and may share a model."""

    capture: Capture
    session: Session


class Ears:
    """Sessions that run at the same time; iterating yields the records of all, as they come.

    A source that fails ends alone, with a notice of kind `away`. The loop ends when none is left.

    Parameters
    ----------
    ears : by name
    inbox : what the captures put in
    merge_s : how far apart the onsets of the same sound may be at several sources, to be told once; 0 tells all

    Raises
    ------
    BowstreamError
        While iterating, when no source is left and one of them has failed: a line for each that has.
    """

    def __init__(self, ears: Mapping[str, Ear], inbox: SimpleQueue[tuple[str, Heard]], merge_s: float = 0.0) -> None:
        self._ears = ears
        self._inbox = inbox
        self._left = dict(ears)
        self._failures: list[str] = []
        self.sessions = tuple(ear.session for ear in ears.values())
        self.stopping = False
        slowest_s = max(session.info.hop_s for session in self.sessions)
        self._merger = Merger(merge_s, slowest_s) if merge_s else None

    def __enter__(self) -> Ears:
        for ear in self._ears.values():
            ear.capture.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for ear in self._ears.values():
            ear.capture.stop()
        for ear in self._ears.values():
            ear.capture.join()

    def stop(self) -> None:
        """Ask the loop to end after the present record; safe in a signal handler."""
        self.stopping = True
        for session in self.sessions:
            session.stop()

    def __iter__(self) -> Iterator[Record]:
        if not self._merger:
            yield from self._records()
            return
        try:
            for record in self._records():
                yield from self._merger.push(record)
        except BowstreamError:
            yield from self._merger.flush()
            raise
        yield from self._merger.flush()

    def _records(self) -> Iterator[Record]:
        while self._left and not self.stopping:
            try:
                name, heard = self._inbox.get(timeout=LONGEST_WAIT_S)
            except Empty:
                yield Idle()
                continue
            ear = self._left[name]
            ear.capture.taken()
            if isinstance(heard, BowstreamError):
                yield from self._end(name, heard)
            else:
                yield from ear.session.hear(heard)
        for ear in self._left.values():
            yield from ear.session.end()
        if self._failures and not self.stopping:
            raise BowstreamError(*self._failures)

    def _end(self, name: str, error: BowstreamError) -> Iterator[Record]:
        """Go on without a source."""
        session = self._left.pop(name).session
        if not error.lines:
            yield from session.end()
            return
        yield from session.end(error)
        self._failures += [f"{name}: {line}" for line in error.lines]
        others = "the others are heard" if self._left else "no source is left"
        yield from session.hear(Notice("away", f"{'; '.join(error.lines)}; {others}"))

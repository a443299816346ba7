"""A task, carried out by a process of its own: what hangs or crashes a decoder costs one recording."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from bowstream._types import FORMAT, Format
from bowstream.archive.child import Children, CrashError, HangingError, Tell
from bowstream.archive.hear import Heard, Wanted, hear
from bowstream.archive.plan import Recording, Task
from bowstream.archive.remote import fetched, is_address
from bowstream.audio.file import AudioFile
from bowstream.audio.raw import RawFormat
from bowstream.audio.source import Source
from bowstream.errors import AudioError, BowstreamError
from bowstream.model.bundle import Bundle
from bowstream.session import Session

# How long a decoder may work on a few seconds of sound, or a disk wait.
PATIENCE_S = 120.0
# A process may also end because the system wanted its memory: a recording is given up when it does so each time.
TRIES = 2
# A sign of life, this often.
TELL_EVERY_S = 1.0
HASHED_BYTES = 1 << 20

children = Children()
# Those of this process, by their fingerprint.
bundles: dict[str, Bundle] = {}


@dataclass(frozen=True)
class Work:
    """What is done with each task, here or on another machine.

    open_bundle : returns the bundle as it is configured; a function of a module, as the next, or a `partial` of one
    open_session : returns a session of a source, with a bundle
    fingerprint : of the bundle that the first must return
    format : what sound is handed on in
    raw : the format of recordings without a header
    patience_s : how long nothing may be heard of a recording
    """

    open_bundle: Callable[[], Bundle]
    open_session: Callable[[Source, Bundle], Session]
    fingerprint: str
    wanted: Wanted
    format: Format = FORMAT
    raw: RawFormat | None = None
    patience_s: float = PATIENCE_S


def carried_out(task: Task, work: Work) -> list[Heard]:
    """Return what was heard in each recording of a task, in order; one that cannot be heard has an error."""
    found: list[Heard] = []

    def told(heard: Heard | None) -> None:
        if heard is not None:
            found.append(heard)

    before, tries = 0, 0
    while len(found) < len(task.recordings):
        try:
            children.mine().call(hear_all, task.after(len(found)), work, patience_s=work.patience_s, told=told)
        except (CrashError, HangingError) as error:
            tries, before = (1 if len(found) > before else tries + 1), len(found)
            if isinstance(error, HangingError) or tries == TRIES:
                found.append(Heard(error=f"{task.recordings[len(found)].path}: {error}"))
    return found


def hear_all(task: Task, work: Work, tell: Tell) -> None:
    """Hear the recordings of a task and tell of each; runs in a child."""
    bundle = bundle_with(work.fingerprint, work.open_bundle)
    tell(None)
    for recording in task.recordings:
        tell(hear_one(recording, work, bundle, Pulse(tell)))


def bundle_with(wanted: str, open_bundle: Callable[[], Bundle]) -> Bundle:
    """Return the bundle with a fingerprint, which is opened once in this process.

    Raises
    ------
    BowstreamError
        If what is opened here has another.
    """
    if wanted not in bundles:
        found = open_bundle()
        if (here := fingerprint(found)) != wanted:
            raise BowstreamError(f"the bundle, or what it was taught, is another here: {here}, not {wanted}")
        bundles[here] = found
    return bundles[wanted]


class Pulse:
    """Tells that work goes on, though not at every step."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._next_s = 0.0

    def __call__(self, heard_s: float) -> None:
        """Note a step."""
        if (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + TELL_EVERY_S
            self._tell(None)


def hear_one(recording: Recording, work: Work, bundle: Bundle, pulse: Pulse) -> Heard:
    """Return what is heard in a recording, or in its part."""
    try:
        with fetched(recording.path, pulse) as file:
            digest = hashed(file, pulse) if not recording.part.start else ""
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC) if is_address(recording.path) else None
            with AudioFile(recording.path, work.format, work.raw, descriptor) as source:
                heard = hear(source, recording.part, work.wanted, lambda one: work.open_session(one, bundle), pulse)
    except AudioError as error:
        return Heard(error=str(error))
    except OSError as error:
        return Heard(error=f"{recording.path}: {error.strerror or error}")
    return replace(heard, sha256=digest)


def hashed(file: Path, pulse: Pulse) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read, which is reported when it is replayed."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while content := stream.read(HASHED_BYTES):
                digest.update(content)
                pulse(0.0)
    except OSError:
        return ""
    return digest.hexdigest()


def fingerprint(bundle: Bundle) -> str:
    """Return what all scores and events of a bundle, its thresholds and what it was taught follow from, as a hash."""
    digest = hashlib.sha256(str(bundle.description["sha256"]).encode())
    digest.update(repr([(tag.name, tag.on, tag.off) for tag in bundle.tags]).encode())
    digest.update(repr(bundle.head.outputs).encode())
    if added := bundle.head.additions:
        for each in fields(added):
            value = getattr(added, each.name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()[:16]

"""FLAC clips of events."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from bowstream.config.paths import expanded
from bowstream.config.sinks import ClipsSettings
from bowstream.errors import BowstreamError
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.records import Idle, Record, StreamInfo, source_of
from bowstream.sinks.clip_folder import ClipFolder
from bowstream.sinks.cutter import Clip, Cutter
from bowstream.sinks.worker import Sink

# Seconds of sound that may wait for a disk: 15 MB.
WAITING_S = 240


class Clips(Sink[Clip]):
    """Writes what a `Cutter` of each source cuts.

    A file appears whole or not at all: it is written under another name, and an incomplete file that a crash left is
    deleted at the next start.

    Attributes
    ----------
    on_kept : told an event and its clip's file, in the worker's thread
    """

    takes_sound = True

    def __init__(self, settings: ClipsSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("clips", WAITING_S)
        self.on_kept: Callable[[Event, Path], None] = lambda event, file: None
        self._settings = settings
        self._folder = ClipFolder(expanded(settings.folder), settings.cap_mb, settings.shared)
        self._rate = info.sample_rate  # of every source, as the model takes it
        self._cutters = {info.key: Cutter(settings, info)}

    def __enter__(self) -> Clips:
        try:
            self._folder.tidy()
        except OSError as error:
            raise BowstreamError(
                f"[sinks.clips] cannot clean up its folder: {error.filename}: {error.strerror}; mend that, or "
                "choose another folder"
            ) from error
        super().__enter__()
        return self

    def add(self, info: StreamInfo, health: Health) -> None:
        """Cut clips of another source's sound, too."""
        self._cutters[info.key] = Cutter(self._settings, info)

    def convert(self, record: Record) -> Iterator[Clip]:
        """Return the clips that are complete."""
        if not isinstance(record, Idle):
            yield from self._cutters[source_of(record)].push(record)

    def flush(self) -> Iterator[Clip]:
        """Return the clips that are not complete, as far as they have been scored: no sound follows them."""
        return chain.from_iterable(cutter.flush() for cutter in self._cutters.values())

    def size(self, item: Clip) -> float:
        """Return a clip's length in seconds."""
        return len(item.samples) / self._rate

    def deliver(self, item: Clip) -> None:
        """Write a clip, after making room for it."""
        file = self._folder.write(item.name, encoded(item, self._rate))
        if item.event:
            self.on_kept(item.event, file.absolute())


def encoded(clip: Clip, sample_rate: int) -> bytes:
    """Return a clip as a FLAC file of 16 bits, with its event's object as the comment."""
    import soundfile  # a megabyte or two that only this sink and recordings need

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", sample_rate, 1, "PCM_16", format="FLAC") as file:
        file.comment = clip.comment
        file.write(clip.samples)
    return stream.getvalue()

"""Where the examples of a sound come from: recordings, a microphone, a running listener, or events' clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from bowstream._stderr import muted
from bowstream._text import printable
from bowstream._types import Float32, Format
from bowstream.audio.opening import mixed, open_live
from bowstream.audio.source import Block
from bowstream.cli.folders import find_recordings
from bowstream.cli.options import LearnOptions
from bowstream.cli.past import HistoryFile
from bowstream.cli.say import say
from bowstream.config.file import Config
from bowstream.errors import AudioError, BowstreamError
from bowstream.history.place import default_files, kept_at
from bowstream.history.queries import event
from bowstream.learn.newest import SOCKET_NAME, Answer, ask
from bowstream.learn.sound import Cut, cut, hear

# Of an event's clip, what is before and after the event that is looked at as well.
AROUND_S = 0.5
# A name, and what hears it.
Sound = tuple[str, Callable[[], Float32]]


def examples(options: LearnOptions, config: Config, format: Format) -> tuple[list[Cut], bool]:
    """Return the examples that are asked for, and whether all are there; a bad one is named on standard error.

    Raises
    ------
    BowstreamError
        If there is no listener to ask, no microphone, no such event, or no clip of it.
    """
    found, tried = [], 0
    for name, sound in sounds(options, config, format):
        tried += 1
        try:
            found.append(cut(name, sound(), format.sample_rate))
        except AudioError as error:
            say(printable(str(error)))
    return found, len(found) == tried


def sounds(options: LearnOptions, config: Config, format: Format) -> Iterator[Sound]:
    """Yield what is to be learned from."""
    if options.last_s is not None:
        yield newest(options.last_s, options.source, config, format)
    elif options.record_s is not None:
        yield f"{options.record_s:g} s recorded", partial(recorded, options.record_s, config, format)
    elif options.events:
        yield from clips(options, format)
    else:
        recordings = find_recordings(options.paths)
        for line in recordings.lines:
            say(line)
        for path in recordings.paths:
            yield path, partial(hear, path, mixed(format, config.settings))


def newest(seconds: float, source: str, config: Config, format: Format) -> Sound:
    """Return the last seconds that a running listener has of a source, the first if none is named."""
    answer = answered(seconds, source, config)
    if answer.sample_rate != format.sample_rate:
        raise BowstreamError(f"the listener must run at {format.sample_rate} Hz (got {answer.sample_rate})")
    of = f" of {answer.source}" if answer.source else ""
    return f"the last {seconds:g} s{of}", lambda: answer.samples


def answered(seconds: float, source: str, config: Config) -> Answer:
    """Return the answer of the first listener that gives one."""
    history = config.history_path
    places = [kept_at(history)] if history else list(default_files())
    for place in places:
        with suppress(OSError):  # none listens there, or it is another user's
            return ask(place.with_name(SOCKET_NAME), seconds, source)
    folders = " or ".join(str(place.parent) for place in places)
    raise BowstreamError(f"--last needs a running 'bowstream listen' of this user (none answers in {folders})")


def recorded(seconds: float, config: Config, format: Format) -> Float32:
    """Return so many seconds of what is listened to, from now on."""
    parts: list[Float32] = []
    wanted = round(seconds * format.sample_rate)
    with muted(), open_live(config.settings, format) as source:
        say(f"recording {seconds:g} s from {source.name}: make the sound now")
        for block in source:
            if isinstance(block, Block):
                parts.append(block.samples)
            if sum(map(len, parts)) >= wanted:
                break
    return np.concatenate([np.empty(0, np.float32), *parts])[:wanted]


def clips(options: LearnOptions, format: Format) -> Iterator[Sound]:
    """Yield what is kept of events."""
    with HistoryFile(config=options.config.file).opened() as connection:
        found = [event(connection, name) for name in options.events]
    for each in found:
        if each.clip is None or not each.clip.exists():
            gone = f"its clip is gone: {each.clip}" if each.clip else "no clip was kept of it: see [sinks.clips]"
            raise BowstreamError(f"{each.id} ({each.tag}): {gone}")
        yield f"{each.id} ({each.tag})", partial(of_clip, each.clip, format)


def of_clip(path: Path, format: Format) -> Float32:
    """Return the sound of an event from its clip, whose comment says where in it the event is."""
    import soundfile

    samples = hear(str(path), format)
    try:
        with soundfile.SoundFile(path) as file:
            said = json.loads(file.comment)
        first_s, last_s = (float(said[name]) - float(said["start_s"]) for name in ("onset_s", "offset_s"))
    except (soundfile.LibsndfileError, ValueError, KeyError, TypeError):  # cut, or made by another program
        return samples
    first, last = (max(0, round(each * format.sample_rate)) for each in (first_s - AROUND_S, last_s + AROUND_S))
    return samples[first:last] if first < min(last, len(samples)) else samples

"""bowstream: names the sounds in recordings, blocks of samples, or what a microphone hears.

>>> import bowstream
>>> tagger = bowstream.Tagger.load()
>>> result = tagger.tag("dog.wav")  # doctest: +SKIP
>>> result.top(3)  # doctest: +SKIP
[('dog', 0.91), ('door wood knock', 0.12), ('cat', 0.04)]
"""

from __future__ import annotations

from importlib import import_module

from bowstream.errors import AudioError, BowstreamError, BundleError, DeviceAbsentError, DeviceError, UsageError

TYPE_CHECKING = False  # as in typing, whose import would take milliseconds of every start
if TYPE_CHECKING:
    from typing import Any

    from bowstream.audio.devices import list_devices
    from bowstream.audio.file import AudioFile
    from bowstream.audio.microphone import Microphone
    from bowstream.audio.opening import Stream
    from bowstream.audio.source import Notice
    from bowstream.events import Event, EventTracker
    from bowstream.model.bundle import Bundle
    from bowstream.records import Gap
    from bowstream.result import Result
    from bowstream.scores import Scores
    from bowstream.session import Session
    from bowstream.tagger import Tagger, load_bundle

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "AudioFile",
    "BowstreamError",
    "Bundle",
    "BundleError",
    "DeviceAbsentError",
    "DeviceError",
    "Event",
    "EventTracker",
    "Gap",
    "Microphone",
    "Notice",
    "Result",
    "Scores",
    "Session",
    "Stream",
    "Tagger",
    "UsageError",
    "list_devices",
    "load_bundle",
]

# Imported when asked for: the command line says how many threads NumPy may have before NumPy is imported, its help
# needs none of it, and a program that listens needs no decoder.
_HOMES = {
    "AudioFile": "audio.file",
    "Bundle": "model.bundle",
    "Event": "events",
    "EventTracker": "events",
    "Gap": "records",
    "Microphone": "audio.microphone",
    "Notice": "audio.source",
    "Result": "result",
    "Scores": "scores",
    "Session": "session",
    "Stream": "audio.opening",
    "Tagger": "tagger",
    "list_devices": "audio.devices",
    "load_bundle": "tagger",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

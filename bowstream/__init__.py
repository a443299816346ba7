"""bowstream: listens to a microphone and names the sounds.

>>> tagger = bowstream.Tagger.load()                        # doctest: +SKIP
>>> for scores in tagger.push(samples):                     # doctest: +SKIP
...     print(scores.end_s, scores.top(3))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bowstream.errors import AudioError, BowstreamError, BundleError, DeviceError, UsageError

if TYPE_CHECKING:
    from bowstream.model.bundle import Bundle
    from bowstream.scores import Scores
    from bowstream.tagger import Tagger, load_bundle

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "BowstreamError",
    "Bundle",
    "BundleError",
    "DeviceError",
    "Scores",
    "Tagger",
    "UsageError",
    "load_bundle",
]

# Imported when asked for: the command line says how many threads NumPy may have before NumPy is imported, and its
# help needs none of it.
_HOMES = {"Bundle": "model.bundle", "load_bundle": "tagger", "Tagger": "tagger", "Scores": "scores"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""bowstream: listens to a microphone and names the sounds.

>>> tagger = bowstream.Tagger(bowstream.load_bundle())      # doctest: +SKIP
>>> for tags in tagger.push(samples):                       # doctest: +SKIP
...     print(tags.end / 16_000, tags.scores.max())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bowstream.errors import AudioError, BowstreamError, BundleError, DeviceError, UsageError

if TYPE_CHECKING:
    from bowstream.model.bundle import Bundle
    from bowstream.tagger import Tagger, Tags, load_bundle

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "BowstreamError",
    "Bundle",
    "BundleError",
    "DeviceError",
    "Tagger",
    "Tags",
    "UsageError",
    "load_bundle",
]

# Imported when asked for: the command line says how many threads NumPy may have before NumPy is imported, and its
# help needs none of it.
_HOMES = {"Bundle": "model.bundle", "load_bundle": "tagger", "Tagger": "tagger", "Tags": "tagger"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

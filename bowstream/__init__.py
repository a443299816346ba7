"""bowstream: listens to a microphone and names the sounds.

>>> tagger = bowstream.Tagger(bowstream.load_bundle())      # doctest: +SKIP
>>> for tags in tagger.push(samples):                       # doctest: +SKIP
...     print(tags.end / 16_000, tags.scores.max())
"""

from .bundle import Bundle
from .errors import AudioError, BowstreamError, BundleError, DeviceError, UsageError
from .probe import load_bundle
from .tagger import Tagger, Tags

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

"""Headerless sound: a format that has to be said, and files that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What files begin with that are not headerless.
HEADERS = {
    b"RIFF": "WAV",
    b"RF64": "WAV",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b".snd": "AU",
}
# What a headerless format can be; nothing that is recorded is outside.
RATES_HZ = range(1000, 768_001)
CHANNELS = range(1, 65)


@dataclass(frozen=True)
class RawFormat:
    """A headerless stream: rate in Hz, channels, and soundfile's name for the encoding."""

    sample_rate: int = 16_000
    channels: int = 1
    subtype: str = "PCM_16"

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Read `RATE[:CHANNELS[:SUBTYPE]]`, as in `48000:2:PCM_16`; raise `ValueError` for anything else."""
        rate, channels, subtype = (*text.split(":"), *("1", "PCM_16")[text.count(":") :])
        if not (rate + channels).isascii() or not rate.isdecimal() or not channels.isdecimal():
            raise ValueError(text)
        if int(rate) not in RATES_HZ or int(channels) not in CHANNELS:
            raise ValueError(text)
        import soundfile  # only what has such a format needs it

        if subtype not in soundfile.available_subtypes("RAW"):
            raise ValueError(text)
        return cls(int(rate), int(channels), subtype)

    def arguments(self) -> dict[str, Any]:
        """Return it as soundfile's arguments."""
        return {
            "samplerate": self.sample_rate,
            "channels": self.channels,
            "subtype": self.subtype,
            "format": "RAW",
            "endian": "LITTLE",
        }


def header_in(head: bytes) -> str | None:
    """Return the kind of file that begins so, which would be a click as sound, and the file perhaps noise; or None."""
    return HEADERS.get(head[:4])

"""Several streams of sound in one file or address, as the languages of a film: which of them is heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bowstream.errors import AudioError

# What the first is called, whatever else it may be called.
FIRST = "1"
UNDETERMINED = "und"


class TrackError(AudioError):
    """There is no track of that name."""


def is_first(track: str | None) -> bool:
    """Whether the first is heard: it is named by its number, or none is."""
    return track in (None, FIRST)


def chosen(streams: Sequence[Any], track: str | None) -> Any:
    """Return the stream of sound that is named.

    Parameters
    ----------
    streams : PyAV's, one or more
    track : its number from 1, its language or title, or a part of the title; None for the first

    Raises
    ------
    TrackError
        If none is called so: it says what there is.
    """
    if track is None or is_first(track):
        return streams[0]
    wanted = track.casefold()
    names = [[str(number), *map(str.casefold, names_of(stream))] for number, stream in enumerate(streams, 1)]
    for stream, own in zip(streams, names):
        if wanted in own:
            return stream
    for stream, own in zip(streams, names):
        if any(wanted in name for name in own[1:]):
            return stream
    raise TrackError(f"track must be {listed(streams)} (got {track!r})")


def names_of(stream: Any) -> list[str]:
    """Return the language and the title of a stream, as far as it has them."""
    names = (stream.metadata.get(key) for key in ("language", "title", "name"))  # the last is an MP4's title
    return [name for name in names if name and name != UNDETERMINED]


def listed(streams: Sequence[Any]) -> str:
    """Return what there is: `1 (eng, Main) or 2 (deu)`."""
    return " or ".join(
        f"{number} ({', '.join(names)})" if (names := names_of(stream)) else str(number)
        for number, stream in enumerate(streams, 1)
    )

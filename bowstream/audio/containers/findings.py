"""What walking through a file finds, and what every container can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass
class Findings:
    """What was noticed in a file: notes leave nothing out; a problem is at so many seconds, None if unknown."""

    notes: list[str] = field(default_factory=list)
    problems: list[tuple[float | None, str]] = field(default_factory=list)


class Container(Protocol):
    """A file, walked through from its first byte to its last.

    findings : grow as it is walked through
    duration_s : the length that the file states, for a progress bar and nothing else; None if it states none
    stated_frames : the length that the header of the recording at hand states, 0 if none; too few are a problem
    """

    findings: Findings
    duration_s: float | None
    stated_frames: int

    def links(self) -> Iterator[Iterator[bytes]]:
        """Yield the recordings in it one after another, each as pieces that together are a file for a decoder.

        A recording is taken to its end before the next is asked for.
        """

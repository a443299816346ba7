"""What the sinks' settings have in common: checks, and which events are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from bowstream.config.fields import check_ranges, knob
from bowstream.errors import UsageError
from bowstream.events import Event


def wanted(holds: bool, message: str) -> None:
    """Raise `UsageError` with a message such as `path wants a file, got none` unless it holds."""
    if not holds:
        raise UsageError(message)


@dataclass(frozen=True, kw_only=True)
class SinkSettings:
    """A table of a sink; every number is held to its knob's range."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class Chosen(SinkSettings):
    """Which events a sink gets."""

    only: tuple[str, ...] = knob((), help="tags that it gets; all if empty", example=["dog"], of_tags=True)
    states: tuple[str, ...] = knob(
        ("on",), help='"on" for an event\'s beginning, "off" for its end, which has its length, peak and mean'
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(
            bool(self.states) and set(self.states) <= {"on", "off"},
            f'states wants "on", "off" or both, found {list(self.states)}',
        )

    def chooses(self, event: Event) -> bool:
        """Whether the sink gets this event."""
        state = "on" if event.offset is None else "off"
        return state in self.states and (not self.only or event.tag in self.only)

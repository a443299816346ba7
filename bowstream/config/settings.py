"""What can be set: the configuration's knobs, with their units, ranges and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowstream.config.fields import check_ranges, knob
from bowstream.errors import UsageError


@dataclass(frozen=True)
class TagSettings:
    """A table `[tags.NAME]`: what differs from the bundle for one tag."""

    on: float | None = knob(None, help="score at which its events begin", low=0.0, high=1.0, example=0.7)
    off: float | None = knob(
        None, help="score below which they end; at most the one at which they begin", low=0.0, high=1.0, example=0.5
    )
    alias: str | None = knob(None, help="what it is called in all output", example="Rex")
    muted: bool = knob(False, help="leave it out of all output")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.alias is not None and not self.alias.strip():
            raise UsageError("alias wants a name, found none")
        if self.on is not None and self.off is not None and self.off > self.on:
            raise UsageError(f"off wants at most on, which is {self.on:g}, found {self.off:g}")


@dataclass(frozen=True)
class Settings:
    """The whole configuration. Names and units are those of the file; `None` leaves it to the device or bundle."""

    device: str | None = knob(
        None,
        help="microphone: an identity that 'bowstream devices' shows, part of its name, or its number",
        example="usb-port:1-1.2",
    )
    sample_rate: int | None = knob(
        None,
        help="rate to ask the device for, in Hz; else 16000, or its own",
        low=4000,
        high=768_000,
        example=48_000,
    )
    reconnect: bool = knob(False, help="wait for a microphone that is absent, busy or unplugged, instead of giving up")
    bundle: Path | None = knob(None, help="folder of the model bundle; else the one that is shipped", example="bundle")
    hop_s: float = knob(1.0, help="seconds between two scores, in tenths", low=0.1, high=1.0)
    hold_s: float = knob(1.0, help="seconds that an event outlasts its sound", low=0.0, high=3600.0)
    confirm_hops: int = knob(1, help="hops in a row that must reach a tag's threshold to raise it", low=1, high=100)
    on: float | None = knob(
        None, help="score at which events begin, for all tags; else each tag's own", low=0.0, high=1.0, example=0.6
    )
    off: float | None = knob(
        None, help="score below which they end; at most the lowest at which one begins", low=0.0, high=1.0, example=0.4
    )
    silence_s: float = knob(60.0, help="seconds of silence after which to warn", low=1.0, high=86_400.0)
    tags: Mapping[str, TagSettings] = field(default_factory=dict)
    sinks: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.device is not None and not self.device.strip():
            raise UsageError("device wants an identity, a part of a name or a number, found none")
        if abs(self.hop_s * 10.0 - round(self.hop_s * 10.0)) > 1e-6:
            raise UsageError(f"hop_s wants 0.1, 0.2, … 1.0, found {self.hop_s:g}")
        if self.on is not None and self.off is not None and self.off > self.on:
            raise UsageError(f"off wants at most on, which is {self.on:g}, found {self.off:g}")

    @property
    def hop_columns(self) -> int:
        """Columns of 100 ms between two scores."""
        return round(self.hop_s * 10.0)

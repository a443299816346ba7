"""The parameters that sound is cut and seen by, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bowstream._given import NUMBER, check
from bowstream._types import Format
from bowstream.errors import BundleError, UsageError

# What memory and time there is for, by far.
LARGEST = {
    "sample_rate": 192_000,
    "win_length": 16_384,
    "hop_length": 16_384,
    "n_fft": 65_536,
    "n_mels": 512,
    "frames_per_column": 100,
    "columns_per_window": 100,
}


@dataclass(frozen=True)
class FrontEnd:
    """Parameters of the log-mel, carried in the bundle (paper, III-A).

    A *column* is the 100 ms of sound that is worked on at a time; a *window* is the second
    that a score is about. Sizes that follow from others are properties.

    highpass_hz : up to here all is filtered out before the log-mel, see `HighPass`; 0: nothing is
    """

    sample_rate: int = 16_000
    win_length: int = 480
    hop_length: int = 160
    n_fft: int = 2048
    n_mels: int = 96
    fmin_hz: float = 0.0
    fmax_hz: float = 8000.0
    power_floor: float = 1e-10
    highpass_hz: float = 0.0
    frames_per_column: int = 10
    columns_per_window: int = 10

    def __post_init__(self) -> None:
        for name, largest in LARGEST.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= largest:
                raise BundleError(f"{name} must be a whole number of 1 … {largest} (got {value!r})")
        if self.win_length % self.hop_length or self.win_length >= self.n_fft // 4:
            raise BundleError(
                f"win_length must be a multiple of hop_length and below n_fft / 4 (got "
                f"win_length={self.win_length}, hop_length={self.hop_length}, n_fft={self.n_fft})"
            )
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate / 2:
            raise BundleError(
                f"fmin_hz and fmax_hz must be 0 <= fmin_hz < fmax_hz <= {self.sample_rate / 2} "
                f"(got {self.fmin_hz} and {self.fmax_hz})"
            )
        if self.highpass_hz and not 20.0 <= self.highpass_hz <= 1000.0:
            raise BundleError(f"highpass_hz must be 0 or 20 … 1000 (got {self.highpass_hz})")
        if not 0.0 < self.power_floor <= 1.0:
            raise BundleError(f"power_floor must be above 0 and at most 1 (got {self.power_floor})")

    @cached_property
    def column_length(self) -> int:
        """Samples in a column (1600)."""
        return self.hop_length * self.frames_per_column

    @cached_property
    def format(self) -> Format:
        """How it takes its samples."""
        return Format(self.sample_rate, self.column_length)

    @cached_property
    def column_s(self) -> float:
        """Seconds in a column (0.1)."""
        return self.column_length / self.sample_rate

    @cached_property
    def window_length(self) -> int:
        """Samples in a window (16000)."""
        return self.column_length * self.columns_per_window

    @cached_property
    def window_s(self) -> float:
        """Seconds in a window (1.0)."""
        return self.window_length / self.sample_rate

    @cached_property
    def frames_per_window(self) -> int:
        """STFT frames in a window (100)."""
        return self.frames_per_column * self.columns_per_window

    def columns_in(self, hop_s: float) -> int:
        """Return the columns in a hop; raise `UsageError` unless they are whole, and at most those of a window."""
        check(NUMBER, hop_s=hop_s)
        columns = hop_s / self.column_s
        in_range = 0.5 < columns < self.columns_per_window + 0.5
        if not in_range or abs(columns - round(columns)) > 1e-6:
            shortest, longest = self.column_s, self.columns_per_window * self.column_s
            raise UsageError(f"hop_s must be {shortest:g}, {2 * shortest:g}, … {longest:.1f} (got {hop_s:g})")
        return round(columns)

"""The probe: proof that a bundle does on this machine what it did on the training machine.

It is one synthetic second with the log-mel, codes and scores that the training machine got. Loading
works them out again and refuses the bundle beyond the tolerances below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.bundle import PROBE, Bundle
from bowstream.model.columns import Columns

# How far this machine may stray from the training machine on the probe. Processors differ in the last
# bits of float32 and may differ in an int8 step (XNNPACK promises no more), which can turn a code.
LOG_MEL_TOLERANCE = 0.01
CODES_TOLERANCE = 0.021  # 3 of 143
SCORES_TOLERANCE = 0.05


@dataclass(frozen=True)
class ProbeResult:
    """How far this machine strays from the training machine, against what is allowed."""

    log_mel: float
    codes: int
    of_codes: int
    scores: float

    @property
    def passed(self) -> bool:
        """Whether all three are within tolerance."""
        in_codes = self.codes <= self.codes_allowed
        return in_codes and self.log_mel <= LOG_MEL_TOLERANCE and self.scores <= SCORES_TOLERANCE

    @property
    def codes_allowed(self) -> int:
        """How many codes may differ."""
        return int(CODES_TOLERANCE * self.of_codes)


class Probed(Protocol):
    """What a probe is run on; `bowstream.Tagger` is one."""

    bundle: Bundle
    columns: Columns

    def reset(self) -> None:
        """Begin a new stream."""

    def push(self, samples: Float32) -> Sequence[Any]:
        """Return a record with `codes` and `scores` for each window that the samples complete."""


def run_probe(tagger: Probed, probe: Mapping[str, np.ndarray[Any, Any]]) -> ProbeResult:
    """Compute the probe's second on this machine and return how far it strays; the tagger is reset."""
    tagger.reset()
    try:
        samples = probe["samples"]
        if samples.shape != (tagger.bundle.front_end.window_length,):
            raise ValueError(f"samples, which must be one window (got {samples.shape})")
        if not np.isfinite(samples).all():
            raise ValueError("samples, which must be finite")
        log_mel = tagger.columns.log_mel.push(samples)
        tagger.reset()
        (scored,) = tagger.push(samples)
        tagger.reset()
        return ProbeResult(
            log_mel=float(np.abs(log_mel - probe["log_mel"]).max()),
            codes=int((scored.codes[-1] != probe["codes"]).sum()),
            of_codes=len(probe["codes"]),
            scores=float(np.abs(scored.array - probe["scores"]).max()),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise BundleError(f"{tagger.bundle.path / PROBE} lacks or misstates {error}") from error


def verify(tagger: Probed, probe: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Raise `BundleError` unless the probe passes."""
    result = run_probe(tagger, probe)
    if not result.passed:
        raise BundleError(
            f"{tagger.bundle.path}: this machine fails the bundle's probe (log-mel off by {result.log_mel:.3g} of "
            f"{LOG_MEL_TOLERANCE}, {result.codes} codes of {result.codes_allowed}, scores {result.scores:.3g} of "
            f"{SCORES_TOLERANCE} allowed): its results cannot be trusted here; please report it"
        )

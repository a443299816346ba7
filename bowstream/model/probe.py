"""The probe: proof that a bundle does on this machine what it did on the training machine.

It is one synthetic second with the log-mel, codes and scores that the training machine got. Loading
works them out again and refuses the bundle beyond the tolerances below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import BundleError
from bowstream.model.bundle import PROBE, Bundle, default_path, read
from bowstream.tagger import Tagger

# How far this machine may stray from the training machine on the probe. Processors differ in the last
# bits of float32 and may differ in an int8 step (XNNPACK promises no more), which can turn a code.
LOG_MEL_TOLERANCE = 0.01
CODES_TOLERANCE = 3
SCORES_TOLERANCE = 0.05


@dataclass(frozen=True)
class ProbeResult:
    """How far this machine strays from the training machine, against what is allowed."""

    log_mel: float
    codes: int
    scores: float

    @property
    def passed(self) -> bool:
        """Whether all three are within tolerance."""
        return self.log_mel <= LOG_MEL_TOLERANCE and self.codes <= CODES_TOLERANCE and self.scores <= SCORES_TOLERANCE


def load_bundle(path: Path | str | None = None) -> Bundle:
    """Load a bundle, verify its hashes and run its probe.

    Parameters
    ----------
    path : the bundle's folder; None for the one that is shipped

    Raises
    ------
    BundleError
        If a file is missing, damaged, changed or of another format, or the probe fails.
    """
    bundle, probe = read(Path(path) if path is not None else default_path())
    result = run_probe(bundle, probe)
    if not result.passed:
        raise BundleError(
            f"{bundle.path}: this machine fails the bundle's probe (log-mel off by {result.log_mel:.3g} of "
            f"{LOG_MEL_TOLERANCE}, {result.codes} codes of {CODES_TOLERANCE}, scores {result.scores:.3g} of "
            f"{SCORES_TOLERANCE} allowed): its results cannot be trusted here; please report it"
        )
    return bundle


def run_probe(bundle: Bundle, probe: Mapping[str, np.ndarray[Any, Any]]) -> ProbeResult:
    """Work out the probe's second on this machine and return how far it strays."""
    tagger = Tagger(bundle)
    try:
        samples = probe["samples"]
        log_mel = tagger.log_mel.push(samples)
        tagger.reset()
        (tags,) = tagger.push(samples)
        return ProbeResult(
            log_mel=float(np.abs(log_mel - probe["log_mel"]).max()),
            codes=int((tags.codes[-1] != probe["codes"]).sum()),
            scores=float(np.abs(tags.scores - probe["scores"]).max()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.path / PROBE} lacks or misstates {error}") from error

"""How long it takes from the command to the first score, and the memory that this takes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bowstream._types import Float32
from bowstream.errors import BowstreamError
from bowstream.model.front_end import FrontEnd


class Start(NamedTuple):
    """A live session's beginning: milliseconds to the first score beyond the first hop, and memory by then in MB.

    `memory_mb` is the resident memory at that score and `peak_mb` the highest until then, None where there is no /proc.
    """

    first_score_ms: float
    memory_mb: float | None
    peak_mb: float | None


def start(bundle: Path, samples: Float32, front_end: FrontEnd) -> Start:
    """Start a live session in its own process, with samples that come at their own pace, and time its first score.

    A microphone adds what PortAudio takes to open it.

    Raises
    ------
    BowstreamError
        If the session ends without a score.
    """
    command = [sys.executable, "-m", "bowstream", "replay", "--realtime", "--json", "--hop", "1"]
    raw = ["--raw", f"{front_end.sample_rate}:1:PCM_16", "-"]
    # More than a window, so that the session lives on while it is looked at, and less than a pipe holds.
    sound = (samples[: front_end.window_length * 3 // 2] * 32767.0).astype(np.int16).tobytes()
    started_s = time.monotonic()
    with subprocess.Popen(
        [*command, "--bundle", str(bundle), *raw], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(sound)
        process.stdin.flush()
        line = process.stdout.readline()
        took_s = time.monotonic() - started_s
        memory, peak = (memory_mb(process.pid, field) for field in ("VmRSS", "VmHWM"))
        _, complaint = process.communicate()
    if not line:
        raise BowstreamError(f"a new process gave no score: {complaint.decode(errors='replace').strip()}")
    return Start(round((took_s - front_end.window_length / front_end.sample_rate) * 1e3, 1), memory, peak)


def memory_mb(process_id: int, field: str) -> float | None:
    """Return a field of a process's status in MB; None where there is no /proc."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text("ascii", "replace")
    except OSError:
        return None
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.M)
    return round(int(found[1]) * 1024 / 1e6, 1) if found else None

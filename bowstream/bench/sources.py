"""What each further source costs: sessions of made-up microphones, heard at their own pace.

`python -m bowstream.bench.sources COUNT SECONDS BUNDLE` hears so many in this process, and prints as JSON what it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from bowstream._types import Float32
from bowstream.audio.capture import Capture, Heard
from bowstream.audio.stream import Player
from bowstream.bench.paths import made_up_sound
from bowstream.bench.startup import memory_mb
from bowstream.ears import Ear, Ears
from bowstream.errors import BowstreamError
from bowstream.session import Session
from bowstream.tagger import Tagger, load_bundle

# As most USB microphones deliver, so that the sound is resampled as theirs is.
NATIVE_RATE_HZ = 48_000
SECONDS = 10.0
# Seconds until all have been opened, and what is only done once is done.
WARM_UP_S = 2.0


class Endless:
    """Made-up sound that goes on for ever."""

    name, channels, native_rate = "made up", 1, NATIVE_RATE_HZ
    duration_s: float | None = None

    def __init__(self, sound: Float32) -> None:
        self._sound = sound

    def blocks(self, block_s: float) -> Iterator[Float32]:
        """Yield it in blocks, float32 [shape=(n, 1)]."""
        length = round(block_s * self.native_rate)
        while True:
            for start in range(0, len(self._sound) - length + 1, length):
                yield self._sound[start : start + length, np.newaxis]


def hear(count: int, seconds: float, bundle: Path | None) -> dict[str, Any]:
    """Hear so many sources for so long, in this process; return what that took."""
    loaded, sound = load_bundle(bundle), made_up_sound(NATIVE_RATE_HZ)
    inbox: SimpleQueue[tuple[str, Heard]] = SimpleQueue()
    ears = {}
    for name in (f"source {number}" for number in range(count)):
        capture = Capture(name, partial(Player, Endless(sound)), inbox)
        ears[name] = Ear(capture, Session(capture, Tagger(loaded), name=name))
        ears[name].session.is_watched = lambda: False
    with Ears(ears, inbox) as loop:
        records, until_s = iter(loop), time.monotonic() + WARM_UP_S
        while time.monotonic() < until_s:
            next(records)
        began_s, heard_s = time.process_time(), heard_by(loop)
        while time.monotonic() < until_s + seconds:
            next(records)
        took_s, heard_s = time.process_time() - began_s, heard_by(loop) - heard_s
    reports = [session.health.report() for session in loop.sessions]
    return {
        "sources": count,
        "cpu_ms_per_s": round(took_s / heard_s * count * 1e3, 2),
        "memory_mb": memory_mb(os.getpid(), "VmRSS"),
        "lost_s": round(sum(report.lost_s for report in reports), 3),
        "latency_p95_ms": round(max(report.latency_p95_ms for report in reports), 1),
    }


def heard_by(ears: Ears) -> float:
    """Return how many seconds of sound all have heard together."""
    return sum(session.health.refresh().heard_s for session in ears.sessions)


def measure_sources(count: int, bundle: Path | None = None, seconds: float = SECONDS) -> dict[str, Any]:
    """Return what one source takes and what `count` do, each in its own process, and what each further one does.

    Raises
    ------
    BowstreamError
        If such a process fails.
    """
    one, all_of_them = (in_own_process(number, seconds, bundle) for number in (1, count))
    further = {"cpu_ratio": round((all_of_them["cpu_ms_per_s"] / one["cpu_ms_per_s"] - 1.0) / (count - 1), 3)}
    if one["memory_mb"] is not None and all_of_them["memory_mb"] is not None:
        further["memory_mb"] = round((all_of_them["memory_mb"] - one["memory_mb"]) / (count - 1), 2)
    return {"runs": [one, all_of_them], "further": further}


def in_own_process(count: int, seconds: float, bundle: Path | None) -> dict[str, Any]:
    """Return what `hear` does in its own process."""
    command = [sys.executable, "-m", "bowstream.bench.sources", str(count), str(seconds), str(bundle or "")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BowstreamError(f"{count} sources could not be heard: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(hear(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3] else None)))

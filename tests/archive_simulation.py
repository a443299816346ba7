"""What an archive's job does on many workers, from times measured here: `python tests/archive_simulation.py`.

A task is an hour of sound: its bytes come through one link, its worker hears them, and the machine that the job was
begun on writes its rows. Time and bytes of each step are given or measured; the rest follows, task by task.
"""

from __future__ import annotations

import argparse
import heapq
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from bowstream.archive.hear import Heard, Wanted
from bowstream.archive.plan import Recording, Task
from bowstream.archive.results import Results
from bowstream.cli.archive import Nothing
from bowstream.events import Event
from bowstream.session import describe
from bowstream.tagger import Tagger


@dataclass(frozen=True)
class Costs:
    """What a task takes: seconds of a worker, of the writing machine and of the scheduler; bytes to it and from it."""

    hear_s: float
    write_s: float
    schedule_s: float
    bytes_in: float
    bytes_out: float


def simulate(workers: int, tasks: int, costs: Costs, link_bytes_per_s: float, jitter: float = 0.1) -> dict[str, float]:
    """Return how long it takes, in seconds, and the share of that in which each part is busy."""
    rng = np.random.default_rng(0)
    link_s, link_free, writer_free, scheduler_free = costs.bytes_in / link_bytes_per_s, 0.0, 0.0, 0.0
    out_s = costs.bytes_out / link_bytes_per_s
    idle = [(0.0, worker) for worker in range(workers)]
    heard_s = 0.0
    written = [0.0] * tasks
    for task in range(tasks):
        free, worker = heapq.heappop(idle)
        # No more than two tasks per worker wait to be written.
        ready = max(free, written[task - 2 * workers] if task >= 2 * workers else 0.0)
        scheduler_free = max(ready, scheduler_free) + costs.schedule_s
        link_free = max(scheduler_free, link_free) + link_s
        hear_s = costs.hear_s * rng.uniform(1 - jitter, 1 + jitter)
        heard_s += hear_s
        done = link_free + hear_s
        heapq.heappush(idle, (done, worker))
        writer_free = max(done, writer_free) + costs.write_s + out_s
        written[task] = writer_free
    total_s = max(written)
    busy = {"workers": heard_s / workers, "link": tasks * (link_s + out_s)}
    busy |= {"writer": tasks * (costs.write_s + out_s), "scheduler": tasks * costs.schedule_s}
    return {"total_s": total_s} | {name: spent_s / total_s for name, spent_s in busy.items()}


def writing_s(recordings: int, wanted: Wanted, tasks: int = 20) -> tuple[float, float]:
    """Return the processor time that it takes here to write a task of an hour, and the bytes of what was heard."""
    tagger = Tagger.load()
    info = describe(Nothing(), tagger, 1, None)
    rng, per = np.random.default_rng(0), 3600 // recordings
    heard = Heard(
        heard_s=per,
        windows=per,
        events=tuple(Event("dog", float(second), second + 1.0, 0.9, 0.8) for second in range(0, per, 60)),
        ends=np.arange(1, per + 1) * 16_000 * wanted.scores,
        scores=rng.random((per, len(info.tags)), np.float32)[: per * wanted.scores],
        minutes=rng.random((per // 60 * wanted.loudness, 4)),
        sha256="0" * 64,
    )
    if not wanted.scores:
        heard = Heard(heard_s=per, windows=per, events=heard.events, minutes=heard.minutes, sha256=heard.sha256)
    began = datetime(2026, 6, 1, tzinfo=timezone.utc)
    with tempfile.TemporaryDirectory() as folder:
        results = Results(Path(folder), info, 1.0, wanted)
        times = []
        for number in range(tasks):
            named = tuple(Recording(f"A/{number}-{one}.wav", 1, began, "A") for one in range(recordings))
            begin = time.process_time()
            results.put(Task(number, number, named), [heard] * recordings)
            times.append(time.process_time() - begin)
    return float(np.median(times)), float(len(pickle.dumps(heard)) * recordings)


def main() -> None:
    """Print what becomes the bottleneck, for numbers of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=10_000)
    parser.add_argument("--hear-s", type=float, default=6.0, help="of a worker, for an hour of sound")
    parser.add_argument("--schedule-ms", type=float, default=2.0, help="of the scheduler and its client, a task")
    parser.add_argument("--megabytes", type=float, default=345.6, help="an hour: 48 kHz, 16 bits, one channel")
    parser.add_argument("--gigabits", type=float, nargs="+", default=[10.0, 100.0], help="a second, of the link")
    parser.add_argument("--sync-ms", type=float, default=5.0, help="of the disk, until a file is safe on it")
    parser.add_argument("--recordings", type=int, default=12, help="an hour")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 30, 100, 300])
    asked = parser.parse_args()
    for wanted in (Wanted(), Wanted(scores=True, loudness=True)):
        write_s, bytes_out = writing_s(asked.recordings, wanted)
        files = 2 + wanted.scores + wanted.loudness
        print(f"\n{wanted}: {1000 * write_s:.1f} ms, {files} files and {bytes_out / 1e6:.2f} MB a task")
        write_s += files * asked.sync_ms / 1000
        costs = Costs(asked.hear_s, write_s, asked.schedule_ms / 1000, asked.megabytes * 1e6, bytes_out)
        for gigabits in asked.gigabits:
            print(f"{gigabits:g} Gbit/s   hours done per hour   busy: workers   link  writer  scheduler   first")
            for workers in asked.workers:
                found = simulate(workers, asked.hours, costs, gigabits * 1e9 / 8)
                busy = {name: found[name] for name in ("workers", "link", "writer", "scheduler")}
                shares = "".join(f"{share:8.0%}" for share in busy.values())
                rate = asked.hours / found["total_s"] * 3600
                print(f"{workers:4d} workers   {rate:15,.0f}   {shares}      {max(busy, key=busy.__getitem__)}")


if __name__ == "__main__":
    sys.exit(main())

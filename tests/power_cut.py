"""Cuts the power of a listener at any system call, and looks what the history then has.

    python tests/power_cut.py --seconds 1000 --cuts 400

strace notes what a listener writes and syncs. For each cut the files are made as a disk may have them: what was synced,
and of what was written since, any part, in sectors of 512 bytes. The history must open, be sound, and have all that had
been noted by then. The exit status is 1 if it has not.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stage import STARTED, Stage

from bowstream.config.sinks import HistorySettings
from bowstream.errors import BowstreamError
from bowstream.history import listening, queries
from bowstream.history.spans import Span, unix_ms
from bowstream.history.store import open_history
from bowstream.sinks.history import HistorySink

SECTOR = 512
CALLS = "openat,close,pwrite64,ftruncate,fdatasync,fsync,unlink,write"
ALWAYS = Span(0, 1 << 45)
Op = tuple[str, str, int, bytes]  # what, file, place or length, content


def listen(path: str, seconds: int) -> None:
    """Listen for so many seconds of made-up sound; say after each what is noted by then: events, and until when."""
    stage = Stage()
    with HistorySink(HistorySettings(path=path, days=36_500.0), *stage.stream) as sink:
        for second in range(seconds):
            stage.play(sink, stage.sound(1))
            if second % 2 == 0:
                stage.play(sink, stage.begin("dog", float(second)), stage.end("dog", float(second), second + 0.5))
            while sink.report().waiting:
                time.sleep(0.0005)
            os.write(1, b"noted %d %d\n" % (second // 2 + 1, second + 1))


def traced(folder: Path, seconds: int) -> Iterator[Op]:
    """Run a listener; yield what it did to the files of its history, and what it said, in order."""
    trace, path = folder / "trace", folder / "history.db"
    command = [sys.executable, __file__, "--listen", str(path), "--seconds", str(seconds)]
    strace = ["strace", "-f", "-xx", "-s", "70000", "-e", f"trace={CALLS}", "-o", str(trace)]
    subprocess.run([*strace, *command], check=True, stdout=subprocess.DEVNULL)
    files: dict[int, str] = {}
    with trace.open() as lines:
        for call in whole(lines):
            name, _, rest = call.partition("(")
            texts = [bytes.fromhex(text.replace("\\x", "")) for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', rest)]
            number = int(found[0]) if (found := re.match(r"\d+", rest)) else -1
            if name == "openat" and texts[0].startswith(bytes(path)):
                files[int(rest.rpartition("= ")[2].split()[0])] = Path(os.fsdecode(texts[0])).name
            elif name == "openat":
                files.pop(int(rest.rpartition("= ")[2].split()[0]), None)
            elif name == "write" and number == 1:
                yield "noted", "", 0, texts[0]
            elif name == "unlink" and texts[0].startswith(bytes(path)):
                yield "unlink", Path(os.fsdecode(texts[0])).name, 0, b""
            elif number in files and not files[number].endswith("-shm"):
                if name == "pwrite64":
                    yield "write", files[number], int(rest.rpartition(") ")[0].rpartition(", ")[2]), texts[0]
                elif name == "ftruncate":
                    yield "truncate", files[number], int(rest.partition(", ")[2].partition(")")[0]), b""
                elif name in ("fsync", "fdatasync"):
                    yield "sync", files[number], 0, b""


def whole(lines: Iterator[str]) -> Iterator[str]:
    """Yield each call in one piece; one that was interrupted by another thread's is in two."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, call = line.rstrip("\n").partition(" ")
        call = call.lstrip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>")
        else:
            yield re.sub(r"^<\.\.\. \w+ resumed>", lambda _, thread=thread: begun.pop(thread), call)


@dataclass
class Disk:
    """What is safe on a disk, what may be, and what has been noted."""

    safe: dict[str, bytearray] = field(default_factory=dict)
    waiting: dict[str, list[Op]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    events: int = 0
    until_s: int = 0

    def follow(self, op: Op) -> None:
        """Take the next call."""
        what, name, _, content = op
        if what == "noted":
            self.events, self.until_s = map(int, content.split()[1:])
        elif what == "unlink":
            self.gone.add(name)
        elif what == "sync":  # of any file: file systems with a journal then have all names, too
            for each in self.gone:
                self.safe.pop(each, None)
                self.waiting.pop(each, None)
            self.gone.clear()
            for each in self.waiting.pop(name, []):
                change(self.safe.setdefault(name, bytearray()), each)
        else:
            self.waiting.setdefault(name, []).append(op)

    def cut(self, folder: Path, chance: random.Random) -> Path:
        """Write the files as they may be after a power cut; return the history."""
        for name in self.safe.keys() | self.waiting.keys():
            image = bytearray(self.safe.get(name, b""))
            for op in self.waiting.get(name, []):
                for part in chance.choice((lambda op: [], lambda op: [op], lambda op: torn(op, chance)))(op):
                    change(image, part)
            (folder / name).write_bytes(image)
        return folder / "history.db"


def torn(op: Op, chance: random.Random) -> list[Op]:
    """Return some sectors of what is written."""
    what, name, place, content = op
    if what != "write":
        return [op]
    parts = range(0, len(content), SECTOR)
    return [(what, name, place + at, content[at : at + SECTOR]) for at in parts if chance.random() < 0.5]


def change(image: bytearray, op: Op) -> None:
    """Write to a file's content, or set its length."""
    what, _, place, content = op
    length = place if what == "truncate" else max(len(image), place + len(content))
    image.extend(bytes(max(0, length - len(image))))
    del image[length:]
    if what == "write":
        image[place : place + len(content)] = content


def missing(path: Path, disk: Disk) -> str:
    """Return what is wrong with a history after a power cut; empty if nothing is."""
    try:
        with open_history(path) as history:
            (state,) = history.execute("PRAGMA integrity_check").fetchone()
            events = len(queries.events(history, ALWAYS))
            ends_ms = [one.end_ms for one in listening.listened(history, ALWAYS)]
            heard_s = float(queries.minutes(history, ALWAYS).heard_s.sum())
    except (BowstreamError, sqlite3.Error) as error:
        return repr(error)
    until_s = (max(ends_ms, default=unix_ms(STARTED)) - unix_ms(STARTED)) / 1000.0
    right = state == "ok" and events >= disk.events and min(until_s, heard_s + 1e-3) >= disk.until_s
    return "" if right else f"{state}, {events} of {disk.events} events, {until_s} and {heard_s} of {disk.until_s} s"


def main() -> int:
    """Cut the power; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="of sound")
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--listen", metavar="FILE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.listen:
        listen(asked.listen, asked.seconds)
        return 0
    chance, disk, bad, cuts = random.Random(asked.seed), Disk(), 0, 0
    with tempfile.TemporaryDirectory(prefix="power-cut-") as folder:
        ops = list(traced(Path(folder), asked.seconds))
        first = next(place for place, op in enumerate(ops) if op[0] == "noted")
        places = set(chance.sample(range(first, len(ops)), min(asked.cuts, len(ops) - first)))
        for place, op in enumerate(ops):
            disk.follow(op)
            if place in places:
                with tempfile.TemporaryDirectory(dir=folder) as cut:
                    if told := missing(disk.cut(Path(cut), chance), disk):
                        print(f"after call {place}, {op[:2]}: {told}")
                        bad += 1
                    cuts += 1
    print(f"{cuts} power cuts in {len(ops)} calls: {bad} lost something that had been noted")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

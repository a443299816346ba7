"""Made-up archives, what a job made of them, and work that goes wrong, for the tests of archives."""

import os
import signal
import time
from pathlib import Path

import pytest
import soundfile
from signals import scene

from bowstream.cli.setup import open_session

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the archive extra: pip install 'bowstream[archive]'")

EAGER = "on = 0.05\noff = 0.03\n"


def made_up(root, sites=("A", "B b"), days=("20260601", "20260602"), length_s=4.0):
    """Write an archive of two recordings a day and site; return its folder."""
    for number, (site, day, hour) in enumerate((s, d, h) for s in sites for d in days for h in (6, 7)):
        path = root / site / f"{day}_{hour:02d}0000.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, scene(length_s, seed=number), 16_000)
    return root


def configured(folder):
    """Write a configuration in which events abound; return its file."""
    file = Path(folder, "eager.toml")
    file.write_text(EAGER)
    return str(file)


def tables(out):
    """Return the bytes of all tables in a folder of results, by their places."""
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(Path(out).rglob("*/*.parquet"))}


def rows(out, kind):
    """Return the rows of a table, in the order of their files."""
    files = sorted(Path(out, kind).rglob("*.parquet"))
    return [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]


def crashing_session(settings, source, bundle):
    """A session in a process that dies of what its name says; on the way as a decoder does."""
    if Path(source.name).name == "crash.wav":
        os.kill(os.getpid(), signal.SIGSEGV)
    if Path(source.name).name == "hang.wav":
        time.sleep(60.0)
    return open_session(settings, source, bundle)


def dies(tell):
    os._exit(3)


def hangs(tell):
    tell("begun")
    time.sleep(60.0)


def raises(text, tell):
    raise ValueError(text)


def adds(a, b, tell):
    tell("adding")
    return a + b


class Deadly:
    """A result that kills processes just when it is fetched."""

    def __init__(self, victims):
        self.victims = victims

    def __reduce__(self):
        for process in self.victims:
            os.kill(process, signal.SIGKILL)
        return Deadly, (self.victims,)


def deadly_once(number, place, victims):
    """Return a number; the first time that it is 1, a result that kills these processes."""
    if number == 1 and not Path(place).exists():
        Path(place).touch()
        return Deadly(victims)
    return number

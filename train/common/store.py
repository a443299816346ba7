"""Artefacts: each stage's output in a folder named after all that went into it.

A folder is called `….partial` until its stage has ended, so an interrupted stage finds what it had
finished, and a finished one is not run again; a `….lock` beside it lets one process at a time make it.
Settings that two runs share give the same name, so a sweep or the five folds share whatever they have
in common. To run a stage again, delete its folder: whatever was made from it before is made anew too.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import bowstream
from bowstream.errors import UsageError

from .progress import say
from .spent import Spent

RECORD = "stage.json"
# What numbers depend on, beside the code here.
PACKAGES = ("numpy", "tensorflow", "keras", "scikit-learn", "ai-edge-litert", "soundfile", "soxr")
ROWS_AT_ONCE = 1000


def digest(content: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(_json(content)).hexdigest()


def digest_of_rows(rows: NDArray[Any]) -> str:
    """Return the `digest` of an array as a list, which is ten times as large: some rows of it at a time."""
    hashed = hashlib.sha256(b"[")
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        some = _json(rows[begin : begin + ROWS_AT_ONCE].tolist())
        hashed.update((b"," if begin else b"") + some[1:-1])
    hashed.update(b"]")
    return hashed.hexdigest()


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def artefact(root: Path, stage: str, inputs: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
    """Return the folder of an artefact; make it first where it is missing.

    Parameters
    ----------
    root : the folder of all artefacts
    stage : what kind it is
    inputs : all that it depends on: settings, and names of other artefacts; JSON
    make : writes it into the folder that it is given, which may hold what an interrupted run left

    Returns
    -------
    path : the finished folder, with `stage.json`: inputs, git revision, time and memory taken
    """
    inputs = {"bowstream": bowstream.__version__, **inputs}
    path = root.absolute() / stage / digest(inputs)[:16]  # other processes may be elsewhere
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path.with_suffix(".lock")):
        partial = path.with_suffix(".partial")
        for there in (path, partial):
            if there.is_dir() and not fresh(root, there):
                say(f"{there}: what it was made from is no more; it is made anew")
                shutil.rmtree(there)
        if not path.is_dir():
            _make(root, partial, stage, inputs, make)
            partial.rename(path)
    return path


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock file; wait, and say so, while another process does."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that makes {lock.with_suffix('')}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(root: Path, path: Path, stage: str, inputs: Mapping[str, Any], make: Callable[[Path], None]) -> None:
    """Fill an artefact's folder, which is there where an interrupted run left it."""
    resumed = path.is_dir()
    if not resumed:
        path.mkdir()
        _write_record(path, {"stage": stage, "inputs": inputs, "made_from": made_from(root, inputs)})
    with Spent() as spent:
        make(path)
    took = {
        "git_revision": git_revision(),
        "created": now(),
        "seconds": round(spent.seconds, 1),
        "cpu_seconds": round(spent.cpu_seconds, 2),
        "resumed": resumed,  # then there were more seconds, in another process
        "peak_memory_mb": round(spent.peak_memory_mb),
    }
    _write_record(path, record(path) | took)


def _write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write `stage.json` at once or not at all."""
    new = path / f"new-{RECORD}"
    new.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    new.replace(path / RECORD)


def make_folder(path: Path) -> None:
    """Make a folder where there is none; raise `UsageError` where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"wanted a folder at {path}, which cannot be made: {error.strerror}") from error


def record(path: Path) -> dict[str, Any]:
    """Return an artefact's `stage.json`."""
    content: dict[str, Any] = json.loads((path / RECORD).read_text("utf-8"))
    return content


def parents(root: Path, inputs: Mapping[str, Any]) -> list[Path]:
    """Return the artefacts that are named among what goes into another."""
    names = re.findall(r'"([0-9a-f]{16})"', json.dumps(inputs))
    return [parent for name in names for parent in root.glob(f"*/{name}") if (parent / RECORD).is_file()]


def made_from(root: Path, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return when each of those was made."""
    return {parent.name: record(parent)["created"] for parent in parents(root, inputs)}


def fresh(root: Path, path: Path) -> bool:
    """Whether an artefact, finished or begun, was made from what is there now."""
    try:
        kept = record(path)
        return bool(kept["made_from"] == made_from(root, kept["inputs"]))
    except (OSError, ValueError, KeyError):  # cut before there was one, damaged, or of an older form
        return False


def lineage(root: Path, path: Path) -> list[Path]:
    """Return all artefacts that went into one, in the order in which they were made, and itself."""
    found: list[Path] = []
    for parent in parents(root, record(path)["inputs"]):
        found += [older for older in lineage(root, parent) if older not in found]
    return [*found, path]


def inputs_of(root: Path, paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Return what went into artefacts and into what they were made from, by stage; nothing of what is no artefact."""
    made = [older for path in paths if (path / RECORD).is_file() for older in lineage(root, path)]
    return {path.parent.name: record(path)["inputs"] for path in made}


def versions() -> dict[str, str]:
    """Return the versions of what makes numbers of recordings, and the processor that does."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **packages, "processor": processor()}


def processor() -> str:
    """Return what kind of processor this is."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([platform.machine(), *names[:1]])


def now() -> str:
    """Return the time, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def stated_time() -> str:
    """Return the time that what is made is said to be of: SOURCE_DATE_EPOCH where that is set, else now."""
    if epoch_s := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch_s), timezone.utc).isoformat(timespec="microseconds")
    return now()


@functools.cache
def git_revision() -> str:
    """Return the revision that this code is at, with `+` where the code of `train/` or `bowstream/` differs.

    That is asked once, early: what is changed later is not what runs.
    """
    here = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--", "train/*.py", "bowstream/*.py").strip()
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

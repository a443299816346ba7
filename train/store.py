"""Artefacts: each stage's output in a folder named after all that went into it.

A folder is made once. It is called `….partial` until the stage has ended, so an interrupted stage
finds what it had finished, and a finished one is never run again. Settings that two runs share
give the same name, so a sweep or the five folds share whatever they have in common.
"""

from __future__ import annotations

import hashlib
import json
import re
import resource
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import bowstream

RECORD = "stage.json"


def digest(content: Any) -> str:
    """Return the SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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
    path = root / stage / digest(inputs)[:16]
    if path.is_dir():
        return path
    partial = path.with_suffix(".partial")
    partial.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    make(partial)
    record = {
        "stage": stage,
        "inputs": inputs,
        "git_revision": git_revision(),
        "created": now(),
        "seconds": round(time.monotonic() - begun, 1),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    (partial / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    partial.rename(path)
    return path


def record(path: Path) -> dict[str, Any]:
    """Return an artefact's `stage.json`."""
    content: dict[str, Any] = json.loads((path / RECORD).read_text("utf-8"))
    return content


def lineage(root: Path, path: Path) -> list[Path]:
    """Return all artefacts that went into one, in the order in which they were made, and itself."""
    found: list[Path] = []

    def visit(path: Path) -> None:
        for name in re.findall(r'"([0-9a-f]{16})"', json.dumps(record(path)["inputs"])):
            for parent in root.glob(f"*/{name}"):
                if parent not in found:
                    visit(parent)
        found.append(path)

    visit(path)
    return found


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def git_revision() -> str:
    """Return the revision that this code is at, with `+` where `train/` or `bowstream/` differ from it."""
    here = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--", "train", "bowstream").strip()
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

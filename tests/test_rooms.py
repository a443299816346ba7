"""Rooms: who may import whom is written in pyproject.toml."""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is imported on the way to scores and does not make them.
BESIDE = {"errors", "_given", "_stderr", "config/settings", "config/toml", "result", "model/learned_file"}


def test_imports_go_one_way():
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kept, 0 broken" in done.stdout


def test_what_makes_scores_is_known_whole():
    """So that none of its changes leaves codes or scores from before in use."""
    from train.common.device import ON_THE_PATH

    folder, known = ROOT / "bowstream", set(ON_THE_PATH)
    for name in known:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bowstream."):
                home = node.module.removeprefix("bowstream.").replace(".", "/")
                inside = {f"{home}/{one.name}" for one in node.names} if (folder / home).is_dir() else {home}
                assert inside <= known | BESIDE, f"{name}.py:{node.lineno}"
    assert {"tagger", "audio/file"} <= known


def test_what_is_missing_is_installed_as_an_extra():
    """Wherever the program says so, in the same words; what it cannot do without is named itself."""
    extras = set(metadata("bowstream").get_all("Provides-Extra"))
    needed = {line for line in metadata("bowstream").get_all("Requires-Dist") if "extra ==" not in line}
    needed = {re.match(r"[\w-]+", line)[0] for line in needed}
    named = set()
    for path in (path for package in ("bowstream", "train") for path in (ROOT / package).rglob("*.py")):
        named |= set(re.findall(r"pip install ('[^']+'|[\w.-]+)", path.read_text("utf-8")))
    assert {"'bowstream[mqtt]'", "sounddevice"} <= named <= {f"'bowstream[{extra}]'" for extra in extras} | needed


def test_what_argparse_parsed_stays_in_the_command_lines():
    """Behind them, options have types: `argparse.Namespace` is named in the rooms of the verbs alone."""
    rooms = set()
    for path in (path for package in ("bowstream", "train") for path in (ROOT / package).rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        if "Namespace" in (getattr(node, "id", getattr(node, "attr", None)) for node in nodes):
            rooms.add(path.parent.relative_to(ROOT).as_posix())
    assert rooms == {"bowstream/cli", "train/cli"}

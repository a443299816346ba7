"""The folders of train/ lean on each other in one direction."""

import ast
from pathlib import Path

import pytest

TRAIN = Path(__file__).parents[1] / "train"
ORDER = ("common", "dataset", "model", "learned", "measure", "report")
MESSAGES = {"errors", "_stderr"}
MODULES = sorted(path for folder in ORDER for path in (TRAIN / folder).glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_imports_from_its_own_folder_and_those_below(path):
    below = ORDER[: ORDER.index(path.parent.name)]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            assert node.module and node.module.partition(".")[0] in below, f"{path}:{node.lineno}"


def test_what_makes_scores_is_known_whole():
    """So that none of its changes leaves codes or scores from before in use."""
    from train.common.device import ON_THE_PATH

    folder, known = TRAIN.parent / "bowstream", set(ON_THE_PATH)
    for name in known:
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bowstream."):
                home = node.module.removeprefix("bowstream.").replace(".", "/")
                inside = {f"{home}/{one.name}" for one in node.names} if (folder / home).is_dir() else {home}
                assert inside <= known | MESSAGES, f"{name}.py:{node.lineno}"
    assert {"tagger", "audio/file"} <= known


def test_every_folder_has_its_place():
    assert {path.name for path in TRAIN.iterdir() if (path / "__init__.py").is_file()} == set(ORDER)

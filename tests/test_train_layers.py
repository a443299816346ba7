"""The folders of train/ lean on each other in one direction."""

import ast
from pathlib import Path

import pytest

TRAIN = Path(__file__).parents[1] / "train"
ORDER = ("common", "dataset", "model", "learned", "measure", "report")
MODULES = sorted(path for folder in ORDER for path in (TRAIN / folder).glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_imports_from_its_own_folder_and_those_below(path):
    below = ORDER[: ORDER.index(path.parent.name)]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            assert node.module and node.module.partition(".")[0] in below, f"{path}:{node.lineno}"


def test_every_folder_has_its_place():
    assert {path.name for path in TRAIN.iterdir() if (path / "__init__.py").is_file()} == set(ORDER)

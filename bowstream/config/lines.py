"""In which line of a TOML file a value is: its parsed form does not say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

# The names that lead to a table or value.
Steps = tuple[str, ...]
DEPTH = 5

# What a line break, bracket or equals sign can hide in, and these themselves.
TOKEN = re.compile(
    r"""
    \#[^\n]*                                  # a comment
    | \"{3} (?:[^\\]|\\.)*? \"{3,5}           # strings of several lines
    | '{3} .*? '{3,5}
    | " (?:[^"\\\n]|\\.)* " | '[^'\n]*'       # and of one
    | [\[\]{}=\n]
    """,
    re.VERBOSE | re.DOTALL,
)


def lines_of(text: str) -> dict[Steps, int]:
    """Return the line, from 1, in which each table and value of a TOML text begins, down to five names deep.

    What is inside an inline table or a list is left out: it begins where that begins.
    """
    found: dict[Steps, int] = {}
    table: Steps = ()
    for line, head in heads(text):
        is_table = head.startswith("[")
        path = path_of(head.strip("[] \t")) if is_table else (*table, *path_of(head))
        table = path if is_table else table
        for depth in range(1, min(len(path), DEPTH) + 1):
            found.setdefault(path[:depth], line)
    return found


def heads(text: str) -> Iterator[tuple[int, str]]:
    """Yield each table's header, and each key with its dots, with the line in which it is."""
    start, line, began, depth, seen = 0, 1, 1, 0, False
    for token in TOKEN.finditer(text + "\n"):
        mark = token[0]
        line += mark.count("\n")
        depth += (mark in ("[", "{")) - (mark in ("]", "}"))
        if depth == 0 and not seen and mark[0] in "=#\n":
            if head := text[start : token.start()].strip():
                yield began, head
            seen = True
        if depth == 0 and mark == "\n":
            start, began, seen = token.end(), line, False


def parse(text: str) -> dict[str, Any]:
    """Return what a TOML file holds; raise `ValueError` or `RecursionError` if it is none."""
    # Not needed for `--help`.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def path_of(key: str) -> Steps:
    """Return the names in a key as TOML reads them."""
    values: Any = parse(f"{key} = 0")
    path: Steps = ()
    while isinstance(values, dict) and len(path) < DEPTH:
        ((name, values),) = values.items()
        path = (*path, name)
    return path

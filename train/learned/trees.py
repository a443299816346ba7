"""Trees of arrays (dictionaries and lists) in npz files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .joint import Tree


def save_tree(file: Path, tree: Tree) -> None:
    """Write the arrays of a tree of dictionaries and lists to a file."""
    partial = file.with_name(f"partial-{file.name}")
    named = {jax.tree_util.keystr(place): np.asarray(leaf) for place, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    np.savez(partial, allow_pickle=False, **named)
    partial.replace(file)


def load_state(file: Path, tree: Tree) -> Tree:
    """Return what `save_tree` wrote of such a tree, or the tree itself where there is no file."""
    if not file.exists():
        return tree
    with np.load(file) as arrays:
        named = {name: jnp.asarray(array) for name, array in arrays.items()}
    found: Tree = jax.tree_util.tree_map_with_path(lambda place, _: named[jax.tree_util.keystr(place)], tree)
    return found


def save_joint(file: Path, joint: Tree) -> None:
    """Write what a training came to; half precision is more than the int8 that becomes of it."""

    def halved(leaf: Array) -> Array:
        return leaf.astype(jnp.float16) if leaf.ndim > 1 else leaf

    save_tree(file, jax.tree.map(halved, joint))


def as_tree(arrays: Mapping[str, Any]) -> Tree:
    """Return a tree of arrays by the names that `save_tree` gives them, "['weights']['head'][0]['kernel']" say."""
    tree: Tree = {}
    for name, array in arrays.items():
        *inner, last = re.findall(r"\['?(\w+)'?\]", name)
        place = tree
        for key in inner:
            place = place.setdefault(key, {})
        place[last] = np.asarray(array, np.float32)
    found: Tree = in_lists(tree)
    return found


def in_lists(tree: Any) -> Any:
    """Return a tree whose dictionaries by number are lists."""
    if not isinstance(tree, dict):
        return tree
    if all(key.isdigit() for key in tree):
        return [in_lists(tree[str(index)]) for index in range(len(tree))]
    return {key: in_lists(value) for key, value in tree.items()}

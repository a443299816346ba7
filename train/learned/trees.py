"""Trees of arrays (dictionaries and lists): in npz files, and as one vector."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from .joint import Tree


def leaves(tree: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each array of a tree and its place, "['weights']['head'][0]['kernel']" say."""
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from leaves(tree[key], f"{place}[{key!r}]")
    elif isinstance(tree, list):
        for index, branch in enumerate(tree):
            yield from leaves(branch, f"{place}[{index}]")
    else:
        yield place, tree


def as_vector(tree: Tree) -> tf.Tensor:
    """Return all arrays of a tree as one vector."""
    return tf.concat([tf.reshape(leaf, (-1,)) for _, leaf in leaves(tree)], axis=0)


def cutter(like: Tree) -> Callable[[tf.Tensor], Tree]:
    """Return what turns a vector back into such a tree as it was made from."""
    shapes = {place: tuple(leaf.shape) for place, leaf in leaves(like)}
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])

    def tree_of(vector: tf.Tensor) -> Tree:
        return in_tree(
            {
                place: tf.reshape(vector[end - math.prod(shape) : end], shape)
                for (place, shape), end in zip(shapes.items(), ends)
            }
        )

    return tree_of


def in_tree(arrays: Mapping[str, Any]) -> Tree:
    """Return a tree of arrays by their places."""
    tree: Tree = {}
    for name, array in arrays.items():
        *inner, last = re.findall(r"\['?(\w+)'?\]", name)
        place = tree
        for key in inner:
            place = place.setdefault(key, {})
        place[last] = array
    found: Tree = in_lists(tree)
    return found


def in_lists(tree: Any) -> Any:
    """Return a tree whose dictionaries by number are lists."""
    if not isinstance(tree, dict):
        return tree
    if all(key.isdigit() for key in tree):
        return [in_lists(tree[str(index)]) for index in range(len(tree))]
    return {key: in_lists(value) for key, value in tree.items()}


def save_joint(file: Path, joint: Tree, names: Mapping[str, Sequence[str]]) -> None:
    """Write what a training came to; half precision is more than the int8 that becomes of it.

    Parameters
    ----------
    names : of what the head gives, which are kept beside
    """
    partial = file.with_name(f"partial-{file.name}")
    arrays = {place: np.asarray(leaf) for place, leaf in leaves(joint)}
    halved = {place: array.astype(np.float16) if array.ndim > 1 else array for place, array in arrays.items()}
    np.savez(partial, allow_pickle=False, **halved, **{name: np.array(texts, str) for name, texts in names.items()})
    partial.replace(file)


def load_joint(file: Path) -> tuple[Tree, dict[str, list[str]]]:
    """Return what `save_joint` wrote, float32, and the names beside."""
    with np.load(file) as arrays:
        texts = {name: array.tolist() for name, array in arrays.items() if array.dtype.kind == "U"}
        return in_tree({place: arrays[place].astype(np.float32) for place in {*arrays} - {*texts}}), texts

"""A made-up FSD50K, as the published one lies on disk: `python tests/made_up_fsd50k.py ROOT --share 1 --mean-s 0.6`.

Clips and their parts are those of the published set or a share of them, so are the tags and their kinship; each leaf
is a tone of its own in noise.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE_HZ = 44_100
# Clips of each part as published, with `split` and the first of their names, and how long they are.
PARTS = {"train": 36_796, "val": 4_170, "eval": 10_231}
SHORTEST_S, LONGEST_S, MEAN_S = 0.3, 30.0, 7.6
# Of 200 tags these are kinds of others, which are said with each of them.
TAGS, PARENTS = 200, 56


@dataclass(frozen=True)
class Extent:
    """How much is made: a share of the published clips, in so many tags, of so many seconds in the mean."""

    share: float = 1.0
    tags: int = TAGS
    parents: int = PARENTS
    mean_s: float = MEAN_S


def names_of(extent: Extent) -> list[str]:
    """Return the vocabulary, spelt as FSD50K spells it."""
    return [
        f"Kind_{tag:03}_and_all" if tag < extent.parents else f"Sound_{tag:03}_(made_up)" for tag in range(extent.tags)
    ]


def write_set(root: Path, extent: Extent) -> None:
    """Write the four folders and their files."""
    rng, names, clip = np.random.default_rng(50), names_of(extent), 0
    truth = root / "FSD50K.ground_truth"
    write_csv(truth / "vocabulary.csv", ((number, name, mid(number)) for number, name in enumerate(names)))
    rows: dict[str, list[tuple[Any, ...]]] = {"dev": [], "eval": []}
    for split, published in PARTS.items():
        part = "eval" if split == "eval" else "dev"
        audio = root / f"FSD50K.{part}_audio"
        audio.mkdir(parents=True, exist_ok=True)
        for place in range(max(round(published * extent.share), extent.tags - extent.parents)):
            clip += 1
            tags = tags_of(place, extent)
            fname = 10_000 + 7 * clip  # numbers of Freesound: neither from 1 nor without gaps
            soundfile.write(audio / f"{fname}.wav", sound(tags[0], seconds(rng, extent.mean_s), rng), RATE_HZ, "PCM_16")
            labels, mids = ",".join(names[tag] for tag in tags), ",".join(map(mid, tags))
            rows[part].append((fname, labels, mids, split) if part == "dev" else (fname, labels, mids))
    for part, columns in (("dev", ("fname", "labels", "mids", "split")), ("eval", ("fname", "labels", "mids"))):
        write_csv(truth / f"{part}.csv", [columns, *rows[part]])
        about = {row[0]: {"title": f"{row[0]}.wav", "license": "made up"} for row in rows[part]}
        write_json(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json", about)


def mid(tag: int) -> str:
    """Return a made-up machine id, as AudioSet has them."""
    return f"/m/0made{tag:03}"


def tags_of(place: int, extent: Extent) -> Sequence[int]:
    """Return a leaf and its parent; each leaf has its turn."""
    leaf = extent.parents + place % (extent.tags - extent.parents)
    return (leaf, leaf % extent.parents) if extent.parents else (leaf,)


def seconds(rng: np.random.Generator, mean_s: float) -> float:
    """Return a length: many clips are short, few are long."""
    return float(np.clip(SHORTEST_S + rng.exponential(max(mean_s - SHORTEST_S, 0.0)), SHORTEST_S, LONGEST_S))


def sound(leaf: int, length_s: float, rng: np.random.Generator) -> np.ndarray:
    """Return a leaf's tone in noise, (n,)."""
    t = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    noise = rng.standard_normal(len(t), np.float32)
    return 0.3 * np.sin(2 * np.pi * 150.0 * 1.019**leaf * t) + 10.0 ** rng.uniform(-3.0, -1.0) * noise


def write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_json(path: Path, content: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--share", type=float, default=Extent.share, help="of the published clips (default: all)")
    parser.add_argument("--tags", type=int, default=TAGS)
    parser.add_argument("--parents", type=int, default=PARENTS)
    parser.add_argument("--mean-s", type=float, default=MEAN_S, help="mean length of a clip (default: as published)")
    asked = parser.parse_args()
    write_set(asked.root, Extent(asked.share, asked.tags, asked.parents, asked.mean_s))

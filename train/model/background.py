"""Everyday sound for a bundle: what is taught on a device later is told from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

import bowstream.model.bundle
from bowstream.errors import AudioError
from bowstream.model.bundle import BACKGROUND
from bowstream.model.codebook import Codes
from bowstream.tagger import Tagger

from ..dataset.data import DataSet
from .bundle import seal

LARGEST_BYTES = 1_000_000
WINDOWS = 3600
# Codes in all, which take less than so many bytes: a bundle whose patches have several has fewer windows.
CODES = 900_000
# Windows of a recording at the most: many recordings say more than long ones.
OF_CLIP, OF_NEGATIVE = 3, 40
SEED = 11


def add_background(path: Path, data: DataSet, negatives: Iterable[Path] = ()) -> int:
    """Add everyday sound to a bundle, or replace it: of clips of all sources, and of negatives; return its windows.

    Parameters
    ----------
    path : the bundle's folder; its description and its hashes change, its scores do not
    data : what clips are drawn from, of each source as many
    negatives : recordings of everyday sound

    Raises
    ------
    BundleError
        If the bundle is damaged.
    """
    bundle, _ = bowstream.model.bundle.read(path)
    tagger = Tagger(bundle)
    recordings = [*windows_of(tagger, data, negatives)]
    codes = np.concatenate(recordings)
    write_background(path / BACKGROUND, codes, [len(each) for each in recordings])
    seal(path, bundle.description)
    bowstream.load_bundle(path)
    return len(codes)


def windows_of(tagger: Tagger, data: DataSet, negatives: Iterable[Path]) -> Iterator[Codes]:
    """Yield the codes of recordings' windows, int [shape=(n, P)], until there are enough."""
    left = min(WINDOWS, CODES // tagger.bundle.codes_per_window)
    chosen = [(path, OF_NEGATIVE) for path in negatives] + [(path, OF_CLIP) for path in turns(data)]
    for path, most in chosen:
        try:
            windows = tagger.tag(path).windows
        except AudioError:  # too short, or damaged: training has told of it
            continue
        first = max(0, (len(windows) - most) // 2)
        codes = np.stack([each.codes[-1] for each in windows[first : first + most]])[:left]
        left -= len(codes)
        yield codes
        if not left:
            return


def turns(data: DataSet) -> Iterator[Path]:
    """Yield clips, of each source in its turn, in an order that depends on the set alone."""
    rng = np.random.default_rng(SEED)
    sources: dict[str, list[Path]] = {}
    for index in rng.permutation(len(data.clips)).tolist():
        clip = data.clips[index]
        if clip.learn:
            sources.setdefault(clip.source, []).append(clip.path)
    while sources:
        for name in sorted(sources):
            yield sources[name].pop()
        sources = {name: paths for name, paths in sources.items() if paths}


def write_background(path: Path, codes: Codes, lengths: list[int]) -> None:
    """Write the file; raise `ValueError` if it is larger than a bundle should carry."""
    np.savez_compressed(path, codes=codes.astype(np.uint16), lengths=np.array(lengths, np.int32))
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{path} must have at most {LARGEST_BYTES:,} bytes (got {path.stat().st_size:,})")

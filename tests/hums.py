"""A small data set that anyone can tell apart, hums and hisses, and recordings that are neither."""

import csv

import numpy as np
import soundfile


def write_hums(root, folds, seed=0):
    """Write two recordings of each tag a fold, and `labels.csv`; return its path."""
    root.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(seed), []
    for number, fold in enumerate(fold for fold in folds for _ in range(4)):
        tag, t = ("hum", "hiss")[number % 2], np.arange(24_000) / 16_000
        samples = (
            0.3 * np.sin(2 * np.pi * (100 + 9 * number) * t) if tag == "hum" else 0.1 * rng.standard_normal(24_000)
        )
        soundfile.write(root / f"{number}.wav", samples, 16_000)
        rows.append((f"{number}.wav", tag, fold))
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "tags", "fold"), *rows])
    return root / "labels.csv"


def write_negatives(root):
    """Write three birds and three whistles; return the folder."""
    t = np.arange(48_000) / 16_000
    for number in range(6):
        samples = 0.2 * np.sin(2 * np.pi * (900 + 300 * number) * t * (1 + t)) * (np.sin(9 * t) > 0)
        soundfile.write(root / f"{('bird', 'whistle')[number % 2]}_{number}.wav", samples, 16_000)
    return root

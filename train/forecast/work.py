"""What each stage of the recipe has to do, in units that its cost is proportional to."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from bowstream.model.head import times_shown
from bowstream.model.patches import FAMILIES, Family

from ..common.config import TrainConfig
from ..dataset.features import WITHOUT_LOW_CUT
from ..model.codebook import shape
from ..model.encoder import SPREAD
from ..model.export import REPRESENTATIVE_ROWS
from ..model.head import EPOCH_WINDOWS
from .extent import Extent

Units = Mapping[str, float]
# Stages that keep all cores busy; the others keep one.
ON_ALL_CORES = frozenset({"check", "features", "encoder", "codes", "head", "held"})
# Sizes of patches do not depend on where the lowest band begins.
FRONT_END = WITHOUT_LOW_CUT
ONCE = {"once": 1.0}
EARLY = {"before any training": 1.0}
# What a training has, and a process keeps of all that it did.
TRAINED, KEPT = "parameters trained", "parameters kept"
# A pool is held as it was drawn and as it is shuffled, float32: a short run has too few values to see what they cost.
POOL = "values of a pool"
# TensorFlow keeps one of them as long as the process lives, as ESC-50's were.
COUNTED_MB = {POOL: 8e-6}
KEPT_POOL_MB = 4e-6
# Kinds whose units cost the same: both are trainings.
ALIKE = {"encoder": "training", "head": "training"}


@dataclass(frozen=True)
class Work:
    """One stage's work.

    kind : the name of the stage without its family
    key : what tells it from others of its name; those that have the same are made once
    time, disk : what they go by, and cost the same in all of this kind
    memory : likewise, in all of any kind
    """

    name: str
    kind: str
    key: Hashable
    time: Units
    memory: Units
    disk: Units


def work_of(config: TrainConfig, extent: Extent, split: str) -> Iterator[Work]:
    """Yield what it takes to fit and try one model of the recipe, in the order of its stages."""
    whole, fit, held = extent.whole, extent.fit[split], extent.held[split]
    of_files = ONCE | {"clips": whole.clips, "seconds of sound": whole.sound_s}  # processes are begun once
    windows = {"windows": float(whole.windows)}
    yield Work("check", "check", (), of_files, EARLY, {})
    yield Work("features", "features", config.features, of_files, EARLY, windows)
    encoders = (config.features, config.encoder, config.seed, split)
    codes = (encoders, config.codebook)
    for family in FAMILIES.values():
        yield encoder_work(family, config, fit.windows, encoders)
        yield export_work(family, config, (encoders, config.codebook.whiten))
    for family in FAMILIES.values():
        yield codebook_work(family, config, fit.windows, codes)
    compared = sum(family.patches(FRONT_END) * distances(family, config) for family in FAMILIES.values())
    counts, heard = counts_of(config), {"multiplied": products(config), "compared": compared}
    of_windows = {name: times * whole.windows for name, times in heard.items()}
    on_disk = {"counts": float(whole.windows * counts)}
    yield Work("codes", "codes", codes, windows | of_windows, ONCE, on_disk)
    head = (codes, config.head, config.context)
    yield head_work(config, fit.windows, counts, extent.tags, head)
    held_scores = {"scores": float(held.windows * extent.tags)}
    parameters = {"parameters": float(head_weights(config, counts, extent.tags))}
    yield Work("bundle", "bundle", head, ONCE | parameters, ONCE | prefixed("bundled ", parameters), parameters)
    of_held = {"clips": held.clips, "seconds of sound": held.sound_s}
    of_held |= {name: times * held.windows for name, times in heard.items()}
    yield Work("held", "held", head, ONCE | of_held, ONCE, held_scores)
    yield scores_work(config, held.windows * extent.tags, head)


def encoder_work(family: Family, config: TrainConfig, windows: int, key: Hashable) -> Work:
    """Return what it takes to train a family's autoencoder."""
    settings, parameters = config.encoder, 2 * weights(family, config)
    steps = settings.encoder_epochs * math.ceil(settings.epoch_patches / settings.encoder_batch)
    per_window = family.patches(FRONT_END)
    pool = min(settings.pool_patches, windows * per_window)
    time = training(settings.encoder_epochs, steps, settings.encoder_batch, parameters)
    time |= {"windows read": min(windows, SPREAD * settings.pool_patches / per_window)}
    memory = {POOL: float(pool * family.size(FRONT_END)), TRAINED: float(parameters)}
    return Work(f"encoder_{family.name}", "encoder", key, time, ONCE | memory, {TRAINED: float(parameters)})


def export_work(family: Family, config: TrainConfig, key: Hashable) -> Work:
    """Return what it takes to export an encoder as int8."""
    parameters = {"parameters": float(weights(family, config))}
    time = ONCE | parameters | {"values": float(REPRESENTATIVE_ROWS * family.size(FRONT_END))}
    return Work(f"export_{family.name}", "export", key, time, ONCE | prefixed("exported ", parameters), parameters)


def codebook_work(family: Family, config: TrainConfig, windows: int, key: Hashable) -> Work:
    """Return what it takes to fit a family's codebooks."""
    bands, codes, drawn = shape(family.name, FRONT_END, config.codebook)
    latents = min(bands * drawn, windows * family.patches(FRONT_END))
    time = {
        "compared": float(latents * codes * latent(family, config) * config.codebook.kmeans_rounds),
        "multiplied": float(latents * weights(family, config)),
    }
    memory = {"values to encode": float(latents * family.size(FRONT_END))}
    return Work(f"codebook_{family.name}", "codebook", key, ONCE | time, ONCE | memory, {})


def head_work(config: TrainConfig, windows: int, counts: int, tags: int, key: Hashable) -> Work:
    """Return what it takes to train a head."""
    settings, parameters = config.head, head_weights(config, counts, tags)
    steps = settings.head_epochs * math.ceil(max(windows, EPOCH_WINDOWS) / settings.head_batch)
    time = training(settings.head_epochs, steps, settings.head_batch, parameters) | {"windows": float(windows)}
    time |= {"values masked": float(steps * settings.head_batch * counts)}
    disk = {TRAINED: float(parameters)}
    return Work("head", "head", key, time, ONCE | disk, disk)


def scores_work(config: TrainConfig, scores: int, key: Hashable) -> Work:
    """Return what it takes to measure a model by so many scores, and its bundle by a few seconds of sound."""
    time = ONCE | {"scores": float(scores), "multiplied": float(products(config))}
    return Work("scores", "scores", key, time, ONCE, {})


def prefixed(prefix: str, units: Units) -> dict[str, float]:
    """Return units by other names."""
    return {prefix + name: amount for name, amount in units.items()}


def training(epochs: int, steps: int, batch: int, parameters: int) -> dict[str, float]:
    """Return what a training's time goes by: a checkpoint an epoch, and the products and the update of a step."""
    return ONCE | {
        "epochs": float(epochs),
        "parameters saved": float(epochs * parameters),
        "steps": float(steps),
        "parameters updated": float(steps * parameters),
        "multiplied": float(steps * batch * parameters),
    }


def latent(family: Family, config: TrainConfig) -> int:
    """Return the values of a latent vector."""
    return max(1, family.size(FRONT_END) // config.encoder.factor)


def weights(family: Family, config: TrainConfig) -> int:
    """Return the weights of a family's encoder."""
    width = config.encoder.width
    return width * (family.size(FRONT_END) + width + latent(family, config))


def products(config: TrainConfig) -> int:
    """Return the products that it takes to encode a window's patches."""
    return sum(family.patches(FRONT_END) * weights(family, config) for family in FAMILIES.values())


def distances(family: Family, config: TrainConfig) -> int:
    """Return the products that it takes to find a patch's code."""
    _, codes, _ = shape(family.name, FRONT_END, config.codebook)
    return codes * latent(family, config)


def counts_of(config: TrainConfig) -> int:
    """Return how many counts a window has."""
    shapes = (shape(name, FRONT_END, config.codebook) for name in FAMILIES)
    return sum(bands * codes for bands, codes, _ in shapes)


def head_weights(config: TrainConfig, counts: int, tags: int) -> int:
    """Return the weights of a head."""
    width = config.head.head_width
    return width * (times_shown(config.context) * counts + width + tags)

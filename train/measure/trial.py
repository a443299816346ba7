"""One model: fitted on a split, tried on the split's held-out clips. Run, sweep and check all do this."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream.errors import UsageError

from ..common.config import LEARNED, TrainConfig
from ..common.crew import ALL_CORES, Crew
from ..common.device import device_code
from ..common.progress import say
from ..common.store import artefact, digest
from ..dataset.data import DataSet, Split
from ..dataset.features import Features, absolute, features
from ..dataset.negatives import Negative
from ..model import recipe
from ..model.bundle import Fitted, Parts, TagCalibration, write_bundle
from ..model.head import SCORES
from .evaluate import Held, hear_held, measure


@dataclass(frozen=True)
class Study:
    """A data set and a configuration: all that it takes to fit models.

    root : the folder of all artefacts
    sound : the log-mel that encoders see
    fit : returns the artefacts of a model fitted on a split's `fit` clips
    """

    root: Path
    data: DataSet
    sound: Features
    config: TrainConfig
    fit: Callable[[Split], Parts]


@dataclass(frozen=True)
class Trial:
    """A split, the model fitted on it, its bundle without calibration, and what that says of the held-out clips.

    `bundle` is None where no device can do what the settings ask for: then the head's own scores are held.
    """

    split: Split
    parts: Parts
    bundle: Path | None
    held: Held

    @property
    def shipped(self) -> Path:
        """The bundle, where there is one.

        Raises
        ------
        UsageError
            If no device can do what the settings ask for.
        """
        if self.bundle is None:
            raise UsageError(f"{self.split.name}: the settings must be such that a device can do them (got no bundle)")
        return self.bundle


@dataclass(frozen=True)
class Model:
    """A trial's model with calibration and thresholds that its own held-out clips had no part in.

    held : its uncalibrated scores of its held-out clips
    negatives : those of the negatives that it did not learn from, `clip` being their number; None without any
    """

    tags: Sequence[TagCalibration]
    held: Held
    negatives: Held | None

    @property
    def of_negatives(self) -> Held:
        """The scores of negatives, where there are any."""
        if self.negatives is None:
            raise ValueError("the model must have heard negatives (got none)")
        return self.negatives


def study(
    root: Path,
    data: DataSet,
    hashes: Mapping[str, str],
    config: TrainConfig,
    negatives: Sequence[Negative] = (),
    crew: Crew = ALL_CORES,
) -> Study:
    """Return the study of a data set with the method that is asked for.

    Parameters
    ----------
    hashes : SHA-256 of each clip's file, by the clip's name
    negatives : recordings of none of the tags; the learned codebook learns from those that a split does not hold back
    crew : who makes shards
    """
    sound = features(root, data, hashes, config.features, crew)
    if config.method == LEARNED:
        from ..learned import learned

        plain = absolute(root, data, hashes, crew)
        of_method = functools.partial(learned.fit, sound=plain, negatives=negatives)
    else:
        if any(clip.may for clip in data.clips):
            say("note: the recipe takes tags that may sound in a clip for absent there")
        of_method = functools.partial(recipe.fit, sound=sound, crew=crew)
    return Study(root, data, sound, config, lambda split: of_method(root=root, data=data, split=split, config=config))


def try_split(study: Study, split: Split) -> Trial:
    """Fit on a split's `fit` clips and hear its `held` clips."""
    say(f"{split.name}: fitted on {len(split.fit)} clips, tried on {len(split.held)}")
    parts, data = study.fit(split), study.data
    bundle = as_bundle(study, split, parts) if study.config.on_device else None
    if bundle:
        held = hear_held(study.root, bundle, data, split, study.sound.key)
    else:
        windows = study.sound.windows(split.held)
        held = Held(np.load(parts.head / SCORES)[windows], study.sound.clip_of_window()[windows], parts.head)
    scores = measure(held, data.presence(), data.single_label)
    say(f"{split.name}: " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    if bundle:
        say(f"{split.name}: {bundle}: the bundle, not calibrated")
    return Trial(split, parts, bundle, held)


def as_bundle(study: Study, split: Split, parts: Parts) -> Path:
    """Return the artefact with a split's bundle, without calibration."""
    data = study.data
    plain = [TagCalibration()] * len(data.tags)
    model = Fitted(parts, study.sound, data, study.config, split.fit, split.part)
    inputs = {
        "parts": parts.names(),
        "context": parts.context,
        "competition": parts.competition,
        "tags": list(data.tags),
        "fit": digest(split.fit.tolist()),
        "device": device_code(),
    }

    def make(path: Path) -> None:
        write_bundle(path, split.name, model, plain, {})

    return artefact(study.root, "bundle", inputs, make)

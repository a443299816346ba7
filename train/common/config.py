"""The settings of training. Each has a unit and a reason; the command line is made from the fields."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bowstream.config.fields import Checked, flag, require, setting, settings_of
from bowstream.config.flags import add_flags as add_flags_of
from bowstream.errors import UsageError

from .learned_config import AugmentSettings, LearnedSettings, RefitSettings

RECIPE, LEARNED = "recipe", "learned"


@dataclass(frozen=True)
class FeatureSettings(Checked):
    """What the encoders look at. The log-mel itself is bowstream's and cannot be set."""

    level: str = setting(
        "relative",
        "log-mel relative to the loudest of the last second, or absolute as in the paper",
        choices=("relative", "absolute"),
    )
    low_cut: str = setting(
        "yes", "leave out DC, hum and rumble: bands begin at 100 Hz; in the paper at 0 Hz", choices=("yes", "no")
    )


@dataclass(frozen=True)
class EncoderSettings(Checked):
    """The autoencoders (paper, III-A)."""

    width: int = setting(256, "hidden neurons per layer; paper 2048, narrower is faster on a Pi", low=1)
    factor: int = setting(10, "values of a patch ÷ values of its latent vector; paper 10 (best) and 20", low=1, high=80)
    encoder_dropout: float = setting(
        0.1, "share of hidden neurons dropped; paper 0.5 of 2048, which starves narrower encoders", low=0.0, high=0.95
    )
    encoder_epochs: int = setting(10, "passes over `epoch_patches`", low=1)
    epoch_patches: int = setting(100_000, "patches per epoch, the same number for each family", low=1)
    pool_patches: int = setting(200_000, "patches of a family held in memory, drawn at random", low=1)
    encoder_batch: int = setting(512, "patches per step", low=1)
    encoder_rate: float = setting(1e-3, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0, high=1.0)


@dataclass(frozen=True)
class CodebookSettings(Checked):
    """k-means and what it looks at (paper, III-B)."""

    whiten: str = setting(
        "no",
        "whiten the latent vectors, folded into the encoder's last layer; not in the paper, k-means gains by it",
        choices=("no", "yes"),
    )
    codes: int = setting(256, "centroids per family (D); paper 16, 64, 256 (best), 1024", low=2)
    band_codes: int = setting(
        0, "centroids of each band of `pat` and `fenv`; 0 for one codebook per family, as the paper reads", low=0
    )
    kmeans_latents: int = setting(50_000, "latent vectors per family that k-means is fitted on", low=2)
    kmeans_rounds: int = setting(30, "most iterations of Lloyd's algorithm", low=1)


@dataclass(frozen=True)
class HeadSettings(Checked):
    """The head on the counts (paper, III-C and IV)."""

    head_width: int = setting(512, "neurons in each of two hidden layers; paper 256, 512 (best), 2048, 4096", low=1)
    head_dropout: float = setting(0.4, "share of hidden neurons dropped; paper 0.1 and 0.4 (best)", low=0.0, high=0.95)
    mask: float = setting(
        0.35, "probability that an input count is set to 0; paper 0.1 … 0.5, best 0.35", low=0.0, high=0.95
    )
    head_epochs: int = setting(60, "passes over the training windows, each of at least 8000 windows", low=1)
    head_batch: int = setting(128, "windows per step", low=1)
    head_rate: float = setting(1e-3, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0, high=1.0)
    count_transform: str = setting(
        "none", "transform of each count before the head; none in the paper", choices=("none", "sqrt", "log")
    )
    idf: str = setting(
        "no", "weigh a count by the rarity of its code (tf-idf); not in the paper", choices=("no", "yes")
    )
    pairs: int = setting(
        0, "buckets to count pairs of successive `env` codes in, beside the codes (paper, V); only in sweep", low=0
    )


@dataclass(frozen=True)
class ScoreSettings(Checked):
    """What becomes of the last head's logits."""

    competition: float = setting(
        0.5, "how much of a window's evidence the tags share; 0 judges each alone, 1 as a softmax", low=0.0, high=1.0
    )


@dataclass(frozen=True)
class TrainConfig(Checked):
    """All settings: which method, what all methods and stages share, and the settings of the stages."""

    method: str = setting(
        RECIPE,
        "the paper's recipe (autoencoders, k-means, head), or encoders, codebooks and head learned together",
        choices=(RECIPE, LEARNED),
    )
    seed: int = setting(1, "seed of all random numbers", low=0, high=2**32 - 1)
    context: int = setting(
        1, "windows that the head hears together: the newest, and its sum with those before it", low=1, high=15
    )
    reel_mb: int = setting(
        128, "most MB of a data set in memory at a time; of a larger set, random parts take turns", low=1
    )
    features: FeatureSettings = field(default_factory=FeatureSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    codebook: CodebookSettings = field(default_factory=CodebookSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    learned: LearnedSettings = field(default_factory=LearnedSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    refit: RefitSettings = field(default_factory=RefitSettings)
    scores: ScoreSettings = field(default_factory=ScoreSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        windows, at_most = self.learned.stream_windows, self.context
        require(windows <= at_most, "stream_windows", f"must be at most the context, {at_most} (got {windows})")

    def with_values(self, **values: Any) -> TrainConfig:
        """Return a copy with settings changed by name, whichever stage they belong to."""
        unknown = set(values) - set(all_settings())
        if unknown:
            raise UsageError(f"there is no setting {', '.join(sorted(unknown))}; there are {', '.join(all_settings())}")
        changed = {name: values[name] for name in settings_of(self) if name in values}
        for stage, names in stages().items():
            mine = {name: value for name, value in values.items() if name in names}
            changed[stage] = dataclasses.replace(getattr(self, stage), **mine)
        return dataclasses.replace(self, **changed)

    @property
    def on_device(self) -> bool:
        """Whether a device can do what is asked for, so that a bundle can be made."""
        return self.method == LEARNED or self.head.pairs == 0

    def read(self) -> dict[str, Any]:
        """Return what the method reads, as JSON can hold it: the settings of all methods, and those of its stages."""
        of_all = {name: getattr(self, name) for name in settings_of(self)}
        return of_all | {stage: asdict(getattr(self, stage)) for stage in READ_BY[self.method]}


# The stages whose settings each method reads.
READ_BY: Mapping[str, tuple[str, ...]] = {
    RECIPE: ("features", "encoder", "codebook", "head"),
    LEARNED: ("learned", "augment", "refit", "scores"),
}


def stages() -> dict[str, Mapping[str, dataclasses.Field[Any]]]:
    """Return each stage's settings by name."""
    default = TrainConfig()
    names = [one.name for one in dataclasses.fields(TrainConfig) if one.name not in settings_of(TrainConfig)]
    return {name: settings_of(getattr(default, name)) for name in names}


def all_settings() -> dict[str, dataclasses.Field[Any]]:
    """Return all settings by name."""
    return {name: one for each in (settings_of(TrainConfig), *stages().values()) for name, one in each.items()}


def refuse_unread(names: Iterable[str], methods: Collection[str]) -> None:
    """Raise `UsageError` for the first of these settings that none of these methods reads."""
    of_stage = stages()
    read = {
        *settings_of(TrainConfig),
        *(name for method in methods for stage in READ_BY[method] for name in of_stage[stage]),
    }
    for name in names:
        if name not in read:
            of = next(method for method, read_by in READ_BY.items() if any(name in of_stage[one] for one in read_by))
            raise UsageError(f"{flag(name)} is for --method {of}: leave it out with --method {' and '.join(methods)}")


def refuse_idle_negatives(negatives: Path | None, methods: Collection[str]) -> None:
    """Raise `UsageError` for negatives that none of these methods learns from, where that is all they are for."""
    if negatives and LEARNED not in methods:
        raise UsageError("--negatives are learned from with --method learned only: leave them out")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting, grouped by stage."""
    default = TrainConfig()
    for stage in ("method", *stages()):
        readers = [method for method, read in READ_BY.items() if stage in read]
        group = parser.add_argument_group(" ".join([stage, *(f"(--method {method})" for method in readers)]))
        add_flags_of(group, TrainConfig if stage == "method" else type(getattr(default, stage)))


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among parsed arguments."""
    return {name: value for name, value in arguments.items() if name in all_settings()}


def from_flags(arguments: Mapping[str, Any]) -> TrainConfig:
    """Return the config that parsed flags ask for.

    Raises
    ------
    UsageError
        If a value is out of range, or the method does not read it.
    """
    values = given(arguments)
    config = TrainConfig().with_values(**values)
    refuse_unread(values, [config.method])
    return config

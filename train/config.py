"""The knobs. Each has a unit and a reason; the command line is made from the fields."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bowstream.errors import UsageError


def knob(default: Any, why: str, *choices: Any, low: float | None = None, high: float | None = None) -> Any:
    """Return a dataclass field with its reason and its range (or its choices)."""
    return field(default=default, metadata={"why": why, "choices": choices, "low": low, "high": high})


class Checked:
    """A settings class whose values are checked against their knobs."""

    def __post_init__(self) -> None:
        for knob_field in dataclasses.fields(self):
            value, rules = getattr(self, knob_field.name), knob_field.metadata
            if rules["choices"] and value not in rules["choices"]:
                wanted = ", ".join(map(str, rules["choices"]))
                raise UsageError(f"{flag(knob_field.name)} must be one of {wanted}, got {value}")
            low, high = rules["low"], rules["high"]
            if (low is not None and value < low) or (high is not None and value > high):
                wanted = f"at least {low}" if high is None else f"{low} … {high}"
                raise UsageError(f"{flag(knob_field.name)} must be {wanted}, got {value}")


@dataclass(frozen=True)
class FeatureSettings(Checked):
    """What the encoders look at. The log-mel itself is bowstream's and has no knob."""

    level: str = knob(
        "relative", "log-mel below the loudest of the last second, or absolute as in the paper", "relative", "absolute"
    )


@dataclass(frozen=True)
class EncoderSettings(Checked):
    """The autoencoders (paper, III-A)."""

    width: int = knob(256, "hidden neurons a layer; paper 2048, narrower is faster on a Pi", low=1)
    factor: int = knob(10, "values of a patch ÷ values of its latent vector; paper 10 (best) and 20", low=1, high=80)
    encoder_dropout: float = knob(0.5, "share of hidden neurons dropped; paper 0.5", low=0.0, high=0.95)
    encoder_epochs: int = knob(10, "passes over `epoch_patches`", low=1)
    epoch_patches: int = knob(100_000, "patches an epoch, the same work for each family", low=1)
    pool_patches: int = knob(200_000, "patches of a family held in memory, drawn at random", low=1)
    encoder_batch: int = knob(512, "patches a step", low=1)
    encoder_rate: float = knob(1e-3, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0)
    whiten: str = knob(
        "no",
        "whiten the latent vectors, folded into the last layer; not in the paper, k-means gains by it",
        "no",
        "yes",
    )


@dataclass(frozen=True)
class CodebookSettings(Checked):
    """k-means (paper, III-B)."""

    codes: int = knob(256, "centroids a family (D); paper 16, 64, 256 (best), 1024", low=2)
    kmeans_latents: int = knob(50_000, "latent vectors of a family that k-means is fitted on", low=2)
    kmeans_rounds: int = knob(30, "Lloyd's iterations at most", low=1)


@dataclass(frozen=True)
class HeadSettings(Checked):
    """The head on the counts (paper, III-C and IV)."""

    head_width: int = knob(512, "neurons in each of two hidden layers; paper 256, 512 (best), 2048, 4096", low=1)
    head_dropout: float = knob(0.4, "share of hidden neurons dropped; paper 0.1 and 0.4 (best)", low=0.0, high=0.95)
    mask: float = knob(
        0.35, "probability that an input count is set to 0; paper 0.1 … 0.5, best 0.35", low=0.0, high=0.95
    )
    head_epochs: int = knob(60, "passes over the training windows, each of 8000 windows at least", low=1)
    head_batch: int = knob(128, "windows a step", low=1)
    head_rate: float = knob(1e-3, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0)
    count_transform: str = knob("none", "what the head sees of a count; none in the paper", "none", "sqrt")


@dataclass(frozen=True)
class Config:
    """All knobs, by the stage that reads them, and the seed that all stages share."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    codebook: CodebookSettings = field(default_factory=CodebookSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    seed: int = 1

    def with_values(self, **values: Any) -> Config:
        """Return a copy with knobs changed by name, whichever stage they belong to."""
        changed = {}
        for stage, names in stages().items():
            mine = {name: value for name, value in values.items() if name in names}
            changed[stage] = dataclasses.replace(getattr(self, stage), **mine)
        unknown = set(values) - set(knobs()) - {"seed"}
        if unknown:
            raise UsageError(f"no knob is called {', '.join(sorted(unknown))}; there are {', '.join(knobs())}, seed")
        return Config(**changed, seed=values.get("seed", self.seed))


def stages() -> dict[str, dict[str, dataclasses.Field[Any]]]:
    """Return each stage's knobs by name."""
    default = Config()
    return {
        stage.name: {knob_field.name: knob_field for knob_field in dataclasses.fields(getattr(default, stage.name))}
        for stage in dataclasses.fields(Config)
        if stage.name != "seed"
    }


def knobs() -> dict[str, dataclasses.Field[Any]]:
    """Return all knobs by name."""
    return {name: knob_field for stage in stages().values() for name, knob_field in stage.items()}


def flag(name: str) -> str:
    """Return a knob's name on the command line."""
    return "--" + name.replace("_", "-")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each knob, grouped by stage, and `--seed`."""
    for stage, fields in stages().items():
        group = parser.add_argument_group(stage)
        for name, knob_field in fields.items():
            group.add_argument(
                flag(name),
                type=type(knob_field.default),
                choices=knob_field.metadata["choices"] or None,
                default=argparse.SUPPRESS,
                metavar=None if knob_field.metadata["choices"] else type(knob_field.default).__name__.upper(),
                help=f"{knob_field.metadata['why'].replace('%', '%%')} (default: {knob_field.default})",
            )
    parser.add_argument("--seed", type=int, default=argparse.SUPPRESS, help="of all that is random (default: 1)")


def from_flags(arguments: Mapping[str, Any]) -> Config:
    """Return the config that parsed flags ask for."""
    given = {name: value for name, value in arguments.items() if name in knobs() or name == "seed"}
    return Config().with_values(**given)

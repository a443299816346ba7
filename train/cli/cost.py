"""`python -m train cost`: what the device has to do, as tables and plots; or how long training would take."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowstream.config.fields import flag
from bowstream.errors import UsageError

from ..common.config import LEARNED, TrainConfig, add_flags, from_flags, given
from ..experiments import EXPERIMENTS
from .options import Commands, add_data, data_set, refuse_off_device

if TYPE_CHECKING:
    from ..dataset.data import DataSet
    from ..forecast.extent import Extent

PAPER = "paper"
# What goes with --data, with --hours, and with either of them.
OF_FILES, OF_SIZE, OF_TRAINING = ("folds",), ("clips", "tags"), ("experiment", "against")
TAGS = 200


@dataclass(frozen=True)
class DeviceOptions:
    """Where it is written what a device has to do."""

    out: Path


@dataclass(frozen=True)
class Files:
    """A data set to train with, which is there.

    read : returns it
    folds : the first splits only; None for all
    """

    read: Callable[[], DataSet]
    folds: int | None

    def extent(self) -> Extent:
        """Return how much there is to train with."""
        from ..forecast.extent import extent_of
        from ..sweep import first_splits

        data = self.read()
        return extent_of(data, first_splits(data, self.folds))


@dataclass(frozen=True)
class Size:
    """A data set to train with, which need not be there."""

    hours: float
    clips: int
    tags: int

    def __post_init__(self) -> None:
        if not (self.hours > 0 and self.clips > 0 and self.tags > 0):
            raise UsageError("--hours, --clips and --tags must be above 0")

    def extent(self) -> Extent:
        """Return how much there is to train with."""
        from ..forecast.extent import extent_of_size

        return extent_of_size(self.hours, self.clips, self.tags)


@dataclass(frozen=True)
class ForecastOptions:
    """Which training the forecast is about.

    settings : as they are given
    experiment : whose settings are all tried; None for these alone
    against : a folder of artefacts, whose own records are shown beside
    """

    todo: Files | Size
    settings: Mapping[str, Any]
    experiment: str | None
    against: Path | None


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "cost",
        help="what it costs on a device, as tables and plots; with --data or --hours, what training costs",
    )
    parser.add_argument("--out", type=Path, help="folder of the device's tables (CSV) and plots")
    add_data(parser, required=False)
    parser.add_argument(
        "--hours", type=float, help="forecast for a set of so many hours, with --clips and --tags, instead of --data"
    )
    parser.add_argument("--clips", type=int, help="clips of such a set")
    parser.add_argument("--tags", type=int, help=f"tags of such a set (default: {TAGS})")
    parser.add_argument("--folds", type=int, help="the first N splits only (default: all)")
    parser.add_argument(
        "--experiment",
        choices=(*EXPERIMENTS, PAPER),
        help="forecast for all settings of this experiment, not for one setting",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="RUNS",
        help="a folder of artefacts, whose own records are shown beside the forecast",
    )
    add_flags(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    asked = options(arguments)
    if isinstance(asked, ForecastOptions):
        return print(forecast(asked), end="")
    from ..cost import Plan, cost

    cost(asked.out, Plan())


def options(arguments: Namespace) -> DeviceOptions | ForecastOptions:
    """Return what parsed arguments ask for; raise `UsageError` for what does not go together."""
    settings = given(vars(arguments))
    if not arguments.data and arguments.hours is None:
        why = "is of training: it goes with --data or --hours"
        refuse(arguments, (*settings, *OF_FILES, *OF_SIZE, *OF_TRAINING), why)
        if arguments.out is None:
            raise UsageError("wanted --out for what a device has to do, or --data or --hours for training")
        return DeviceOptions(arguments.out)
    refuse(arguments, ["out"], "is for what a device has to do: the forecast of a training is printed")
    todo: Files | Size
    if arguments.data:
        refuse(arguments, ("hours", *OF_SIZE), "is of a set that is not there: leave it out with --data")
        todo = Files(partial(data_set, arguments), arguments.folds)
    else:
        refuse(arguments, OF_FILES, "goes with --data")
        if arguments.clips is None:
            raise UsageError("--hours must come with --clips")
        todo = Size(arguments.hours, arguments.clips, TAGS if arguments.tags is None else arguments.tags)
    return ForecastOptions(todo, settings, arguments.experiment, arguments.against)


def refuse(arguments: Namespace, names: Iterable[str], why: str) -> None:
    """Raise `UsageError` for the first of these options that is given."""
    for name in names:
        if getattr(arguments, name) is not None:
            raise UsageError(f"{flag(name)} {why}")


def forecast(asked: ForecastOptions) -> str:
    """Return the forecast of a training, Markdown."""
    configs = configs_of(asked)
    for config in configs:
        if config.method == LEARNED:
            raise UsageError("--method learned cannot be forecast: README.md says how fast a core learns")
        refuse_off_device(config)
    from ..forecast.forecast import as_table, forecast, measured_in, works
    from ..forecast.rates import measured

    lines = forecast(works(configs, asked.todo.extent()), measured())
    there = measured_in(asked.against, [line.kind for line in lines]) if asked.against else []
    return as_table(lines, {line.kind: line for line in there})


def configs_of(asked: ForecastOptions) -> list[TrainConfig]:
    """Return the configs that the forecast is about."""
    from .. import sweep
    from ..paper import experiments

    if asked.experiment == PAPER:
        return [config for one in experiments(asked.settings) for config in one.configs]
    if asked.experiment:
        return sweep.configs_of(EXPERIMENTS[asked.experiment], asked.settings)
    return [from_flags(asked.settings)]

"""`python -m train cost`: what the device has to do, as tables and plots; or how long training would take."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bowstream.config.fields import flag
from bowstream.errors import UsageError

from ..common.config import LEARNED, TrainConfig, add_flags, from_flags, given
from ..experiments import EXPERIMENTS
from .options import Commands, add_data, data_set, refuse_off_device

if TYPE_CHECKING:
    from ..forecast.extent import Extent

PAPER = "paper"
# What goes with --data, with --hours, and with either of them.
OF_FILES, OF_SIZE, OF_TRAINING = ("folds",), ("clips", "tags"), ("experiment", "against")
TAGS = 200


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
    if arguments.data or arguments.hours is not None:
        return print(forecast(arguments), end="")
    settings = given(vars(arguments))
    refuse(arguments, (*settings, *OF_FILES, *OF_SIZE, *OF_TRAINING), "is of training: it goes with --data or --hours")
    if arguments.out is None:
        raise UsageError("wanted --out for what a device has to do, or --data or --hours for training")
    from ..cost import Plan, cost

    cost(arguments.out, Plan())


def refuse(arguments: Namespace, names: Iterable[str], why: str) -> None:
    """Raise `UsageError` for the first of these options that is given."""
    for name in names:
        if getattr(arguments, name) is not None:
            raise UsageError(f"{flag(name)} {why}")


def forecast(arguments: Namespace) -> str:
    """Return the forecast of a training, Markdown."""
    refuse(arguments, ["out"], "is for what a device has to do: the forecast of a training is printed")
    configs = asked(arguments)
    for config in configs:
        if config.method == LEARNED:
            raise UsageError("--method learned cannot be forecast: README.md says how fast a core learns")
        refuse_off_device(config)
    from ..forecast.forecast import as_table, forecast, measured_in, works
    from ..forecast.rates import measured

    todo = works(configs, extent(arguments))
    lines = forecast(todo, measured())
    there = measured_in(arguments.against, [line.kind for line in lines]) if arguments.against else []
    return as_table(lines, {line.kind: line for line in there})


def asked(arguments: Namespace) -> list[TrainConfig]:
    """Return the configs that the forecast is about."""
    from ..paper import experiments
    from ..sweep import configs_of

    settings = given(vars(arguments))
    if arguments.experiment == PAPER:
        return [config for one in experiments(settings) for config in one.configs]
    if arguments.experiment:
        return configs_of(EXPERIMENTS[arguments.experiment], settings)
    return [from_flags(settings)]


def extent(arguments: Namespace) -> Extent:
    """Return how much there is to train with."""
    from ..forecast.extent import extent_of, extent_of_size
    from ..sweep import first_splits

    if arguments.data:
        refuse(arguments, ("hours", *OF_SIZE), "is of a set that is not there: leave it out with --data")
        data = data_set(arguments)
        return extent_of(data, first_splits(data, arguments.folds))
    refuse(arguments, OF_FILES, "goes with --data")
    if arguments.clips is None:
        raise UsageError("--hours must come with --clips")
    tags = TAGS if arguments.tags is None else arguments.tags
    if not (arguments.hours > 0 and arguments.clips > 0 and tags > 0):
        raise UsageError("--hours, --clips and --tags must be above 0")
    return extent_of_size(arguments.hours, arguments.clips, tags)

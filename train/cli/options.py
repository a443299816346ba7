"""What several commands take: a data set, and what a training is told."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bowstream.errors import UsageError

from ..common.config import TrainConfig, add_flags, refuse_idle_negatives
from ..common.crew import Crew
from ..common.store import make_folder
from ..dataset.data import DataSet, Split
from ..dataset.joined import GROUPS, SOURCES, Joining
from ..dataset.layouts import LAYOUTS, read_sets
from ..dataset.licences import LICENCES
from ..dataset.vocabulary import BUILT_IN

if TYPE_CHECKING:
    from ..measure.waveform import WaveformTagger
    from ..sweep import Common

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_data(command: argparse.ArgumentParser, required: bool = True) -> None:
    """Add what names data sets, and how several become one."""
    command.add_argument(
        "--data",
        action="append",
        required=required,
        metavar="SET",
        help=f"a data set: LAYOUT:PATH ({', '.join(LAYOUTS)}), a CSV, or a folder of one folder per tag; repeatable",
    )
    command.add_argument("--root", type=Path, help="folder of a --data that only names a layout")
    command.add_argument(
        "--vocabulary",
        default="",
        metavar="NAME|CSV",
        help=f"map labels onto its tags: {', '.join(BUILT_IN)}, or a CSV",
    )
    command.add_argument(
        "--licences",
        choices=LICENCES,
        default=Joining.licences,
        help="learn from clips whose licence is stated, from free ones or from all; the rest is for trials only "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--hold-out",
        choices=(GROUPS, SOURCES),
        default=Joining.hold_out,
        help="what is held out for trials: groups of clips, or whole sources (default: %(default)s)",
    )
    command.add_argument(
        "--learn-only",
        action="append",
        default=[],
        metavar="SOURCE",
        help="a source to learn from and never try on, such as synthetic sounds; can be repeated",
    )
    command.add_argument("--teacher", type=Path, metavar="NPZ", help="what `teacher` wrote: soft labels to learn from")


def add_training(command: argparse.ArgumentParser) -> None:
    """Add what a training takes."""
    add_data(command)
    command.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")
    command.add_argument(
        "--negatives",
        type=Path,
        metavar="FOLDER",
        help="recordings of none of the tags, named KIND_…: each model measures false events on a part of them and, "
        "with --method learned, learns from the others",
    )
    add_flags(command)


def add_trials(command: argparse.ArgumentParser) -> None:
    """Add what says which splits trials are made on, and who makes them."""
    command.add_argument("--folds", type=int, help="try each setting on the first N splits only (default: all)")
    add_crew(command, 1, "the trials")


def add_crew(command: argparse.ArgumentParser, jobs: int, what: str) -> None:
    """Add who makes something."""
    command.add_argument("--jobs", type=int, default=jobs, help=f"processes that share {what} (default: %(default)s)")
    command.add_argument(
        "--dask", metavar="ADDRESS", help="scheduler of a Dask cluster that does it, such as tcp://host:8786"
    )


def crew(arguments: argparse.Namespace, jobs: int = 1) -> Crew:
    """Return who makes it; `jobs` is how many do where nothing is said."""
    if not 1 <= arguments.jobs <= 256:
        raise UsageError(f"--jobs must be 1 … 256 (got {arguments.jobs})")
    if arguments.dask and arguments.jobs != jobs:
        raise UsageError("--dask uses the workers of a cluster: leave --jobs out")
    return Crew(arguments.jobs, arguments.dask)


def add_other(command: argparse.ArgumentParser) -> None:
    """Add what names another tagger to compare with."""
    command.add_argument(
        "--against", type=Path, metavar="TFLITE", help="another tagger to compare with, such as yamnet.tflite"
    )
    command.add_argument(
        "--labels", type=Path, help="its labels: a CSV with a column display_name, or one label per line"
    )


def other_tagger(arguments: argparse.Namespace) -> WaveformTagger | None:
    """Return the tagger that is asked for, if one is."""
    if (arguments.against is None) != (arguments.labels is None):
        raise UsageError("--against and --labels go together")
    from ..measure.waveform import waveform_tagger

    return waveform_tagger(arguments.against, arguments.labels) if arguments.against else None


def add_scenes(command: argparse.ArgumentParser) -> None:
    """Add what scenes are made of."""
    add_data(command)
    command.add_argument(
        "--negatives", type=Path, required=True, metavar="FOLDER", help="recordings that clips are placed into"
    )
    command.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")


def data_set(arguments: argparse.Namespace, fewest: int = Joining.fewest) -> DataSet:
    """Return the data set that is asked for."""
    how = Joining(
        arguments.vocabulary,
        arguments.licences,
        arguments.hold_out,
        teacher=arguments.teacher,
        learn_only=tuple(arguments.learn_only),
        fewest=fewest,
    )
    return read_sets(arguments.data, arguments.root, how)


def trials_of(arguments: argparse.Namespace, configs: Iterable[TrainConfig]) -> tuple[Common, Sequence[Split]]:
    """Return what trials of these settings have in common, and the splits that they are made on."""
    from ..sweep import Common, first_splits

    data = data_set(arguments)
    splits = first_splits(data, arguments.folds)
    refuse_idle_negatives(arguments.negatives, {config.method for config in configs})
    make_folder(arguments.out)  # before hours of work
    return Common.of(arguments.runs, data, arguments.negatives), splits


def refuse_off_device(settings: TrainConfig) -> None:
    """Raise `UsageError` for what no device can do."""
    if not settings.on_device:
        raise UsageError("no bundle can do --pairs: they can be tried with sweep")

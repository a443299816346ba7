"""The command line: parses, calls, turns errors into exit codes."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from bowstream.config.fields import SettingError, flag
from bowstream.errors import BowstreamError, UsageError

from .common import config
from .dataset.data import DataError, DataSet
from .dataset.joined import GROUPS, SOURCES, Joining
from .dataset.layouts import LAYOUTS, read_sets
from .dataset.licences import LICENCES
from .dataset.vocabulary import BUILT_IN
from .experiments import EXPERIMENTS, combinations, parse_axes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except ModuleNotFoundError as error:
        print(f"train: {error.name} is missing: pip install 'bowstream[train]'", file=sys.stderr)
        return 1
    except DataError as error:
        if len(error.problems) > 1:
            print(f"train: {len(error.problems)} problems, nothing was trained:", file=sys.stderr)
        for line in str(error).splitlines():
            print(f"train: {line}", file=sys.stderr)
        return 1
    except SettingError as error:
        print(f"train: {flag(error.field)} {error.problem}", file=sys.stderr)
        return 2
    except (BowstreamError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("train: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser("python -m train", description="From recordings to a bundle.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="train, try on held-out recordings, write a bundle and a report")
    run.add_argument("--out", type=Path, required=True, help="folder of the bundle, models/NAME say")
    add_training(run)
    run.add_argument("--report", type=Path, help="folder of the report (default: RUNS/report_NAME)")
    run.set_defaults(command=run_command)

    sweep = commands.add_parser(
        "sweep", help="the paper's experiments, or any combination of settings: a CSV and a plot"
    )
    wanted = sweep.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--experiment", choices=EXPERIMENTS, help="one of the paper's, or the ablation")
    wanted.add_argument(
        "--axis", action="append", metavar="SETTING=VALUE,VALUE…", help="a setting and its values; repeat it"
    )
    sweep.add_argument("--folds", type=int, help="try each setting on the first so many splits (default: all)")
    sweep.add_argument("--out", type=Path, required=True, help="folder of sweep.csv and sweep.png")
    add_training(sweep)
    sweep.set_defaults(command=sweep_command)

    check = commands.add_parser("check", help="compare Keras, TFLite and the device's path, code by code")
    add_training(check)
    check.set_defaults(command=check_command)

    cost = commands.add_parser(
        "cost", help="what it costs: tables and plots against hop, sizes, length, files and jobs"
    )
    cost.add_argument("--out", type=Path, required=True, help="folder of the tables (CSV) and plots")
    cost.set_defaults(command=cost_command)

    numbers = commands.add_parser("numbers", help="the README's tables, from the committed metrics of their runs")
    numbers.set_defaults(command=numbers_command)

    evaluate = commands.add_parser(
        "evaluate", help="try bundles on clips of sources that they did not learn from, beside another tagger"
    )
    evaluate.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="a clip is heard by the first that may"
    )
    add_data(evaluate)
    evaluate.add_argument(
        "--sources", action="append", default=[], metavar="PATTERN", help="look at these only: place*"
    )
    evaluate.add_argument("--against", type=Path, metavar="TFLITE", help="another tagger, yamnet.tflite say")
    evaluate.add_argument("--labels", type=Path, help="its labels: a CSV with a column display_name, or a label a line")
    evaluate.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")
    evaluate.add_argument("--out", type=Path, required=True, help="the file of the measures, JSON")
    evaluate.set_defaults(command=evaluate_command)

    teacher = commands.add_parser("teacher", help="write what a TFLite waveform tagger says of recordings: soft labels")
    teacher.add_argument("sets", nargs="+", metavar="RECORDINGS", help="a folder, a CSV, or LAYOUT:PATH")
    teacher.add_argument("--model", type=Path, required=True, help="the tagger, yamnet.tflite say")
    teacher.add_argument(
        "--labels", type=Path, required=True, help="its labels: a CSV with a column display_name, or a label a line"
    )
    teacher.add_argument("--out", type=Path, required=True, help="the file, an npz, for --teacher")
    teacher.set_defaults(command=teacher_command)

    data = commands.add_parser("data", help="look at a data set and list what is wrong with it")
    add_data(data)
    data.set_defaults(command=data_command)
    return top


def add_data(command: argparse.ArgumentParser) -> None:
    """Add what names data sets, and how several become one."""
    command.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="SET",
        help=f"a data set: LAYOUT:PATH ({', '.join(LAYOUTS)}), a CSV, or a folder with a folder a tag; repeat it",
    )
    command.add_argument("--root", type=Path, help="the place of a --data that is a layout alone")
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
        help="learn from clips whose licence is stated, from free ones or from all; the rest is tried on only "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--hold-out",
        choices=(GROUPS, SOURCES),
        default=Joining.hold_out,
        help="what is held apart: groups of clips, or whole sources (default: %(default)s)",
    )
    command.add_argument(
        "--weight", action="append", default=[], metavar="SOURCE=NUMBER", help="how much a source's clips count"
    )
    command.add_argument(
        "--learn-only", action="append", default=[], metavar="SOURCE", help="never try on it: synthetic sounds, say"
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
    config.add_flags(command)


def data_set(arguments: argparse.Namespace, fewest: int = Joining.fewest) -> DataSet:
    """Return the data set that is asked for."""
    how = Joining(
        arguments.vocabulary,
        arguments.licences,
        arguments.hold_out,
        dict(map(weight_of, arguments.weight)),
        arguments.teacher,
        tuple(arguments.learn_only),
        fewest,
    )
    return read_sets(arguments.data, arguments.root, how)


def weight_of(text: str) -> tuple[str, float]:
    """Return a source and its weight from SOURCE=NUMBER; raise `UsageError` if it is none."""
    source, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not source or not 0.0 <= weight < math.inf:
        raise UsageError(f"--weight must be SOURCE=NUMBER with a number of 0 or more (got {text!r})")
    return source, weight


def run_command(arguments: argparse.Namespace) -> None:
    """`run`."""
    settings = config.from_flags(vars(arguments))
    data = data_set(arguments)
    from .run import run

    refuse_off_device(settings)
    page = arguments.report or arguments.runs / f"report_{arguments.out.name}"
    run(arguments.runs, data, arguments.out, page, settings, arguments.negatives)


def refuse_off_device(settings: config.TrainConfig) -> None:
    """Raise `UsageError` for what no device can do."""
    if not settings.on_device:
        raise UsageError("no bundle can do --pairs: they can be tried with sweep")


def sweep_command(arguments: argparse.Namespace) -> None:
    """`sweep`."""
    from .sweep import configs_of, sweep

    variants = EXPERIMENTS.get(arguments.experiment) or combinations(parse_axes(arguments.axis))
    configs = configs_of(variants, config.given(vars(arguments)))
    data = data_set(arguments)
    print(sweep(arguments.runs, data, arguments.out, variants, configs, arguments.folds, arguments.negatives))


def check_command(arguments: argparse.Namespace) -> None:
    """`check`."""
    settings = config.from_flags(vars(arguments))
    refuse_off_device(settings)
    config.refuse_idle_negatives(arguments.negatives, [settings.method])
    data = data_set(arguments)
    from .common.quiet import start_tensorflow
    from .dataset.negatives import find_negatives
    from .dataset.problems import check
    from .measure.compare import compare
    from .measure.trial import study, try_split

    hashes = check(data)
    negatives = find_negatives(arguments.runs, arguments.negatives, data, hashes) if arguments.negatives else ()
    start_tensorflow()
    its = study(arguments.runs, data, hashes, settings, negatives)
    print(json.dumps(compare(its, [try_split(its, data.splits()[0])]), indent=1))


def numbers_command(arguments: argparse.Namespace) -> None:
    """`numbers`."""
    from .report.numbers import COLUMNS, SWEEPS, numbers, steps

    print("\n".join([numbers(COLUMNS), *map(steps, SWEEPS)]), end="")


def cost_command(arguments: argparse.Namespace) -> None:
    """`cost`."""
    from .cost import Plan, cost

    cost(arguments.out, Plan())


def evaluate_command(arguments: argparse.Namespace) -> None:
    """`evaluate`."""
    from .measure.waveform import waveform_tagger
    from .report.places import evaluate, told

    if (arguments.against is None) != (arguments.labels is None):
        raise UsageError("--against and --labels go together")
    other = waveform_tagger(arguments.against, arguments.labels) if arguments.against else None
    data = data_set(arguments, fewest=0)
    print(told(evaluate(arguments.runs, data, arguments.bundles, arguments.out, other, arguments.sources)), end="")


def teacher_command(arguments: argparse.Namespace) -> None:
    """`teacher`."""
    from .measure.ask import ask

    ask(arguments.model, arguments.labels, arguments.sets, arguments.out)


def data_command(arguments: argparse.Namespace) -> None:
    """`data`."""
    from .dataset.problems import check

    data = data_set(arguments)
    check(data, whole=True)
    print(
        f"{data.name}: {len(data.clips)} clips, {len(data.tags)} tags, folds {', '.join(data.folds)}: nothing is wrong"
    )

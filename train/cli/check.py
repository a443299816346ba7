"""`python -m train check`: compare Keras, TFLite and the device's path, code by code."""

from __future__ import annotations

import json
from argparse import Namespace

from ..common.config import from_flags, refuse_idle_negatives
from .options import Commands, add_training, data_set, refuse_off_device


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("check", help="compare Keras, TFLite and the device's path, code by code")
    add_training(parser)
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    settings = from_flags(vars(arguments))
    refuse_off_device(settings)
    refuse_idle_negatives(arguments.negatives, [settings.method])
    data = data_set(arguments)
    from ..common.quiet import start_tensorflow
    from ..dataset.negatives import find_negatives
    from ..dataset.problems import check
    from ..measure.compare import compare
    from ..measure.trial import study, try_split

    hashes = check(data)
    negatives = find_negatives(arguments.runs, arguments.negatives, data, hashes) if arguments.negatives else ()
    start_tensorflow()
    its = study(arguments.runs, data, hashes, settings, negatives)
    print(json.dumps(compare(its, [try_split(its, data.splits()[0])]), indent=1))

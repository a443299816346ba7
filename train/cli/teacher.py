"""`python -m train teacher`: write what a TFLite waveform tagger says of recordings."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..common.crew import ALL_CORES
from .options import Commands, add_crew, crew


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "teacher", help="write soft labels: the scores that a TFLite waveform tagger gives to recordings"
    )
    parser.add_argument("sets", nargs="+", metavar="RECORDINGS", help="a folder, a CSV, or LAYOUT:PATH")
    parser.add_argument("--model", type=Path, required=True, help="the tagger, such as yamnet.tflite")
    parser.add_argument(
        "--labels", type=Path, required=True, help="its labels: a CSV with a column display_name, or one label per line"
    )
    parser.add_argument("--out", type=Path, required=True, help="the file, an npz, for --teacher")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of artefacts (default: runs)")
    add_crew(parser, ALL_CORES.jobs, "the asking")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..measure.ask import ask

    made_by = crew(arguments, ALL_CORES.jobs)
    ask(arguments.runs, arguments.model, arguments.labels, arguments.sets, arguments.out, made_by)

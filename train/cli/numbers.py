"""`python -m train numbers`: the README's tables and the model card, from the committed metrics of their runs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bowstream.errors import UsageError

from .options import Commands


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "numbers", help="the README's tables and the model card, from the committed metrics of their runs"
    )
    parser.add_argument("--write", action="store_true", help="write them between their markers; else print them")
    parser.set_defaults(command=run)


def run(arguments: Namespace) -> None:
    """Carry it out."""
    from ..report.numbers import between

    for file, tables in contents().items():
        if not arguments.write:
            print("\n".join(tables.values()), end="")
            continue
        text = file.read_text("utf-8")
        for name, content in tables.items():
            try:
                text = between(text, name, content)
            except UsageError as error:
                raise UsageError(f"{file}: {error}") from error
        file.write_text(text, "utf-8")


def contents() -> dict[Path, dict[str, str]]:
    """Return the tables of each file, by the name of their markers."""
    from ..report import fewshot, gains
    from ..report.card import card, comparison, tag_list
    from ..report.numbers import CHECKOUT, COLUMNS, METRICS, SWEEPS, metrics_of, numbers, steps
    from ..report.streams import in_short

    shipped = CHECKOUT / "models" / "default"
    context, ablation = map(steps, SWEEPS)
    training = {"numbers": numbers(COLUMNS), "context": context, "steps": ablation}
    training["fewshot"] = fewshot.told(fewshot.read(METRICS / "fewshot.json"))
    brought = metrics_of(METRICS / "augmentations.json", "augmentations.json", "augmentations")
    training["augmentations"] = gains.told(brought)
    training["shipped"] = in_short(metrics_of(METRICS / "shipped.json", "streams.json", "streams"))
    return {
        CHECKOUT / "README.md": {"tags": tag_list(shipped), "places": comparison(shipped)},
        CHECKOUT / "train" / "README.md": training,
        CHECKOUT / "models" / "README.md": {"card": card(shipped)},
    }

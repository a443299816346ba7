"""What the verbs' parsers have in common. Imports nothing heavy, as all that help needs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from bowstream._text import printable, redacted
from bowstream.config.flags import add_flags, given
from bowstream.config.settings import Settings

# Settings of which sound of a recording, a microphone or a stream is heard, and how.
CHOSEN = ("channels", "mix", "track")
HOW = (*CHOSEN, "highpass_hz")
EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 130, 143


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose complaint is one line, and that takes options by their whole names only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self._mixed = False

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {printable(redacted(message))}; see '{self.prog} --help'\n")

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:
        """Take names also after options, and complain about what a verb does not know, where its name is known."""
        found, unknown = super().parse_known_args(*arguments, **options)
        if unknown and not self._mixed and self._subparsers is None:
            self._mixed = True  # it parses by this very method
            try:
                found, unknown = self.parse_known_intermixed_args(*arguments, **options)
            finally:
                self._mixed = False
        if unknown and not self._mixed:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_verb(verbs: Verbs, name: str, help: str) -> Parser:
    """Add a verb and return its parser."""
    return verbs.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")


class Once(argparse.Action):
    """Stores a value; a second one is refused, since it would replace the first without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        """Store the value."""
        seen = vars(namespace).setdefault("_seen", set())
        if self.dest in seen:
            parser.error(f"argument {option}: can be given once")
        seen.add(self.dest)
        setattr(namespace, self.dest, value)


@dataclass(frozen=True)
class ConfigOptions:
    """Which configuration applies.

    file : the one that is named; None for a default one
    overrides : settings that flags give, by name
    """

    file: Path | None
    overrides: Mapping[str, Any]

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> ConfigOptions:
        """Return what parsed arguments say; raise `SettingError` if a setting makes no sense."""
        return cls(Path(arguments.config) if arguments.config else None, given(arguments, Settings))


def add_configuration(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add `--config`, and flags that override these settings of it."""
    parser.add_argument("--config", metavar="FILE", action=Once, help="configuration; see 'bowstream config'")
    add_flags(parser, Settings, names, action=Once)


def add_bundle(parser: argparse.ArgumentParser, name: str, **options: Any) -> None:
    """Add an argument that names a bundle's folder."""
    text = "model bundle (default: the one that is shipped)"
    parser.add_argument(name, type=Path, metavar="FOLDER", help=text, **options)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return what reads a whole number in a range."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or len(text) > 9 or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high} (got {text!r})")
        return int(text)

    return read


def number_of_seconds(longest: float) -> Callable[[str], float]:
    """Return what reads a number of seconds, above 0."""

    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0.0 < seconds <= longest:
            raise argparse.ArgumentTypeError(f"must be above 0 and at most {longest:g} seconds (got {text!r})")
        return seconds

    return read

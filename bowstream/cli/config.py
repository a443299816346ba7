"""`bowstream config`: print the configuration in force as a commented TOML file."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from bowstream.cli.parser import ConfigOptions, Verbs, add_verb


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "config", "print the configuration in force, or a complete sample")
    parser.add_argument(
        "config", nargs="?", metavar="FILE", help="configuration (default: where 'listen' looks for it)"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print the configuration in force; where there is none, that is the complete sample with the defaults."""
    asked = ConfigOptions(Path(arguments.config) if arguments.config else None, {})
    from bowstream.cli.setup import load, personalise
    from bowstream.config.sample import as_toml
    from bowstream.model.bundle import default_path, read

    config = load(asked)
    bundle, _ = read(config.settings.bundle or default_path())
    personalise(config, bundle)  # refuses what 'listen' would
    sys.stdout.write(as_toml(config.settings))
    return 0

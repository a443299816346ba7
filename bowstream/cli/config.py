"""`bowstream config`: the configuration in force, as a commented TOML file."""

from __future__ import annotations

import sys
from argparse import Namespace

from bowstream.cli.setup import load, personalise
from bowstream.config.sample import as_toml
from bowstream.model.bundle import default_path, read


def run(arguments: Namespace) -> int:
    """Print the configuration in force; where there is none, that is the complete sample with the defaults."""
    config = load(arguments)
    bundle, _ = read(config.settings.bundle or default_path())
    personalise(config, bundle)  # refuses what 'listen' would
    sys.stdout.write(as_toml(config.settings))
    return 0

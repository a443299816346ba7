"""What is said on standard error, beside the results."""

from __future__ import annotations

import sys
from functools import lru_cache

from bowstream._text import printable, redacted


def say(line: str) -> None:
    """Say what goes on, or wrong; the dashboard catches it and shows it."""
    print(f"bowstream: {printable(redacted(line))}", file=sys.stderr, flush=True)


@lru_cache
def say_once(line: str) -> None:
    """Say it the first time only: what is true of each of many recordings."""
    say(line)

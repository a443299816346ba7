"""Who answers Ctrl+C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from bowstream.cli.parser import EXIT_TERMINATED


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl+C raise `KeyboardInterrupt` and SIGTERM `SystemExit`, so that what was begun is tidied up."""

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_TERMINATED)

    answers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate}
    before = {number: signal.signal(number, answer) for number, answer in answers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Who answers Ctrl+C and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any, NoReturn

from bowstream.cli.parser import EXIT_TERMINATED


def interruptible() -> AbstractContextManager[None]:
    """Have Ctrl+C raise `KeyboardInterrupt` and SIGTERM `SystemExit`, so that what was begun is tidied up."""

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_TERMINATED)

    return answered({signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate})


def stopped_by_signals(stop_loop: Callable[[], None]) -> AbstractContextManager[None]:
    """End the loop at the first Ctrl+C or SIGTERM; a second Ctrl+C interrupts whatever is going on."""

    def stop(number: int, frame: FrameType | None) -> None:
        stop_loop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return answered({signal.SIGINT: stop, signal.SIGTERM: stop})


@contextmanager
def answered(answers: Mapping[int, Callable[[int, FrameType | None], Any]]) -> Iterator[None]:
    """Have functions answer signals, by their number, and afterwards those that did so before."""
    before = {number: signal.signal(number, answer) for number, answer in answers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

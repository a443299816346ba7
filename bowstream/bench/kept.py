"""What a history costs beside the live path, with a page that nobody looks at."""

from __future__ import annotations

import functools
import importlib.util
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bowstream._types import Float32
from bowstream.bench.paths import calls_of, looped
from bowstream.bench.timing import Timed
from bowstream.config.sinks import HistorySettings
from bowstream.config.web import WebSettings
from bowstream.model.bundle import Bundle
from bowstream.output.lines import Output
from bowstream.records import Record
from bowstream.session import Session
from bowstream.sinks import Sinks
from bowstream.web.page import WebPage
from bowstream.web.tuning import Tuning

# Between two looks whether the disk has all of it: looking costs time, too.
LOOK_EVERY_S = 0.02


@functools.cache
def folder() -> TemporaryDirectory[str]:
    """Return a folder that goes with the process."""
    return TemporaryDirectory(prefix="bowstream-bench-")


def kept(bundle: Bundle, samples: Float32, hop_columns: int) -> Timed:
    """Return what `--history --web` adds to `listen`, up to the disk; no page where uvicorn is not installed."""
    session = looped(bundle, samples, hop_columns)
    session.is_watched = lambda: False
    sinks, records, calls = history(session), list[Record](), calls_of(session)
    outputs: list[Output] = [sinks, *([page(session)] if importlib.util.find_spec("uvicorn") else [])]

    def hear() -> None:
        records[:] = next(calls)

    def keep() -> None:
        for record in records:
            for each in outputs:
                each.write(record)
        while any(report.waiting for report in sinks.reports()):
            time.sleep(LOOK_EVERY_S)

    return Timed(keep, len(samples) / bundle.front_end.sample_rate, hear)


def history(session: Session) -> Sinks:
    """Return a history; its thread goes with the process."""
    file = Path(folder().name) / f"{id(session)}.db"
    return Sinks(session.info, session.health, {"history": HistorySettings(path=str(file))}, warn).__enter__()


def page(session: Session) -> WebPage:
    """Return a page that nobody looks at; its thread goes with the process."""
    tuning = Tuning(session.info.tags, session.tracker.retune, None)
    settings = WebSettings(port=free_port())
    return WebPage(settings, session.info, session.health, tuning, None, warn).__enter__()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def warn(text: str) -> None:
    """Say what went wrong: then what is measured is something else."""
    raise RuntimeError(text)

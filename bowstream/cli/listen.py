"""`bowstream listen`: a microphone, live."""

from __future__ import annotations

import fcntl
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from bowstream._stderr import muted
from bowstream.audio.microphone import Microphone
from bowstream.audio.reconnect import PatientMicrophone
from bowstream.audio.source import Notice
from bowstream.audio.stream import Live, Player
from bowstream.cli.heap import return_big_buffers
from bowstream.cli.setup import load, open_session, personalise
from bowstream.config.file import Config
from bowstream.config.settings import Settings
from bowstream.errors import BowstreamError, UsageError
from bowstream.model.bundle import Bundle
from bowstream.model.log_mel import FrontEnd
from bowstream.output.lines import JsonLines, Output, PlainLines
from bowstream.output.systemd import Notifier
from bowstream.session import Session
from bowstream.sinks import Sinks
from bowstream.tagger import load_bundle


def run(arguments: Namespace) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    if arguments.demo and vars(arguments).keys() & {"device", "sample_rate", "reconnect"}:
        raise UsageError("--demo hears a made-up scene: leave --device, --sample-rate and --reconnect out")
    return_big_buffers()
    config = load(arguments)
    bundle = personalise(config, load_bundle(config.settings.bundle))
    source = open_source(arguments.demo, config.settings, bundle.front_end)
    # PortAudio complains in its own words when a device goes away; on a terminal the dashboard catches that.
    with nullcontext() if arguments.demo or sys.stdout.isatty() else muted():
        hear(source, bundle, config, arguments, sinks={} if arguments.demo else config.settings.sinks)
    return 0


def open_source(demo: bool, settings: Settings, front_end: FrontEnd) -> Live | PatientMicrophone:
    """Return the microphone that is asked for, or the demo scene."""
    if demo:
        from bowstream.audio.demo import Scene

        return Player(Scene(), front_end.format)
    if settings.reconnect:
        return PatientMicrophone(settings.device, front_end.format, settings.sample_rate)
    return Microphone(settings.device, front_end.format, settings.sample_rate)


def hear(
    source: Live | PatientMicrophone,
    bundle: Bundle,
    config: Config,
    arguments: Namespace,
    labels: Mapping[str, str] | None = None,
    sinks: Mapping[str, Any] | None = None,
) -> Session:
    """Run a live session to its end: dashboard on a terminal, plain lines elsewhere, or JSON; then a summary line.

    `labels` are fields that every JSON object begins with, `sinks` the settings of those to deliver to.
    """
    with ExitStack() as stack:
        stack.enter_context(source)
        session = open_session(config.settings, source, bundle)
        stack.enter_context(stopped_by_signals(session))
        if sinks:
            stack.enter_context(alone(config))
        output = stack.enter_context(live_output(session, arguments, labels))
        delivered = stack.enter_context(Sinks(session.info, session.health, sinks or {}, complain))
        outputs = (output, delivered, stack.enter_context(Notifier()))
        for record in session:
            for each in outputs:
                each.write(record)
            if isinstance(record, Notice):
                complain(record.text)
    print(closing_line(session), file=sys.stderr)
    for report in delivered.reports():
        print(f"bowstream: {report}", file=sys.stderr)
    return session


def complain(line: str) -> None:
    """Say what goes wrong on standard error; the dashboard catches it and shows it."""
    print(f"bowstream: {line}", file=sys.stderr, flush=True)


@contextmanager
def alone(config: Config) -> Iterator[None]:
    """Hold on to the configuration file while its sinks are delivered to, else all would arrive twice.

    Raises
    ------
    BowstreamError
        If another process does.
    """
    if not config.document:
        yield
        return
    with Path(config.document.name).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BowstreamError(
                f"another bowstream delivers to the sinks of {file.name}: stop it ('systemctl stop bowstream' if it is "
                "the service), or look on without sinks: --config /dev/null"
            ) from error
        yield


@contextmanager
def live_output(session: Session, arguments: Namespace, labels: Mapping[str, str] | None) -> Iterator[Output]:
    """Yield what a live session is shown on."""
    if arguments.json:
        yield JsonLines(sys.stdout, session.health, labels, arguments.events)
    elif arguments.events or not sys.stdout.isatty():
        yield PlainLines(sys.stdout, events_only=arguments.events)
    else:
        from bowstream.dashboard.history import History
        from bowstream.dashboard.screen import Screen

        history = History(session.info, session.health, session.tracker, session.tagger.explain)
        with Screen(history, session.stop) as screen:
            yield screen


@contextmanager
def stopped_by_signals(session: Session) -> Iterator[None]:
    """End the session at the first Ctrl+C or SIGTERM; a second Ctrl+C interrupts whatever is going on."""

    def stop(number: int, frame: Any) -> None:
        session.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def closing_line(session: Session) -> str:
    """Return what was heard and what went wrong, in one line."""
    report = session.health.report()
    heard = f"{report.heard_s:.1f} s heard, {counted(session.windows, 'hop')}, {counted(session.events, 'event')}"
    speed = f"hop latency {report.latency_p50_ms:.1f} ms (95 %: {report.latency_p95_ms:.1f})"
    lost = f"{report.lost_s:.3f} s lost in {counted(report.gaps, 'gap')}, {counted(report.overflows, 'overflow')}"
    return f"bowstream: {heard}; {speed}; {lost}; {counted(report.clipped, 'sample')} clipped"


def counted(number: int, what: str) -> str:
    """Return `1 gap`, `2 gaps`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

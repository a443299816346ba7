"""`bowstream listen`: a microphone, live."""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from .bundle import Bundle
from .chatter import muted
from .live import Live, Player
from .notifier import Notifier
from .output import EventsOnly, JsonLines, Output, PlainLines
from .probe import load_bundle
from .session import Session
from .sinks import Sinks


def run(arguments: Namespace) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    bundle = load_bundle(arguments.bundle)
    source = open_source(arguments, bundle)
    # PortAudio complains in its own words when a device goes away; on a terminal the dashboard catches that.
    with nullcontext() if arguments.demo or sys.stdout.isatty() else muted():
        hear(source, bundle, arguments)
    return 0


def open_source(arguments: Namespace, bundle: Bundle) -> Live:
    """Return the microphone that is asked for, or the demo scene."""
    if arguments.demo:
        from .demo import Scene

        return Player(Scene(bundle.front_end.sample_rate), bundle.front_end)
    from .microphone import Microphone

    return Microphone(arguments.device, bundle.front_end, arguments.rate)


def hear(source: Live, bundle: Bundle, arguments: Namespace, labels: Mapping[str, str] | None = None) -> Session:
    """Run a live session to its end: dashboard on a terminal, plain lines elsewhere, or JSON; then a summary line.

    `labels` are fields that every JSON object begins with.
    """
    with ExitStack() as stack:
        session = Session(stack.enter_context(source), bundle, arguments.hop, arguments.hold)
        stack.enter_context(stopped_by_signals(session))
        output = stack.enter_context(live_output(session, arguments, labels))
        sinks = stack.enter_context(Sinks(session, getattr(arguments, "sinks", {}), complain))
        outputs = (output, sinks, stack.enter_context(Notifier()))
        for record in session:
            for each in outputs:
                each.write(record)
    print(closing_line(session), file=sys.stderr)
    for report in sinks.reports():
        print(f"bowstream: {report}", file=sys.stderr)
    return session


def complain(line: str) -> None:
    """Say what goes wrong on standard error; the dashboard catches it and shows it."""
    print(f"bowstream: {line}", file=sys.stderr, flush=True)


@contextmanager
def live_output(session: Session, arguments: Namespace, labels: Mapping[str, str] | None) -> Iterator[Output]:
    """Yield what a live session is shown on."""
    if not arguments.json and not arguments.events and sys.stdout.isatty():
        from .screen import Screen

        with Screen(session) as screen:
            yield screen
        return
    lines = JsonLines(sys.stdout, session, labels) if arguments.json else PlainLines(sys.stdout, session)
    yield EventsOnly(lines) if arguments.events else lines


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
    heard = f"{report.heard_s:.1f} s heard, {session.windows} hops, {session.events} events"
    speed = f"hop latency {report.latency_p50_ms:.1f} ms (95 %: {report.latency_p95_ms:.1f})"
    lost = f"{report.lost_s:.3f} s lost in {report.gaps} gaps, {report.overflows} overflows"
    return f"bowstream: {heard}; {speed}; {lost}; {report.clipped} samples clipped"

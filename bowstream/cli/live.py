"""A live session: from a source to the screen, to lines and to the sinks."""

from __future__ import annotations

import fcntl
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bowstream._stderr import muted
from bowstream.audio.opening import open_live
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.source import Notice
from bowstream.audio.stream import Player, StreamSource
from bowstream.cli.options import ListenOptions
from bowstream.cli.page import PagePlan, kept, page_settings, tags_file, tuned, web_page
from bowstream.cli.say import say
from bowstream.cli.setup import load, open_session
from bowstream.cli.taught import Taught
from bowstream.config.file import Config
from bowstream.config.settings import Settings
from bowstream.config.sinks import HistorySettings, SinkSettings
from bowstream.errors import BowstreamError
from bowstream.learn.newest import SOCKET_NAME, Doorway
from bowstream.model.bundle import Bundle
from bowstream.model.log_mel import FrontEnd
from bowstream.output.lines import JsonLines, Output, PlainLines
from bowstream.output.systemd import Notifier
from bowstream.records import StreamInfo
from bowstream.session import Session
from bowstream.sinks import Sinks
from bowstream.tagger import load_bundle


def listen(options: ListenOptions) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    config = load(options.config)
    taught = Taught(config, load_bundle(config.settings.bundle))
    bundle = taught.now()
    source = open_source(options.demo, config.settings, bundle.front_end)
    web = page_settings(config.settings, options)
    history = options.history if options.history is not None or not web else True
    sinks = {} if options.demo else with_history(config.settings.sinks, history)
    # PortAudio complains in its own words when a device goes away; on a terminal the dashboard catches that.
    with nullcontext() if options.demo or sys.stdout.isatty() else muted():
        plan = PagePlan(web, None if options.demo else tags_file(sinks))
        learns = None if options.demo else taught
        run(source, bundle, config, Shown(options.json, options.events), sinks, plan, taught=learns)
    return 0


@dataclass(frozen=True)
class Shown:
    """How a live session is shown.

    json : as JSON lines
    events : without its hops
    labels : fields that every JSON object begins with
    """

    json: bool = False
    events: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


def open_source(demo: bool, settings: Settings, front_end: FrontEnd) -> StreamSource | Reconnecting:
    """Return the microphone or stream that is asked for, or the demo scene."""
    if demo:
        from bowstream.audio.demo import Scene

        return Player(Scene(), front_end.format)
    return open_live(settings, front_end.format)


def run(
    source: StreamSource | Reconnecting,
    bundle: Bundle,
    config: Config,
    shown: Shown,
    sinks: Mapping[str, SinkSettings],
    plan: PagePlan | None = None,
    started_at: datetime | None = None,
    taught: Taught | None = None,
) -> Session:
    """Run a live session to its end: dashboard on a terminal, plain lines elsewhere, or JSON; then a summary line.

    `sinks` are the settings of those to deliver to, by name; `started_at` is when a recording began; `taught` is what
    may change meanwhile.
    """
    with ExitStack() as stack:
        stack.enter_context(source)
        session = open_session(config.settings, source, bundle, started_at)
        stack.enter_context(stopped_by_signals(session))
        if sinks:
            stack.enter_context(alone(config))
        output = stack.enter_context(live_output(session, shown))
        delivered = Sinks(session.info, session.health, sinks, say)
        if taught and (history := kept(sinks)):
            learning = taught.learning(session.info, history)
            delivered.add(learning)
            stack.enter_context(Doorway(history.with_name(SOCKET_NAME), learning.newest, say))
        stack.enter_context(delivered)
        outputs = [output, delivered, stack.enter_context(Notifier())]
        tuning = tuned(session, plan.tags_file) if plan else None
        if plan and tuning and plan.settings:
            page = stack.enter_context(web_page(session, tuning, sinks, plan.settings, delivered.judge))
            outputs.append(page)
            say(f"the page is at {page.address}")
        for record in session:
            if taught:
                taught.look(session)
            if tuning and isinstance(record, StreamInfo):
                tuning.retag(record.tags)
                tuning.apply()
            for each in outputs:
                each.write(record)
            if isinstance(record, Notice):
                say(record.text)
    say(closing_line(session))
    for report in delivered.reports():
        if report.name in sinks or report.trouble:
            say(str(report))
    return session


def with_history(sinks: Mapping[str, SinkSettings], wanted: bool | None) -> Mapping[str, SinkSettings]:
    """Return the settings of sinks with those of a history or without, or as they are if neither is wanted."""
    if wanted is None:
        return sinks
    others = {name: settings for name, settings in sinks.items() if name != "history"}
    return {**others, "history": sinks.get("history", HistorySettings())} if wanted else others


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
def live_output(session: Session, shown: Shown) -> Iterator[Output]:
    """Yield what a live session is shown on."""
    if shown.json:
        yield JsonLines(sys.stdout, session.health, shown.labels, shown.events)
    elif shown.events or not sys.stdout.isatty():
        yield PlainLines(sys.stdout, events_only=shown.events)
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
    return f"{heard}; {speed}; {lost}; {counted(report.clipped, 'sample')} clipped"


def counted(number: int, what: str) -> str:
    """Return `1 gap`, `2 gaps`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

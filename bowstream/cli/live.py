"""A live session: from a source to the screen, to lines and to the sinks."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bowstream._stderr import muted
from bowstream.audio.opening import open_live
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.source import Notice
from bowstream.audio.stream import Player, StreamSource
from bowstream.cli.demo import say_left_out
from bowstream.cli.options import ListenOptions
from bowstream.cli.page import PagePlan, kept, page_settings, tags_file, tuned, web_page
from bowstream.cli.say import say
from bowstream.cli.setup import load, open_ears, open_session
from bowstream.cli.signals import stopped_by_signals
from bowstream.cli.taught import Taught
from bowstream.config.file import Config
from bowstream.config.settings import Settings, SourceSettings
from bowstream.config.sinks import HistorySettings, SinkSettings
from bowstream.dashboard.lesson import Pupil
from bowstream.ears import Ears
from bowstream.errors import BowstreamError
from bowstream.learn.newest import SOCKET_NAME, Doorway
from bowstream.model.bundle import Bundle
from bowstream.model.front_end import FrontEnd
from bowstream.output.lines import JsonLines, Output, PlainLines
from bowstream.output.systemd import Notifier
from bowstream.records import StreamInfo
from bowstream.session import Session
from bowstream.sinks import Sinks
from bowstream.sinks.reporter import Reporter
from bowstream.tagger import load_bundle

if TYPE_CHECKING:
    from bowstream.web.page import WebPage
    from bowstream.web.tuning import Tuning


def listen(options: ListenOptions) -> int:
    """Listen until the stream ends or Ctrl+C; return the exit status."""
    config = load(options.config)
    taught = Taught(config, load_bundle(config.settings.bundle))
    web = page_settings(config.settings, options)
    history = options.history if options.history is not None or not web else True
    sinks = {} if options.demo else with_history(config.settings.sinks, history)
    # PortAudio complains in its own words when a device goes away; on a terminal the dashboard catches that.
    with nullcontext() if options.demo or sys.stdout.isatty() else muted():
        plan = PagePlan(web, None if options.demo else tags_file(sinks))
        loop = opened(options, config.settings, taught.now())
        if options.demo:
            say_left_out(config.settings, options)
        learns = None if options.demo else taught
        run(loop, config, Shown(options.json, options.events), sinks, plan, learns)
    return 0


@contextmanager
def opened(options: ListenOptions, settings: Settings, bundles: Mapping[str, Bundle]) -> Iterator[Session | Ears]:
    """Yield the sessions of what is to be heard: one source, those of the configuration, or the demo scene."""
    if settings.sources and not options.demo:
        with open_ears(settings.sources, bundles, open_source, settings.merge_s) as ears:
            yield ears
    else:
        bundle = bundles[""]
        with open_source(settings, bundle.front_end, options.demo) as source:
            yield open_session(settings, source, bundle)


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


def is_drawn(shown: Shown) -> bool:
    """Whether a live session is shown as a dashboard."""
    return not shown.json and not shown.events and sys.stdout.isatty()


def is_watched(shown: Shown, page: WebPage | None) -> bool:
    """Whether the sound is looked at as it comes, now: on a dashboard or a page."""
    return is_drawn(shown) or (page is not None and page.is_watched)


def open_source(settings: SourceSettings, front_end: FrontEnd, demo: bool = False) -> StreamSource | Reconnecting:
    """Return the microphone or stream that is asked for, or the demo scene."""
    if demo:
        from bowstream.audio.demo import Scene

        return Player(Scene(), front_end.format)
    return open_live(settings, front_end.format)


def run(
    opened: AbstractContextManager[Session | Ears],
    config: Config,
    shown: Shown,
    sinks: Mapping[str, SinkSettings],
    plan: PagePlan | None = None,
    taught: Taught | None = None,
) -> Session | Ears:
    """Run a live loop to its end: dashboard on a terminal, plain lines elsewhere, or JSON; then a summary line.

    `sinks` are the settings of those to deliver to, by name; `taught` is what may change meanwhile.
    """
    with ExitStack() as stack:
        loop = stack.enter_context(opened)
        stack.enter_context(stopped_by_signals(loop.stop))
        if sinks:
            stack.enter_context(alone(config))
        delivered, pupil = delivery(loop, config, sinks, taught)
        outputs: list[Output] = [stack.enter_context(live_output(loop, shown, pupil))]
        if pupil and (history := kept(sinks)):
            stack.enter_context(Doorway(history.with_name(SOCKET_NAME), pupil.newest, say))
        stack.enter_context(delivered)
        outputs += [delivered, stack.enter_context(Notifier())]
        tuning = tuned(loop.sessions, plan.tags_file) if plan else None
        page: WebPage | None = None
        if plan and tuning and plan.settings:
            page = stack.enter_context(web_page(loop.sessions, tuning, sinks, plan.settings, delivered.judge))
            outputs.append(page)
            say(f"the page is at {page.address}")
        if not config.settings.merge_s:  # which looks at the sound to tell what is due
            for session in loop.sessions:
                session.is_watched = partial(is_watched, shown, page)
        follow(loop, outputs, taught, tuning)
    for session in loop.sessions:
        say(of_source(session.info.key, closing_line(session)))
    for report in delivered.reports():
        if report.name in sinks or report.trouble:
            say(str(report))
    return loop


def delivery(
    loop: Session | Ears, config: Config, sinks: Mapping[str, SinkSettings], taught: Taught | None
) -> tuple[Sinks, Pupil | None]:
    """Return the sinks, with what learns and what reports; and who can be taught, if there is a place for that."""
    first, *others = loop.sessions
    delivered = Sinks(first.info, first.health, sinks, say, [(each.info, each.health) for each in others])
    history, pupil = kept(sinks), None
    if taught and history:
        learning = taught.learning([session.info for session in loop.sessions], history, is_kept="history" in sinks)
        delivered.add(learning)
        pupil = Pupil(learning.newest, learning.teach, delivered.judge)
    if config.settings.report and config.file and history and "history" in sinks:
        delivered.add(Reporter(config.settings.report, config.file.absolute(), history))
    return delivered, pupil


def follow(loop: Session | Ears, outputs: Sequence[Output], taught: Taught | None, tuning: Tuning | None) -> None:
    """Write a loop's records until it ends; what is taught or set meanwhile is in force from the next one on."""
    for record in loop:
        if taught:
            taught.look(loop.sessions)
        if tuning and isinstance(record, StreamInfo):
            tuning.retag(record.tags, record.key)
            tuning.apply()
        for output in outputs:
            output.write(record)
        if isinstance(record, Notice):
            say(of_source(record.source, record.text))


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
                "the service), or listen without sinks: --config /dev/null"
            ) from error
        yield


@contextmanager
def live_output(loop: Session | Ears, shown: Shown, pupil: Pupil | None) -> Iterator[Output]:
    """Yield what a live session is shown on; there it can be taught, too."""
    if shown.json:
        healths = {session.info.key: session.health for session in loop.sessions}
        yield JsonLines(sys.stdout, healths, shown.labels, shown.events)
    elif not is_drawn(shown):
        yield PlainLines(sys.stdout, events_only=shown.events)
    else:
        from bowstream.dashboard.history import History
        from bowstream.dashboard.screen import Screen

        histories = [
            History(session.info, session.health, session.tracker, session.tagger.explain) for session in loop.sessions
        ]
        with Screen(histories, loop.stop, pupil) as screen:
            yield screen


def closing_line(session: Session) -> str:
    """Return what was heard and what went wrong, in one line."""
    report = session.health.report()
    heard = f"{report.heard_s:.1f} s heard, {counted(session.windows, 'hop')}, {counted(session.events, 'event')}"
    speed = f"hop latency {report.latency_p50_ms:.1f} ms (95 %: {report.latency_p95_ms:.1f})"
    lost = f"{report.lost_s:.3f} s lost in {counted(report.gaps, 'gap')}, {counted(report.overflows, 'overflow')}"
    clock = "" if report.drift_ppm is None else f"; its clock is {report.drift_ppm:+.0f} ppm off"
    return f"{heard}; {speed}; {lost}; {counted(report.clipped, 'sample')} clipped{clock}"


def of_source(source: str, line: str) -> str:
    """Return a line as it is said of a source, if that is one of several."""
    return f"{source}: {line}" if source else line


def counted(number: int, what: str) -> str:
    """Return `1 gap`, `2 gaps`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

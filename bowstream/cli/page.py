"""What `listen` sets up for the page, and what a page has set for `listen`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bowstream._text import printable
from bowstream.cli.options import ListenOptions
from bowstream.cli.say import say
from bowstream.config.paths import expanded
from bowstream.config.settings import Settings
from bowstream.config.sinks import ClipsSettings, HistorySettings, SinkSettings
from bowstream.config.web import WebSettings
from bowstream.errors import UsageError
from bowstream.history.place import kept_at
from bowstream.session import Session
from bowstream.web.tuning import FILE_NAME, Tuning

if TYPE_CHECKING:
    from bowstream.web.app import Judge
    from bowstream.web.page import WebPage


@dataclass(frozen=True)
class PagePlan:
    """Whether there is a page, and what pages have set of tags.

    settings : of the page; None for no page
    tags_file : None if what a page sets is kept nowhere
    """

    settings: WebSettings | None = None
    tags_file: Path | None = None


def page_settings(settings: Settings, options: ListenOptions) -> WebSettings | None:
    """Return the settings of the page; None if there is to be none."""
    wanted = settings.web is not None and not options.demo if options.web is None else options.web
    return (settings.web or WebSettings()) if wanted else None


def kept(sinks: Mapping[str, SinkSettings]) -> Path | None:
    """Return where the history is, or would be if one were kept; None without a place for that."""
    history = sinks.get("history")
    try:
        return kept_at(history.path if isinstance(history, HistorySettings) else "")
    except UsageError:  # no home: a container's user, say
        return None


def tags_file(sinks: Mapping[str, SinkSettings]) -> Path | None:
    """Return where it is kept what a page sets of tags: beside the history; None without a place for that."""
    history = kept(sinks)
    return history and history.with_name(FILE_NAME)


def tuned(sessions: Sequence[Session], file: Path | None) -> Tuning:
    """Return the sessions' tags with what a page has set of them earlier, in force."""
    first, *others = sessions
    tuning = Tuning(first.info.tags, first.tracker.retune, file, first.info.key)
    for session in others:
        tuning.add(session.info.tags, session.tracker.retune, session.info.key)
    tuning.apply()
    if tuning.changed:
        say(f"{file} changes {', '.join(map(printable, tuning.changed))}")
    return tuning


def web_page(
    sessions: Sequence[Session],
    tuning: Tuning,
    sinks: Mapping[str, SinkSettings],
    settings: WebSettings,
    judge: Judge,
) -> WebPage:
    """Return the page, with the history and the clips that the sinks keep; `judge` gets the verdicts."""
    from bowstream.web.archive import Archive
    from bowstream.web.page import WebPage

    history, clips = sinks.get("history"), sinks.get("clips")
    folder = expanded(clips.folder).absolute() if isinstance(clips, ClipsSettings) else None
    archive = Archive(kept_at(history.path), folder) if isinstance(history, HistorySettings) else None
    first, *others = sessions
    page = WebPage(settings, first.info, first.health, tuning, archive, say, judge)
    for session in others:
        page.add(session.info, session.health)
    return page

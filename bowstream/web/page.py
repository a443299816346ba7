"""The page beside a session: an output that tells open pages what is heard, and a server in its own thread."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from bowstream.config.web import WebSettings
from bowstream.errors import BowstreamError, UsageError
from bowstream.health.counters import Health
from bowstream.records import Idle, Record, Sound, StreamInfo, source_of
from bowstream.web.archive import Archive
from bowstream.web.hub import Hub
from bowstream.web.messages import Narrator, message
from bowstream.web.tuning import Tuning, tag_fields

if TYPE_CHECKING:
    from bowstream.web.app import Judge

CLOSE_S = 3.0


def check_uvicorn() -> None:
    """Raise `UsageError` if uvicorn is not installed."""
    if importlib.util.find_spec("uvicorn") is None:
        raise UsageError("the page needs uvicorn: pip install 'bowstream[web]'")


class WebPage:
    """Serves the page while a session runs; an `Output` that never waits and never raises.

    Parameters
    ----------
    settings : where, and for whom
    info, health : of the session
    tuning : the session's tags, which the page may change
    archive : the past; None if no history is kept
    warn : takes a line when something goes wrong
    judge : takes an event's id and a verdict on it, in any thread, beside the archive
    """

    def __init__(
        self,
        settings: WebSettings,
        info: StreamInfo,
        health: Health,
        tuning: Tuning,
        archive: Archive | None,
        warn: Callable[[str], None],
        judge: Judge = lambda event, verdict: None,
    ) -> None:
        check_uvicorn()
        self._settings, self._info, self._tuning, self._archive = settings, info, tuning, archive
        self._warn, self._judge = warn, judge
        self._hub = Hub()
        self._narrators = {info.key: Narrator(info, health)}
        self._troubles: deque[str] = deque(maxlen=20)
        self._trouble = ""
        self._loop: asyncio.AbstractEventLoop | None = None  # once the thread has one
        self._server: Any = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="bowstream-web", daemon=True)
        self._listener: socket.socket | None = None

    def add(self, info: StreamInfo, health: Health) -> None:
        """Show another source, too; before the page is entered."""
        self._narrators[info.key] = Narrator(info, health)

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        return self._hub.is_watched

    @property
    def address(self) -> str:
        """Where the page is, for this machine's browser."""
        host = self._settings.address
        host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self._settings.port}/"

    def __enter__(self) -> WebPage:
        self._listener = bound(self._settings)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_closing = True
        if self._loop:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end)
        self._thread.join(CLOSE_S)
        if self._listener:
            self._listener.close()

    def write(self, record: Record) -> None:
        """Tell the open pages of a record, and put in force what they have set."""
        try:
            if isinstance(record, Sound) and not self._hub.is_watched:
                return  # ten times a second
            self._tuning.apply()
            if not isinstance(record, Idle):
                self._pass_on(record, self._narrators[source_of(record)])
            if isinstance(record, StreamInfo):  # a page starts again: its scores are in the order of the tags
                self._hub.post(message("hello", self._greeting()))
        except Exception as error:  # a bug of the page must not end the listening
            self._complain(repr(error))
        while self._troubles:
            self._warn(f"web page: {self._troubles.popleft()}")

    def _pass_on(self, record: Record, narrator: Narrator) -> None:
        narrator.follow(record)
        if self._hub.is_watched and (told := narrator.tell(record)):
            self._hub.post(told)

    def _complain(self, trouble: str) -> None:
        """Leave a line for the session's thread to say, once for each kind of trouble in a row."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._troubles.append(trouble)

    def _greeting(self) -> dict[str, Any]:
        """Return what a page gets when it opens."""
        info, narrators = self._info, self._narrators.values()
        return {
            "sources": [narrator.introduction for narrator in narrators],
            "bundle": info.bundle,
            "n_mels": info.n_mels,
            "span_hz": info.span_hz,
            "now_ms": round(time.time() * 1000.0),
            "tags": tag_fields(self._tuning),
            "events": sorted(chain.from_iterable(each.recent for each in narrators), key=itemgetter("onset_ms")),
            "has_history": self._archive is not None,
            "has_clips": self._archive is not None and self._archive.clips is not None,
            "asks": bool(self._settings.password),
            "tags_file": str(self._tuning.file) if self._tuning.file else None,
        }

    def _serve(self) -> None:
        """Run the server, in a thread and a loop that nothing else uses."""
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._complain(f"it is closed: {error!r}")

    async def _main(self) -> None:
        # Here, since they are slow to import and large, and most listeners have no page.
        from bowstream.web.app import App
        from bowstream.web.guard import Guard
        from bowstream.web.server import Server

        guard = Guard(self._settings)
        app = App(guard, self._hub, self._tuning, self._archive, self._judge, self._greeting, self._complain)
        self._server = Server(app)
        self._loop = asyncio.get_running_loop()
        self._hub.run_in(self._loop)
        if not self._is_closing:
            await self._server.serve(sockets=[self._listener])

    def _end(self) -> None:
        """End the pages' streams, else the server would wait for them, and the server."""
        self._hub.close()
        self._server.end()


def bound(settings: WebSettings) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    BowstreamError
        If the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.address, settings.port))
        listener.listen(128)
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise BowstreamError(
            f"[web] cannot listen on {settings.address}:{settings.port}: {reason}; choose another port"
        ) from error
    return listener

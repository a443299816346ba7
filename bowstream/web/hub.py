"""From the session's thread to every open page. It never waits: a slow page misses something, and is informed."""

from __future__ import annotations

import asyncio
from collections import deque

# Messages that may wait for a page: five seconds at the shortest hop.
WAITING = 100
PAGES = 20


class Page:
    """An open page: what it has not been sent yet."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.missed = 0
        self.closing = False

    def offer(self, message: bytes) -> None:
        """Let a message wait; the oldest is dropped, and counted, if too many do."""
        if len(self._messages) >= WAITING:
            self._messages.popleft()
            self.missed += 1
        self._messages.append(message)
        self._changed.set()

    def close(self) -> None:
        """Send nothing more."""
        self.closing = True
        self._changed.set()

    async def take(self, wait_s: float) -> bytes:
        """Return what has come, together; empty if nothing does for so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), wait_s)
        except asyncio.TimeoutError:
            return b""
        self._changed.clear()
        taken = b"".join(self._messages)
        self._messages.clear()
        return taken


class Hub:
    """Passes messages on from one thread to the pages in another, in which the loop runs.

    Attributes
    ----------
    missed : messages that no slow page got, in all
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inbox: deque[bytes] = deque(maxlen=1000)
        self._is_woken = False
        self._pages: list[Page] = []
        self._missed_before = 0  # by pages that are closed

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        return bool(self._pages)

    @property
    def missed(self) -> int:
        """Messages that pages missed."""
        return self._missed_before + sum(page.missed for page in self._pages)

    def post(self, message: bytes) -> None:
        """Send a message to all pages; for the session's thread."""
        loop = self._loop
        if not self._pages or loop is None:
            return
        self._inbox.append(message)
        if not self._is_woken:
            self._is_woken = True
            try:
                loop.call_soon_threadsafe(self._spread)
            except RuntimeError:  # the loop has ended
                self._loop = None

    def run_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; called in the loop's thread, as are the next ones."""
        self._loop = loop

    def open(self) -> Page | None:
        """Return a new page; None if there are too many."""
        if len(self._pages) >= PAGES:
            return None
        page = Page()
        self._pages.append(page)
        return page

    def leave(self, page: Page) -> None:
        """Forget a page."""
        self._pages.remove(page)
        self._missed_before += page.missed

    def tell(self, message: bytes) -> None:
        """Send a message to all pages; for the loop's thread."""
        for page in self._pages:
            page.offer(message)

    def close(self) -> None:
        """End all pages."""
        for page in self._pages:
            page.close()

    def _spread(self) -> None:
        self._is_woken = False
        while self._inbox:
            self.tell(self._inbox.popleft())

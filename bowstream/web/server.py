"""The server: uvicorn, without what would wake the processor twenty times a second while nobody asks for anything."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn

# Connections at a time; a page takes one to six.
CONNECTIONS = 64


class Server(uvicorn.Server):
    """Serves an ASGI application until it is ended; uvicorn's own looks ten times a second whether it should."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )
        self._ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait until it is ended."""
        await self.on_tick(0)
        await self._ended.wait()

    def end(self) -> None:
        """Let `serve` return; called in the loop's thread."""
        self.should_exit = True
        self._ended.set()

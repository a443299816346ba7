"""An HTTP request an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from bowstream import __version__
from bowstream.config.sinks import WebhookSettings
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.records import record_fields
from bowstream.session import Record, StreamInfo
from bowstream.sinks.worker import PermanentError, RetryableError, Sink

# Answers that ask to try again later; every other 3xx or 4xx means that the request itself is wrong.
TRY_AGAIN = (408, 425, 429)


@cache
def opener() -> Any:
    """Return what `urlopen` opens with, without the handler that follows redirects.

    It would make a GET without a body of a POST, take the answer to that for ours, and give `Authorization` away.
    """
    from urllib.request import (
        HTTPDefaultErrorHandler,
        HTTPErrorProcessor,
        HTTPHandler,
        HTTPSHandler,
        OpenerDirector,
        ProxyHandler,
    )

    director = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        director.add_handler(handler())
    return director


class Webhook(Sink[bytes]):
    """Posts events, in order; what the server cannot take now waits."""

    def __init__(self, settings: WebhookSettings, info: StreamInfo, health: Health) -> None:
        super().__init__("webhook")
        self._settings = settings

    def convert(self, record: Record) -> Iterator[bytes]:
        """Return the request's body for an event that is chosen."""
        if isinstance(record, Event) and self._settings.chooses(record.tag, "on" if record.offset_s is None else "off"):
            yield json.dumps(record_fields(record)).encode()

    def deliver(self, item: bytes) -> None:
        """Post a body."""
        # Here, since they are slow to import and large, and most listeners have no such sink.
        import http.client
        import urllib.error
        import urllib.request

        headers = {"Content-Type": "application/json", "User-Agent": f"bowstream/{__version__}"}
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization
        request = urllib.request.Request(self._settings.url, item, headers, method="POST")
        try:
            opener().open(request, timeout=self._settings.timeout_s).close()
        except urllib.error.HTTPError as error:
            problem = f"{request.host} answered {error.code} {error.reason}"
            error.close()
            if error.code < 400 and (place := error.headers["Location"]):
                problem += f": moved to {place!r}: name that one in url"
            if error.code < 500 and error.code not in TRY_AGAIN:
                raise PermanentError(problem) from error
            raise RetryableError(problem) from error
        except urllib.error.URLError as error:
            raise RetryableError(f"{request.host}: {error.reason}") from error
        except http.client.HTTPException as error:
            raise RetryableError(f"{request.host} answered nonsense: {error!r}") from error

"""An HTTP request an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from bowstream import __version__
from bowstream.config.fields import knob
from bowstream.events import Event
from bowstream.session import Record
from bowstream.sinks.dated import Dated
from bowstream.sinks.settings import Chosen, wanted
from bowstream.sinks.worker import Refused, Sink, Undelivered

# Answers that ask to try again later; every other 3xx or 4xx means that the request itself is wrong.
TRY_AGAIN = (408, 425, 429)


@dataclass(frozen=True, kw_only=True)
class Settings(Chosen):
    """Where to send, for which events."""

    url: str = knob(help="gets a POST with the event's object as JSON", example="http://127.0.0.1:8080/sounds")
    authorization: str = knob("", help='value of the header of that name, as in "Bearer …"; none if empty', secret=True)
    timeout_s: float = knob(10.0, help="seconds to wait for an answer", low=0.1, high=600)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted(
            self.url.startswith(("http://", "https://")),
            f"url wants an address that begins with http:// or https://, found {self.url!r}",
        )
        wanted(has_host(self.url), f"url wants a host after //, and no blanks, found {self.url!r}")
        wanted(self.authorization.isprintable(), "authorization wants one line of text")


def has_host(url: str) -> bool:
    """Whether a URL has a host, and a port that is a number if it has one, and can be sent."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        return False


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

    def __init__(self, settings: Settings, dated: Dated) -> None:
        super().__init__("webhook")
        self._settings = settings
        self._dated = dated

    def take(self, record: Record) -> Iterator[bytes]:
        """Return the request's body for an event that is chosen."""
        if isinstance(record, Event) and self._settings.chooses(record):
            yield json.dumps(self._dated.of(record)).encode()

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
                raise Refused(problem) from error
            raise Undelivered(problem) from error
        except urllib.error.URLError as error:
            raise Undelivered(f"{request.host}: {error.reason}") from error
        except http.client.HTTPException as error:
            raise Undelivered(f"{request.host} answered nonsense: {error!r}") from error
